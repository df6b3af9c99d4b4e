// The store and two namespaces against a plain sorted model, by fast-check's commands: writes, transactions, drops, reads,
// snapshots, checkpoints, reopening, process kills and power cuts, in any order. A failure shrinks to the few commands that
// it takes.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Namespace, Transaction } from '../../src/kv/index.js';
import type { Snapshot } from '../../src/kv/read/snapshot.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { openTinyStore } from './store-workload.js';

/** A key of a namespace stands behind its name: `left a`. So the keys of the store itself come first. */
type Contents = ReadonlyMap<string, number>;

/** What is known: the state after every write since the last opening, and how far it was acknowledged. */
interface Model {
  /** The last is what is visible; states[0] is what was found at opening. */
  states: Contents[];
  /** Index of the newest state that was acknowledged. */
  acknowledged: number;
  snapshot: Contents | null;
}

class Real {
  disk: SimulatedDisk;
  storage: Storage;
  store!: Store<string, unknown>;
  snapshot: Snapshot<string, unknown> | null = null;

  constructor(seed: number) {
    this.disk = new SimulatedDisk({ seed, directories: ['/data'] });
    this.storage = this.disk.life();
  }

  async open(): Promise<void> {
    this.store = await openTinyStore(this.storage);
    this.snapshot = null;
  }

  /** Leaves the old disk and everything on it behind, as a crash does. */
  async crashInto(disk: SimulatedDisk): Promise<void> {
    this.disk.halt();
    this.disk = disk;
    this.storage = disk.life();
    await this.open();
  }
}

type Command = fc.AsyncCommand<Model, Real, false>;

const sorted = (contents: Contents) => [...contents].sort(([a], [b]) => (a < b ? -1 : 1));

const isOfStore = (key: string) => !key.includes(' ');

/** The contents of the store itself. */
function ofStore(contents: Contents): Contents {
  return new Map([...contents].filter(([key]) => isOfStore(key)));
}

const placeOf = (store: Store<string, unknown>, name: string) =>
  store.namespace(name) as Namespace<string, unknown>;

/** All entries, in the order of the model. */
function shown(store: Store<string, unknown>): [string, unknown][] {
  const inNamespaces = store
    .namespaces()
    .sort()
    .flatMap((name) =>
      [...placeOf(store, name).entries()].map(([key, value]): [string, unknown] => [`${name} ${key}`, value]),
    );
  return [...store.entries(), ...inNamespaces];
}

function visible(model: Model): Contents {
  return model.states.at(-1)!;
}

/** A write: the model's change, and the store's, awaited or not. */
class Write implements Command {
  readonly #name: string;
  readonly #change: (contents: Map<string, number>) => void;
  readonly #write: (store: Store<string, unknown>) => Promise<unknown>;
  readonly #isAwaited: boolean;

  constructor(
    name: string,
    isAwaited: boolean,
    change: (contents: Map<string, number>) => void,
    write: (store: Store<string, unknown>) => Promise<unknown>,
  ) {
    this.#name = name;
    this.#isAwaited = isAwaited;
    this.#change = change;
    this.#write = write;
  }

  check = () => true;

  async run(model: Model, { store }: Real): Promise<void> {
    const contents = new Map(visible(model));
    this.#change(contents);
    const at = model.states.push(contents) - 1;
    const states = model.states;
    const acknowledged = this.#write(store).then(() => {
      // A crash has begun a new list: what was acknowledged before it is settled already.
      if (model.states === states) model.acknowledged = Math.max(model.acknowledged, at);
    });
    acknowledged.catch(() => {});
    if (this.#isAwaited) await acknowledged;
    assert.deepEqual(shown(store), sorted(visible(model)));
  }

  toString = () => `${this.#isAwaited ? 'await ' : ''}${this.#name}`;
}

class Reopen implements Command {
  check = () => true;

  async run(model: Model, real: Real): Promise<void> {
    await real.store.close();
    await real.open();
    assert.equal(real.store.recovery.kind === 'repaired', false);
    assert.deepEqual(shown(real.store), sorted(visible(model)));
    model.states = [visible(model)];
    model.acknowledged = 0;
    model.snapshot = null;
  }

  toString = () => 'reopen';
}

class Crash implements Command {
  readonly #kind: 'process kill' | 'power cut';
  readonly #seed: number;

