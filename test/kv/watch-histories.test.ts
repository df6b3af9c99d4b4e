// Random histories under watches: every state that is told existed, the changed keys are exactly those that differ, no state is
// told twice, and when all is quiet the last state told is that of the store.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Collection, Durability, Lsn, Namespace, RangeState, Store } from '../../src/kv/index.js';
import { CHANGED_KEYS_MAX } from '../../src/kv/read/range-changes.js';
import { Random } from '../../src/testing/random.js';
import { NOTHING_WATCHED, WatchedWorld } from './watch-tools.js';

type Content = ReadonlyMap<string, number>;

const STEPS = 300;
const NAMES = ['', 'one', 'two'];
const KEYS = [...'abcdefghij'];
/** More keys than a state lists as changed. */
const BURST = CHANGED_KEYS_MAX + 200;

/** The contents of each collection after each write, by LSN. */
class History {
  readonly #contents = new Map<string, { readonly lsn: number; readonly content: Content }[]>();

  note(name: string, lsn: number, content: Content): void {
    const contents = this.#contents.get(name) ?? [];
    contents.push({ lsn, content });
    this.#contents.set(name, contents);
  }

  at(name: string, lsn: number): Content {
    return this.#contents.get(name)?.findLast((each) => each.lsn <= lsn)?.content ?? new Map();
  }
}

/** A collection that is written to, and what it holds. */
class Written {
  readonly name: string;
  readonly collection: Collection<string, unknown>;
  readonly #db: Store<string, unknown>;
  readonly #history: History;
  #content: Content = new Map();
  #next = 0;

  constructor(name: string, db: Store<string, unknown>, history: History) {
    this.name = name;
    this.collection = name === '' ? db : db.namespace(name);
    this.#db = db;
    this.#history = history;
  }

  get content(): Content {
    return this.#content;
  }

  /** Makes a random write, and returns its promise. */
  write(random: Random): Promise<unknown> {
    const key = KEYS[random.below(KEYS.length)]!;
    const other = KEYS[random.below(KEYS.length)]!;
    const value = ++this.#next;
    const next = new Map(this.#content);
    let written: Promise<unknown>;
    switch (random.below(9)) {
      case 0:
        next.delete(key);
        written = this.collection.delete(key);
        break;
      case 1:
        for (const each of [...next.keys()]) if (each >= key && each < other) next.delete(each);
        written = this.collection.clear({ gte: key, lt: other });
        break;
      case 2:
        next.set(key, value);
        next.delete(other);
        written = this.collection.batch([
          { type: 'put', key, value },
          { type: 'delete', key: other },
        ]);
        break;
      case 3:
        next.set(key, value);
        written = this.#db.transaction((tx) => this.#in(tx).put(key, value));
        break;
      case 4:
        // It came and went.
        next.delete(other);
        written = this.collection.batch([
          { type: 'put', key: other, value },
          { type: 'clear', gte: other, lte: other },
        ]);
        break;
      case 5:
        if (random.below(4) > 0) {
          next.set(key, value);
          written = this.collection.put(key, value);
          break;
        }
        for (let at = 0; at < BURST; at++) next.set(`${key}${at}`, value);
        written = this.collection.batch(
          Array.from({ length: BURST }, (_, at) => ({ type: 'put', key: `${key}${at}`, value })),
        );
        break;
      case 6:
        for (const each of [...next.keys()]) if (each.length > 1) next.delete(each);
        written = this.collection.batch(KEYS.map((each) => ({ type: 'clear', gt: each, lt: `${each}~` })));
        break;
      default:
        next.set(key, value);
        written = this.collection.put(key, value, { durability: 'memory' });
    }
    this.#content = next;
    this.#history.note(this.name, this.#db.lastLsn, next);
    return written;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a transaction, or a namespace in it.
  #in(tx: any): { put(key: string, value: unknown): void } {
    return this.name === '' ? tx : tx.in(this.collection as Namespace<string, unknown>);
  }
}

/** What a watch has told last. */
interface Told {
  readonly lsn: number;
  readonly content: Content;
}

/** A reader that checks every state that its watch tells. */
class Reader {
  readonly written: Written;
  readonly #db: Store<string, unknown>;
  readonly #history: History;
  readonly #isInside: (key: string) => boolean;
  readonly #durability: Durability;
  readonly #random: Random;
  told: Told | null = null;
  states = 0;
  readonly done: Promise<void>;

