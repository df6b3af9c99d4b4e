// The stores that are damaged: a few tiny files each, every write of which is known. They are made on the simulated
// disk, where a copy of a whole disk costs nothing.

import { setImmediate } from 'node:timers/promises';
import type { Namespace, Transaction } from '../../src/kv/index.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import type { DiskState } from '../../src/testing/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { type StoreState, stateOf } from '../simulation/store-workload.js';

export const DIRECTORY = '/data/store';

/** Names and contents of the files in a directory. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** What the store was after a write, and up to which LSN. */
export interface Moment {
  readonly lsn: number;
  readonly state: WholeState;
}

type WholeState = readonly (readonly [namespace: string, entries: StoreState])[];

export interface World {
  readonly name: string;
  /** The disk as it is before the damage; nobody lives on it. */
  readonly disk: DiskState;
  readonly files: Files;
  /** The files as they were at earlier moments: what a write that was lost leaves in their place. */
  readonly older: readonly Files[];
  readonly blockBytes: number;
  /** What was acknowledged: all of it. */
  readonly now: Moment;
  /** Where the newest commit started, if the owner was killed: it may read as torn. Null after a close. */
  readonly beforeNewestCommit: Moment | null;
  /** Where the lives before the last one ended. */
  readonly earlierEnds: readonly Moment[];
  /** After every commit of every life. */
  readonly moments: readonly Moment[];
  open(storage: Storage, options?: object): Promise<Store<string, unknown>>;
}

interface WorldPlan {
  readonly name: string;
  readonly options?: object;
  readonly blockBytes?: number;
  readonly segmentBytesMax: number;
  /** One after the other, each in a process of its own, with the store open. */
  readonly lives: readonly ((life: WorldLife) => Promise<void>)[];
}

const KEYS_PER_PREFIX = 4;
const TURNS_OF_REST = 200;

/** One life in a world that is being made. */
class WorldLife {
  readonly #store: Store<string, unknown>;
  readonly #snapshot: () => Promise<void>;
  /** At the start, and after every commit that was acknowledged. */
  readonly moments: Moment[];
  isKilled = false;

  constructor(store: Store<string, unknown>, snapshot: () => Promise<void>) {
    this.#store = store;
    this.#snapshot = snapshot;
    this.moments = [momentOf(store)];
  }

  /** So many puts, one commit each, the values of about so many bytes; to a few keys, so that images stay small. */
  async put(prefix: string, count: number, valueBytes: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      const key = `${prefix}${at % KEYS_PER_PREFIX}`;
      await this.#commit(this.#store.put(key, { at, text: prefix.repeat(valueBytes) }));
    }
  }

  /** Several records in one commit, and several operations in one record. */
  async mix(prefix: string): Promise<void> {
    const store = this.#store;
    const [first] = store.keys();
    const writes = [
      store.put(`${prefix}-one`, new Map([[1n, new Date(0)]])),
      store.batch([
        { type: 'put', key: `${prefix}-two`, value: Buffer.from(prefix) },
        { type: 'delete', key: first! },
        { type: 'put', key: `${prefix}-three`, value: [undefined, -0] },
      ]),
      store.clear({ gte: `${prefix}-two`, lt: `${prefix}-twp` }),
    ];
    await this.#commit(Promise.all(writes));
  }

  /** So many transactions across namespaces, of which one is left empty. */
  async transact(count: number): Promise<void> {
    const store = this.#store;
    const namespace = (name: string, options = {}) =>
      store.namespace(name, options) as Namespace<unknown, unknown>;
    const orders = namespace('orders', { keyEncoding: 'tuple', valueEncoding: 'utf8' });
    const users = namespace('users', { keyEncoding: 'bytes' });
    const [gone, empty] = [namespace('gone'), namespace('empty')];
    for (let at = 0; at < count; at++) {
      const write = store.transaction((given) => {
        const tx = given as Transaction<unknown, unknown>;
        tx.in(orders).put(['order', at], 'x'.repeat(at * 40));
        tx.in(users).put(Uint8Array.of(at, 255), { at, id: store.nextId() });
        tx.in(gone).put(`key ${at}`, at);
        tx.in(empty).clear();
        tx.put(`own ${at}`, { at });
      });
      await this.#commit(write);
    }
  }

  async drop(name: string): Promise<void> {
    await this.#commit(this.#store.drop(name));
  }

  async checkpoint(): Promise<void> {
    await this.#snapshot();
    await this.#store.checkpoint();
    await this.#snapshot();
  }

  /** Past the middle of a segment the next one is made ready in the background: by now it is. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < TURNS_OF_REST; turn++) await setImmediate();
  }

  /** Ends the life without a close. */
  kill(): void {
    this.isKilled = true;
  }

  /** The same, in the middle of a write. */
  killDuring(key: string): void {
    this.kill();
    // Nobody hears of it any more.
    this.#store.put(key, 'x'.repeat(2000)).catch(() => {});
  }

  async end(): Promise<void> {
    if (this.isKilled) return;
    await this.#snapshot();
    await this.#store.close();
  }

  async #commit(written: Promise<unknown>): Promise<void> {
    await written;
    this.moments.push(momentOf(this.#store));
  }
}

function momentOf(store: Store<string, unknown>): Moment {
  return { lsn: store.lastLsn, state: wholeStateOf(store) };
}

/** What the store itself and each of its namespaces hold. */
export function wholeStateOf(store: Store<string, unknown>): WholeState {
  const inNamespaces = store
    .namespaces()
    .map((name) => [name, stateOf(store.namespace(name) as never)] as const);
  return [['', stateOf(store)], ...inNamespaces];
}