  constructor(kind: 'process kill' | 'power cut', seed: number) {
    this.#kind = kind;
    this.#seed = seed;
  }

  check = () => true;

  async run(model: Model, real: Real): Promise<void> {
    const state = real.disk.capture();
    const choice = {
      profile: 'strict',
      grain: 'sector',
      pattern: 'random',
      index: 0,
      seed: this.#seed,
    } as const;
    const { states, acknowledged } = model;
    model.states = [];
    await real.crashInto(
      this.#kind === 'process kill' ? state.processKill(this.#seed) : state.powerCut(choice),
    );
    const found = shown(real.store);
    const at = states.findLastIndex(
      (contents, index) =>
        index >= acknowledged && JSON.stringify(sorted(contents)) === JSON.stringify(found),
    );
    assert(
      at >= 0,
      `after write ${acknowledged} of ${states.length - 1} was acknowledged: ${JSON.stringify(found)}`,
    );
    model.states = [states[at]!];
    model.acknowledged = 0;
    model.snapshot = null;
  }

  toString = () => `${this.#kind} (seed ${this.#seed})`;
}

/** Something that changes no contents. */
class Look implements Command {
  readonly #name: string;
  readonly #look: (model: Model, real: Real) => Promise<void> | void;

  constructor(name: string, look: (model: Model, real: Real) => Promise<void> | void) {
    this.#name = name;
    this.#look = look;
  }

  check = () => true;

  async run(model: Model, real: Real): Promise<void> {
    await this.#look(model, real);
  }