  constructor(
    written: Written,
    db: Store<string, unknown>,
    history: History,
    random: Random,
    signal: AbortSignal,
  ) {
    this.written = written;
    this.#db = db;
    this.#history = history;
    this.#random = random;
    this.#durability = random.below(2) === 0 ? 'disk' : 'memory';
    const options = { durability: this.#durability, signal };
    const { collection } = written;
    if (random.below(2) === 0) {
      const key = KEYS[random.below(KEYS.length)]!;
      this.#isInside = (each) => each === key;
      this.done = this.#readKey(key, collection.watch(key, options));
    } else {
      const [gt, lte] = [
        KEYS[random.below(5)]!,
        random.below(3) === 0 ? undefined : KEYS[4 + random.below(6)]!,
      ];
      this.#isInside = (each) => each > gt && (lte === undefined || each <= lte);
      this.done = this.#readRange(collection.watchRange(lte === undefined ? { gt } : { gt, lte }, options));
    }
  }

  /** The present content of what is watched. */
  get present(): Content {
    return this.#inside(this.written.content);
  }

  async #readKey(
    key: string,
    states: AsyncIterable<{ readonly lsn: Lsn; readonly entry: { readonly value: unknown } | undefined }>,
  ): Promise<void> {
    for await (const { lsn, entry } of states) {
      this.#check(lsn, entry === undefined ? new Map() : new Map([[key, entry.value as number]]), undefined);
      await this.#dawdle();
    }
  }

  async #readRange(states: AsyncIterable<RangeState<string, unknown>>): Promise<void> {
    for await (const state of states) {
      await this.#dawdle();
      const entries = [...state.entries()] as [string, number][];
      expect(entries.map(([key]) => key)).toEqual(entries.map(([key]) => key).toSorted());
      this.#check(state.lsn, new Map(entries), state.changed);
    }
  }

  #check(lsn: number, content: Content, changed: readonly string[] | null | undefined): void {
    this.states++;
    expect(content).toEqual(this.#inside(this.#history.at(this.written.name, lsn)));
    if (this.#durability === 'disk') expect(this.#db.durableLsn).toBeGreaterThanOrEqual(lsn);
    const { told } = this;
    if (told === null) expect(changed ?? null).toBe(null);
    else {
      expect(lsn).toBeGreaterThan(told.lsn);
      // Each write has a value of its own, so equal contents are equal versions.
      const differing = [...new Set([...content.keys(), ...told.content.keys()])]
        .filter((key) => content.get(key) !== told.content.get(key))
        .toSorted();
      expect(differing).not.toEqual([]);
      if (changed !== undefined && changed !== null) expect(changed).toEqual(differing);
    }
    this.told = { lsn, content };
  }

  #inside(content: Content): Content {
    return new Map([...content].filter(([key]) => this.#isInside(key)).toSorted());
  }

  /** Lets others write before the next state is asked for. */
  async #dawdle(): Promise<void> {
    for (let turns = this.#random.below(4); turns > 0; turns--) await setImmediate();
  }
}

test.each([1, 2, 3, 4, 5, 6, Date.now() % 1_000_000])(
  'every state that is told existed, and the last is that of the store (seed %i)',
  { timeout: 120_000 },
  async (seed) => {
    const random = new Random(seed);
    const watched = await WatchedWorld.open();
    const { db } = watched;
    const history = new History();
    const written = NAMES.map((name) => new Written(name, db, history));
    const leave = new AbortController();
    const readers: Reader[] = [];
    const writes: Promise<unknown>[] = [];
    for (let step = 0; step < STEPS; step++) {
      if (step % 20 === 0) {
        const of = written[random.below(written.length)]!;
        readers.push(new Reader(of, db, history, new Random(random.uint32()), leave.signal));
      }
      writes.push(written[random.below(written.length)]!.write(random));
      if (random.below(3) === 0) await setImmediate();
      if (random.below(20) === 0) await db.flush();
    }
    await Promise.all(writes);
    await db.flush();
    for (let turns = 0; turns < 50; turns++) await setImmediate();
    for (const reader of readers) expect(reader.told?.content).toEqual(reader.present);
    expect(readers.reduce((states, reader) => states + reader.states, 0)).toBeGreaterThan(STEPS / 4);
    leave.abort();
    await Promise.all(readers.map((reader) => reader.done));
    expect(watched.held).toEqual(NOTHING_WATCHED);
  },
);
