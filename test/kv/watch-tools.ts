// What tests of watches share: a store that counts its observers, and looks at promises that may stay pending.

import { setImmediate } from 'node:timers/promises';
import { vi } from 'vitest';
import type { Store } from '../../src/kv/index.js';
import { type WriteObserver, WritePath } from '../../src/kv/write/write-path.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { World } from './transaction-tools.js';

/** A store, and the observers of its watches. */
export class WatchedWorld {
  readonly world: World;
  readonly #observers: ReadonlySet<WriteObserver>;
  /** The observers that a store always has. */
  readonly #always: number;

  static async open(options: object = {}, disk = new SimulatedDisk({ seed: 7 })): Promise<WatchedWorld> {
    const { observe } = WritePath.prototype;
    const observers = new Set<WriteObserver>();
    const counting = function (this: WritePath, observer: WriteObserver): () => void {
      const end = observe.call(this, observer);
      observers.add(observer);
      return () => {
        observers.delete(observer);
        end();
      };
    };
    const spy = vi.spyOn(WritePath.prototype, 'observe').mockImplementation(counting);
    try {
      const world = await World.open(options, disk);
      const path = spy.mock.contexts[0] as WritePath;
      path.observe = counting.bind(path);
      return new WatchedWorld(world, observers);
    } finally {
      spy.mockRestore();
    }
  }

  private constructor(world: World, observers: ReadonlySet<WriteObserver>) {
    this.world = world;
    this.#observers = observers;
    this.#always = observers.size;
  }

  get db(): Store<string, unknown> {
    return this.world.db;
  }

  /** What watches hold of the store. */
  get held(): { views: number; observers: number } {
    return { views: this.world.held.views, observers: this.#observers.size - this.#always };
  }
}

/** What watches hold after the last one has ended. */
export const NOTHING_WATCHED = { views: 0, observers: 0 };

/** The turns of the event loop after which a promise that could settle has settled. */
const TURNS = 50;

/** Returns true when the promise is still pending after everything else is done. */
export async function staysPending(promise: Promise<unknown>): Promise<boolean> {
  let isPending = true;
  const settled = () => {
    isPending = false;
  };
  promise.then(settled, settled);
  for (let turn = 0; turn < TURNS && isPending; turn++) await setImmediate();
  return isPending;
}

/** Returns the next state of a watch. Throws when the watch has ended. */
export async function stateOf<T>(watch: AsyncIterator<T>): Promise<T> {
  const { done, value } = await watch.next();
  if (done) throw new Error('The watch has ended');
  return value;
}

/** Returns the value of a key in the next state of its watch. */
export async function toldValue<V>(
  watch: AsyncIterator<{ readonly entry: { readonly value: V } | undefined }>,
): Promise<V | undefined> {
  return (await stateOf(watch)).entry?.value;
}

/** An AbortSignal that counts its listeners. */
export function countedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    listeners++;
    addEventListener.apply(signal, args as never);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listeners--;
    removeEventListener.apply(signal, args as never);
  };
  return { controller, listeners: () => listeners };
}