const PLANS: readonly WorldPlan[] = [
  {
    name: 'a journal without an image, two lives',
    segmentBytesMax: 4096,
    lives: [
      async (life) => {
        await life.put('a', 6, 30);
        await life.mix('b');
      },
      async (life) => {
        await life.put('c', 4, 300);
        await life.put('d', 3, 900);
        await life.mix('e');
        await life.put('f', 3, 10);
      },
    ],
  },
  {
    name: 'segments of 16 KiB behind one image, some of them recycled',
    segmentBytesMax: 16_384,
    lives: [
      async (life) => {
        await life.put('a', 14, 2000);
        await life.mix('b');
        await life.checkpoint();
        await life.put('a', 22, 1200);
        await life.checkpoint();
        await life.put('c', 20, 1300);
        await life.mix('d');
      },
    ],
  },
  {
    name: 'two images, and the journal behind the older',
    options: { keepOlderGeneration: true },
    blockBytes: 1024,
    segmentBytesMax: 8192,
    lives: [
      async (life) => {
        await life.put('a', 6, 700);
        await life.checkpoint();
        await life.put('b', 5, 800);
        await life.mix('c');
      },
      async (life) => {
        await life.put('d', 4, 600);
        await life.checkpoint();
        await life.put('e', 7, 600);
        await life.mix('f');
      },
    ],
  },
  {
    name: 'a life that was killed in the middle of a write, repaired, and two more lives',
    segmentBytesMax: 4096,
    lives: [
      async (life) => {
        await life.put('a', 5, 300);
        life.killDuring('lost');
      },
      async (life) => {
        await life.put('b', 6, 400);
        await life.mix('c');
      },
      async (life) => {
        await life.put('d', 7, 500);
      },
    ],
  },
  {
    name: 'a last life that wrote one segment',
    segmentBytesMax: 4096,
    lives: [
      async (life) => {
        await life.put('a', 3, 100);
      },
      async (life) => {
        await life.put('b', 2, 100);
      },
    ],
  },
  {
    name: 'an owner that was killed, two images',
    options: { keepOlderGeneration: true },
    segmentBytesMax: 4096,
    lives: [
      async (life) => {
        await life.put('a', 5, 300);
        await life.checkpoint();
        await life.put('b', 5, 300);
        await life.checkpoint();
        await life.put('c', 5, 500);
        await life.mix('d');
        await life.put('e', 1, 700);
        life.kill();
      },
    ],
  },
  {
    name: 'an owner that was killed in its first segment, with the next one prepared',
    segmentBytesMax: 4096,
    lives: [
      async (life) => {
        await life.put('a', 3, 100);
      },
      async (life) => {
        await life.put('b', 5, 300);
        await life.rest();
        life.kill();
      },
    ],
  },
  {
    name: 'an owner that was killed right after a checkpoint',
    segmentBytesMax: 4096,
    lives: [
      async (life) => {
        await life.put('a', 6, 500);
        await life.mix('b');
        await life.checkpoint();
        life.kill();
      },
    ],
  },
  {
    name: 'several spaces, in two images and in the journal',
    options: { keepOlderGeneration: true },
    segmentBytesMax: 8192,
    lives: [
      async (life) => {
        await life.transact(3);
        await life.checkpoint();
        await life.transact(2);
        await life.drop('gone');
        await life.put('a', 3, 100);
      },
      async (life) => {
        await life.put('b', 4, 300);
        await life.transact(2);
        await life.checkpoint();
        await life.put('c', 4, 400);
        await life.mix('d');
      },
    ],
  },
];

export async function makeWorlds(): Promise<World[]> {
  const worlds: World[] = [];
  for (const [index, plan] of PLANS.entries()) worlds.push(await makeWorld(plan, index));
  return worlds;
}

async function makeWorld(plan: WorldPlan, seed: number): Promise<World> {
  const { name, blockBytes = 512, segmentBytesMax } = plan;
  const forJournal = { blockBytes, segmentBytesMin: 4096, segmentBytesMax, commitBytesMax: 1024 };
  const open: World['open'] = async (storage, options = {}) => {
    const resolved = resolveStoreOptions({ autoCheckpoint: false, ...plan.options, ...options });
    return (await openStoreOn(storage, DIRECTORY, resolved, forJournal)) as Store<string, unknown>;
  };
  const older: Files[] = [];
  const lives: WorldLife[] = [];
  let disk = new SimulatedDisk({ seed, directories: ['/data'] });
  for (const live of plan.lives) {
    const storage = disk.life();
    const store = await open(storage);
    const here = disk;
    const life = new WorldLife(store, async () => {
      older.push(await readFiles(here.capture().processKill(seed).life()));
    });
    await live(life);
    await life.end();
    lives.push(life);
    disk = nextLife(disk, seed);
  }
  const moments = lives.flatMap((life) => life.moments);
  const ends = lives.map((life) => life.moments.at(-1)!);
  const now = ends.pop()!;
  const beforeNewestCommit = lives.at(-1)!.isKilled ? moments.at(-2)! : null;
  const files = await readFiles(disk.life());
  const found = { disk: disk.capture(), files, older: older.toReversed(), blockBytes };
  return { name, ...found, now, beforeNewestCommit, earlierEnds: ends, moments, open };
}

/** The disk as a process leaves it that ends here. */
function nextLife(disk: SimulatedDisk, seed: number): SimulatedDisk {
  const state = disk.capture();
  disk.halt();
  return state.processKill(seed);
}

export async function readFiles(storage: Storage, directory = DIRECTORY): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of (await storage.list(directory)).sort()) {
    const file = await storage.openFile(`${directory}/${name}`, false);
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.close();
    files.set(name, bytes);
  }
  return files;
}
