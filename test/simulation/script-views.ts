// The snapshots and iterations that a script holds in one life of the store, and what each must show.

import { isKeelsonError } from '../../src/errors.js';
import type { Namespace, Snapshot } from '../../src/kv/index.js';
import { hold, holdEqual } from './invariants.js';
import { encodingsOf, NAMESPACES, type Script, scriptKey } from './script.js';
import { checkIndexes } from './script-indexes.js';
import {
  checkOrder,
  handleOf,
  type ScriptReads,
  type ScriptState,
  type ScriptStore,
} from './script-model.js';
import { stateOf } from './store-workload.js';

interface HeldSnapshot {
  readonly snapshot: Snapshot<unknown, unknown>;
  readonly state: ScriptState;
  /** The handles of all namespaces at that time. Later ones may be of others with the same names. */
  readonly handles: ReadonlyMap<string, Namespace<unknown, unknown>>;
}

interface HeldIteration {
  readonly iterator: Iterator<[unknown, unknown]>;
  readonly namespace: string;
  readonly expected: readonly (readonly [string, unknown])[];
  at: number;
  isDropped: boolean;
}

/** The snapshots and iterations of one life. */
export class ScriptViews {
  readonly #script: Script;
  readonly #store: ScriptStore;
  readonly #snapshots = new Map<string, HeldSnapshot>();
  readonly #iterations = new Map<string, HeldIteration>();
  /** The number of snapshots that were not closed, also of those that nobody holds. */
  unclosed = 0;

  constructor(script: Script, store: ScriptStore) {
    this.#script = script;
    this.#store = store;
  }

  /** Takes a snapshot, which must show the state. */
  hold(name: string, state: ScriptState): void {
    const handleOfName = (space: string) =>
      [space, handleOf(this.#store, this.#script, space) as Namespace<unknown, unknown>] as const;
    const handles = new Map([...NAMESPACES.keys()].map(handleOfName));
    this.#snapshots.set(name, { snapshot: this.#store.snapshot(), state, handles });
    this.unclosed += 1;
  }

  compare(name: string): void {
    const held = this.#snapshots.get(name);
    if (held !== undefined) this.#compare(held);
  }

  compareAll(): void {
    for (const held of this.#snapshots.values()) this.#compare(held);
  }

  release(name: string): void {
    const held = this.#snapshots.get(name);
    if (held === undefined) return;
    held.snapshot.close();
    this.#snapshots.delete(name);
    this.unclosed -= 1;
  }

  /** Begins an iteration, which must give the entries of the state. */
  iterate(name: string, namespace: string, reverse: boolean, state: ScriptState): void {
    const [, entries] = state.find(([other]) => other === namespace) ?? ['', []];
    const expected = entries.map(([key, value]) => [key, value] as const);
    const reads = handleOf(this.#store, this.#script, namespace);
    this.#iterations.set(name, {
      iterator: reads.entries({ reverse })[Symbol.iterator](),
      namespace,
      expected: reverse ? expected.reverse() : expected,
      at: 0,
      isDropped: false,
    });
  }

  advance(name: string, count: number): void {
    const held = this.#iterations.get(name);
    for (let taken = 0; held !== undefined && taken < count; taken++) {
      // One that has given all entries ends as if nothing had happened.
      if (held.isDropped && held.at < held.expected.length) {
        this.#iterations.delete(name);
        assertDropped(() => held.iterator.next());
        return;
      }
      const next = held.iterator.next();
      const found = next.done ? undefined : [scriptKey(next.value[0]), next.value[1]];
      holdEqual(7, found, held.expected[held.at], `entry ${held.at} of an iteration`);
      held.at += 1;
      if (!next.done) continue;
      this.#iterations.delete(name);
      return;
    }
  }

  /** Notes that a namespace was dropped: iterations over it end. */
  dropped(namespace: string): void {
    for (const held of this.#iterations.values()) if (held.namespace === namespace) held.isDropped = true;
  }

  #compare({ snapshot, state, handles }: HeldSnapshot): void {
    const reads = (name: string): ScriptReads => (name === '' ? snapshot : snapshot.in(handles.get(name)!));
    const found = state.map(([name]) => [name, stateOf(reads(name))] as const);
    holdEqual(7, found, state, 'a snapshot');
    for (const [name, entries] of state) {
      checkOrder(reads(name), encodingsOf(this.#script, name), entries);
      if (this.#script.isIndexed && name !== '') checkIndexes(snapshot.in(handles.get(name)!), entries);
    }
    for (const name of NAMESPACES.keys()) {
      const isThere = state.some(([other]) => other === name);
      hold(7, isThere || reads(name).size === 0, `a snapshot has entries of ${name}, which was not there`);
    }
  }
}

/** Checks that a use of a dropped namespace is refused. */
export function assertDropped(use: () => unknown): void {
  try {
    use();
  } catch (error) {
    hold(7, isKeelsonError(error, 'KEELSON_DROPPED'), `a dropped namespace throws ${error}`);
    return;
  }
  hold(7, false, 'a dropped namespace can be used');
}
