// A read-only store beside real processes that write, checkpoint and are killed. What they say through a pipe is all that
// this process knows of them, and every state that refresh() shows is compared with it.
//
// KEELSON_SEED replays a run as far as the timing of processes can be had again; KEELSON_FOLLOWED_DIRECTORIES makes more.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type IndexFactory, type Namespace, open, type Store } from '../../src/index.js';
import { seededRandom, whyNoIoUring } from '../native/native-tools.js';
import { deathFrom, type Engine, optionsFrom, runUntil, settingsFrom } from './kill-rounds.js';
// @ts-expect-error: a program in JavaScript
import { History, lineKey, NAMESPACES, nameOf, spaceOf } from './lines.js';
import type { Line } from './speaking-process.js';

const DIRECTORIES = Number(process.env['KEELSON_FOLLOWED_DIRECTORIES'] ?? 1);
const LIVES = 5;
const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));

type State = Map<string, unknown>;

/** What one reader has seen, and how often. */
class Reader {
  readonly #directory: string;
  readonly #engine: Engine;
  readonly #history = new History();
  /** States at LSNs that the writer has not told of yet. */
  #untold: { readonly lsn: number; readonly state: State }[] = [];
  #openings = 0;
  #db: Store<string, string> | null = null;
  readonly seen = { refreshes: 0, states: 0, back: 0, untold: 0 };

  constructor(directory: string, engine: Engine) {
    this.#directory = directory;
    this.#engine = engine;
  }

  hear(line: Line): void {
    this.#history.add(line);
    if (line[0] === 'opened') this.#openings++;
    const told = this.#untold.filter(({ lsn }) => this.#history.hasLsn(lsn));
    this.#untold = this.#untold.filter((untold) => !told.includes(untold));
    for (const { lsn, state } of told) this.#compare(lsn, state);
    // What an opening did not find was never acknowledged, and nobody will tell of it.
    if (line[0] === 'opened') this.#untold = this.#untold.filter(({ lsn }) => lsn <= (line[1] as number));
  }

  /** Refreshes until `isOver`. */
  async follow(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#refresh();
      await new Promise(setImmediate);
    }
  }

  async #refresh(): Promise<void> {
    const [openings, acknowledgedLsn] = [this.#openings, this.#history.acknowledgedLsn];
    this.#db ??= await open<string>(this.#directory, {
      readOnly: true,
      engine: this.#engine,
      valueEncoding: 'msgpack',
    }).catch((error) => {
      if (openings > 0) throw error;
      return null;
    });
    const db = this.#db;
    if (db === null) return;
    const before = db.lastLsn;
    const lsn = await db.refresh();
    expect(lsn).toBe(db.lastLsn);
    expect(db.durableLsn).toBeLessThanOrEqual(lsn);
    expect(lsn).toBeGreaterThanOrEqual(acknowledgedLsn);
    this.seen.refreshes++;
    if (lsn === before) return;
    // Only a new owner, which did not find the last commit, takes back what was shown.
    if (lsn < before) this.seen.back++;
    this.seen.states++;
    const state = stateOf(db);
    if (this.#history.hasLsn(lsn) && openings === this.#openings) this.#compare(lsn, state);
    else this.#untold.push({ lsn, state });
  }

  /** Refreshes once more, and throws unless everything is shown that was acknowledged. */
  async end(): Promise<void> {
    await this.#refresh();
    this.seen.untold = this.#untold.length;
    await this.#db?.close();
  }

  #compare(lsn: number, state: State): void {
    expect(state).toEqual(this.#history.stateAt(lsn));
  }
}

function stateOf(db: Store<string, string>): State {
  const state: State = new Map();
  const there = db.namespaces();
  for (const name of ['', ...NAMESPACES.keys()]) {
    if (name !== '' && !there.includes(name)) continue;
    const entries = [...spaceOf(db, name).getEntries()];
    for (const { key, value, version } of entries) state.set(nameOf(name, lineKey(key)), { value, version });
    if (name !== '') compareIndexes(indexed(db, name), entries);
  }
  return state;
}

interface FollowedEntry {
  readonly key: unknown;
  readonly value: string;
}

/** A value begins with what no other value begins with: the number of its write, and its key. */
const markOf = (value: string): string => value.split(';', 1)[0]!;
const sizeOf = (value: string): number => value.length % 7;

const INDEXES = (index: IndexFactory<unknown, string>) => ({
  byMark: index.unique(markOf),
  bySize: index(sizeOf),
});

type IndexedNamespace = Namespace<unknown, string, ReturnType<typeof INDEXES>>;

/** The namespace with indexes, which only the reader has. */
function indexed(db: Store<string, string>, name: string): IndexedNamespace {
  const given = spaceOf(db, name) as IndexedNamespace;
  return 'byMark' in given.indexes ? given : (db.namespace(name, { indexes: INDEXES as never }) as never);
}

function compareIndexes({ indexes }: IndexedNamespace, entries: readonly FollowedEntry[]): void {
  const bySize = entries.toSorted((one, other) => sizeOf(one.value) - sizeOf(other.value));
  expect([...indexes.bySize.entries()]).toEqual(bySize.map(({ key, value }) => [sizeOf(value), key, value]));
  expect(indexes.byMark.count()).toBe(entries.length);
  for (const { key, value } of entries) expect(indexes.byMark.getKey(markOf(value))).toEqual(key);
}

const why = whyNoIoUring();

describe.each(['io_uring', 'fs'] as const)('a reader beside writers on %s', (engine) => {
  test.skipIf(engine === 'io_uring' && why !== null)(
    `shows whole writes, and everything acknowledged, seed ${SEED}`,
    async () => {
      const random = seededRandom(SEED + engine.length);
      const seen = { refreshes: 0, states: 0, back: 0, untold: 0 };
      for (let at = 0; at < DIRECTORIES; at++) {
        const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-following-'));
        const directory = path.join(base, 'store');
        const reader = new Reader(directory, engine);
        const options = optionsFrom(random, engine);
        for (let life = 0; life < LIVES; life++) {
          const death = deathFrom(random);
          const settings = settingsFrom(random, life, options, death);
          let isOver = false;
          const dead = runUntil(death, 'writer.js', [directory, JSON.stringify(settings)], '', (line) =>
            reader.hear(line),
          ).finally(() => {
            isOver = true;
          });
          await Promise.all([dead, reader.follow(() => isOver)]);
        }
        await reader.end();
        for (const what of Object.keys(seen) as (keyof typeof seen)[]) seen[what] += reader.seen[what];
        fs.rmSync(base, { recursive: true });
      }
      console.log(`${engine}, seed ${SEED}: ${JSON.stringify(seen)}`);
      // A reader that saw nothing new would show nothing.
      expect(seen.states).toBeGreaterThan(DIRECTORIES * LIVES);
    },
    300_000,
  );
});