  toString = () => this.#name;
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const value = fc.nat(1_000_000);
const seed = fc.nat(2 ** 31 - 1);

const space = fc.constantFrom('left', 'right');

/** Moves a value from the store into a namespace, and counts the moves in the other one. */
function move(store: Store<string, unknown>, from: string, to: string, fails: boolean): Promise<unknown> {
  const [into, other] = [to, to === 'left' ? 'right' : 'left'].map((name) => placeOf(store, name));
  return store.transaction((given) => {
    const tx = given as Transaction<string, unknown>;
    const value = tx.get(from) ?? 0;
    tx.delete(from);
    tx.in(into!).put(from, value);
    tx.in(other!).put('moves', ((tx.in(other!).get('moves') as number) ?? 0) + 1);
    if (fails) throw new Moved();
  });
}

class Moved extends Error {}

function moved(contents: Map<string, number>, from: string, to: string): void {
  const counter = `${to === 'left' ? 'right' : 'left'} moves`;
  contents.set(`${to} ${from}`, contents.get(from) ?? 0);
  contents.delete(from);
  contents.set(counter, (contents.get(counter) ?? 0) + 1);
}

const commands = [
  fc.tuple(space, key, value, fc.boolean()).map(
    ([name, k, v, isAwaited]) =>
      new Write(
        `put ${k}=${v} in ${name}`,
        isAwaited,
        (contents) => contents.set(`${name} ${k}`, v),
        (store) => placeOf(store, name).put(k, v),
      ),
  ),
  fc.tuple(space, key, fc.boolean()).map(
    ([name, k, isAwaited]) =>
      new Write(
        `move ${k} to ${name}`,
        isAwaited,
        (contents) => moved(contents, k, name),
        (store) => move(store, k, name, false),
      ),
  ),
  fc.tuple(space, fc.boolean()).map(
    ([name, isAwaited]) =>
      new Write(
        `drop ${name}`,
        isAwaited,
        (contents) => {
          for (const other of [...contents.keys()]) if (other.startsWith(`${name} `)) contents.delete(other);
        },
        (store) => store.drop(name),
      ),
  ),
  fc.tuple(space, key).map(
    ([name, k]) =>
      new Look(`fail to move ${k} to ${name}`, (model, { store }) => {
        const { lastLsn } = store;
        assert.throws(() => move(store, k, name, true), Moved);
        assert.equal(store.lastLsn, lastLsn);
        assert.deepEqual(shown(store), sorted(visible(model)));
      }),
  ),
  fc.tuple(key, value, fc.boolean()).map(
    ([k, v, isAwaited]) =>
      new Write(
        `put ${k}=${v}`,
        isAwaited,
        (contents) => contents.set(k, v),
        (store) => store.put(k, v),
      ),
  ),
  fc.tuple(key, fc.boolean()).map(
    ([k, isAwaited]) =>
      new Write(
        `delete ${k}`,
        isAwaited,
        (contents) => contents.delete(k),
        (store) => store.delete(k),
      ),
  ),
  fc.tuple(key, key, value, fc.boolean()).map(
    ([k, gone, v, isAwaited]) =>
      new Write(
        `batch put ${k}=${v}, delete ${gone}`,
        isAwaited,
        (contents) => {
          contents.set(k, v);
          contents.delete(gone);
        },
        (store) =>
          store.batch([
            { type: 'put', key: k, value: v },
            { type: 'delete', key: gone },
          ]),
      ),
  ),
  fc.tuple(key, fc.boolean()).map(
    ([k, isAwaited]) =>
      new Write(
        `clear from ${k}`,
        isAwaited,
        (contents) => {
          for (const other of [...contents.keys()])
            if (isOfStore(other) && other >= k) contents.delete(other);
        },
        (store) => store.clear({ gte: k }),
      ),
  ),
  fc.constant(new Reopen()),
  seed.map((s) => new Crash('process kill', s)),
  seed.map((s) => new Crash('power cut', s)),
  fc.constant(
    new Look('checkpoint', async (model, { store }) => {
      await store.checkpoint();
      model.acknowledged = model.states.length - 1;
    }),
  ),
  fc.constant(
    new Look('flushSync', (model, { store }) => {
      store.flushSync();
      model.acknowledged = model.states.length - 1;
    }),
  ),
  fc.constant(
    new Look('take a snapshot', (model, real) => {
      real.snapshot = real.store.snapshot();
      model.snapshot = ofStore(visible(model));
    }),
  ),
  fc.constant(
    new Look('look at the snapshot', (model, { snapshot }) => {
      if (snapshot === null || model.snapshot === null) return;
      assert.deepEqual([...snapshot.entries()], sorted(model.snapshot));
    }),
  ),
  fc.tuple(key, key, fc.boolean()).map(
    ([from, to, reverse]) =>
      new Look(`keys from ${from} below ${to}`, (model, { store }) => {
        const expected = sorted(ofStore(visible(model)))
          .filter(([k]) => k >= from && k < to)
          .map(([k]) => k);
        assert.deepEqual(
          [...store.keys({ gte: from, lt: to, reverse })],
          reverse ? expected.reverse() : expected,
        );
        assert.equal(store.count({ gte: from, lt: to }), expected.length);
      }),
  ),
  fc.tuple(key, fc.nat(6), fc.nat(6), fc.boolean()).map(
    ([from, offset, limit, reverse]) =>
      new Look(`${limit} of the keys from ${from} after ${offset}`, (model, { store }) => {
        const keys = sorted(ofStore(visible(model))).map(([k]) => k);
        const expected = keys.filter((k) => k >= from);
        if (reverse) expected.reverse();
        assert.deepEqual(
          [...store.keys({ gte: from, reverse, offset, limit })],
          expected.slice(offset, offset + limit),
        );
        assert.equal(store.rank(from), keys.length - expected.length);
      }),
  ),
  fc.tuple(fc.integer({ min: -7, max: 7 }), fc.boolean()).map(
    ([at, ofSnapshot]) =>
      new Look(`the entry at ${at}${ofSnapshot ? ' of the snapshot' : ''}`, (model, { store, snapshot }) => {
        const contents = ofSnapshot ? model.snapshot : ofStore(visible(model));
        const reads = ofSnapshot ? snapshot : store;
        if (contents === null || reads === null) return;
        assert.deepEqual(reads.nth(at), sorted(contents).at(at));
        assert.equal(reads.count(), contents.size);
      }),
  ),
];

describe('the store and a plain sorted model', () => {
  it('agree after any commands, reopenings, process kills and power cuts', async () => {
    await fc.assert(
      fc.asyncProperty(
        seed,
        fc.commands(commands, { maxCommands: 40, size: '+1' }),
        async (diskSeed, script) => {
          const real = new Real(diskSeed);
          try {
            await fc.asyncModelRun(async () => {
              await real.open();
              return { model: { states: [new Map()], acknowledged: 0, snapshot: null } as Model, real };
            }, script);
          } finally {
            real.disk.halt();
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
