// A small store of many tiny files, every write of which is known, to be damaged byte by byte.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Journal } from '../../src/journal/index.js';
import type { LocalLog } from '../../src/journal/internal.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import { type KeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { resolveValueEncoding } from '../../src/kv/encoding/value-encoding.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { type Space, SpaceDefinition } from '../../src/kv/entries/space.js';
import { publishImage } from '../../src/kv/image/image-writer.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import { applyWrites } from '../../src/kv/write/change-entries.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { createFsStorage, RECORD_BYTES_MAX, type Storage } from '../../src/storage/index.js';
import { copyAsKilled } from '../journal/helpers.js';
import { recordIn } from './encoded.js';
import { newSchema } from './schema-tools.js';

/** So small that a few writes fill a segment. */
export const TINY = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 8192, commitBytesMax: 1024 };

/** Opens the journal of a store, to write into it what no store would: openJournal() refuses it. */
export function openStoreJournal(directory: string): Promise<Journal> {
  return openJournalOn(createFsStorage(), directory, resolveJournalOptions('openJournal', {}));
}

/** What one write did to the keys it named, and the LSN it has. */
export interface KnownWrite {
  readonly lsn: number;
  readonly apply: (state: Map<string, KnownEntry>) => void;
}

export interface KnownEntry {
  readonly value: unknown;
  readonly version: number;
}

export type KnownState = ReadonlyMap<string, KnownEntry>;

export async function openTiny(
  directory: string,
  options: object = {},
  storage: Storage = createFsStorage(),
  journal: object = TINY,
): Promise<Store<string, unknown>> {
  const resolved = resolveStoreOptions({ autoCheckpoint: false, keepOlderGeneration: true, ...options });
  return (await openStoreOn(storage, directory, resolved, journal)) as Store<string, unknown>;
}

export function stateOf(store: Store<string, unknown>): KnownState {
  const state = new Map<string, KnownEntry>();
  for (const key of store.keys()) {
    const { value, version } = store.getEntry(key)!;
    state.set(key, { value, version });
  }
  return state;
}

/** The state after all of the writes that are not in a range that is missing. */
export function stateAfter(
  writes: readonly KnownWrite[],
  missing: readonly { readonly lsn: number; readonly lsnEnd: number | null }[] = [],
): KnownState {
  const state = new Map<string, KnownEntry>();
  for (const { lsn, apply } of writes) {
    const isMissing = missing.some((range) => lsn > range.lsn && lsn <= (range.lsnEnd ?? lsn));
    if (!isMissing) apply(state);
  }
  return new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Writes to a store and notes what it wrote. */
export class KnownWrites {
  readonly writes: KnownWrite[] = [];

  async put(store: Store<string, unknown>, key: string, value: unknown): Promise<void> {
    await this.#note(store.put(key, value), (state, version) => state.set(key, { value, version }));
  }

  async delete(store: Store<string, unknown>, key: string): Promise<void> {
    await this.#note(store.delete(key), (state) => state.delete(key));
  }

  async clear(store: Store<string, unknown>, gte: string, lt: string): Promise<void> {
    await this.#note(store.clear({ gte, lt }), (state) => {
      for (const key of [...state.keys()]) if (key >= gte && key < lt) state.delete(key);
    });
  }

  async #note(
    written: Promise<number>,
    apply: (state: Map<string, KnownEntry>, lsn: number) => void,
  ): Promise<void> {
    const lsn = await written;
    this.writes.push({ lsn, apply: (state) => apply(state, lsn) });
  }
}

/** Two lives, two images, segments before, between and behind them. */
export async function makeSmallStore(
  directory: string,
  storage: Storage = createFsStorage(),
  lifeEnds: (store: Store<string, unknown>) => Promise<void> = (store) => store.close(),
): Promise<KnownWrites> {
  const known = new KnownWrites();
  let store = await openTiny(directory, {}, storage);
  for (let at = 0; at < 6; at++) await known.put(store, `a${at}`, { at, text: 'x'.repeat(20) });
  await store.checkpoint();
  await known.delete(store, 'a1');
  await known.put(store, 'a2', 'second');
  await store.close();

  store = await openTiny(directory, {}, storage);
  for (let at = 0; at < 4; at++) await known.put(store, `b${at}`, at);
  await store.checkpoint();
  for (let at = 0; at < 5; at++) await known.put(store, `c${at}`, 'y'.repeat(at * 100));
  await known.clear(store, 'a3', 'a5');
  // Several records in one commit.
  await Promise.all([0, 1, 2].map((at) => known.put(store, `d${at}`, at)));
  await known.delete(store, 'b1');
  await known.put(store, 'a0', 'last');
  await lifeEnds(store);
  return known;
}

export interface DamageFolder {
  readonly folder: string;
  /** A small store that was closed well, and the same as its killed owner leaves it. */
  readonly closed: string;
  readonly killed: string;
  /** For a copy that is damaged. */
  readonly victim: string;
  readonly out: string;
  readonly known: KnownWrites;
}

export async function makeDamageFolder(name: string): Promise<DamageFolder> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `keelson-${name}-`));
  const [closed, killed, victim, out] = ['closed', 'killed', 'victim', 'out'].map((part) =>
    path.join(folder, part),
  ) as [string, string, string, string];
  const known = await makeSmallStore(closed, undefined, async (store) => {
    copyStore(closed, killed);
    await store.close();
  });
  return { folder, closed, killed, victim, out, known };
}

/** Every name below a directory with what stands there and when it was changed: equal means that nothing was touched. */
export function fingerprint(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory).sort();
  const entries = names.map((name) => {
    const file = path.join(directory, name);
    const { mtimeMs, size } = fs.statSync(file);
    return [name, `${mtimeMs} ${size} ${fs.readFileSync(file).toString('base64')}`] as const;
  });
  return Object.fromEntries(entries);
}

/** The files as a killed owner leaves them: without its lock, for its process is this one. */
export function copyStore(from: string, to: string): void {
  fs.rmSync(to, { recursive: true, force: true });
  copyAsKilled(from, to);
}

/** A store of several spaces, made below its public API: what it writes into its log and its images is written as it stands. */
export class SpacesStore {
  readonly schema: Schema = newSchema(utf8KeyCodec, 'msgpack');
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #log: LocalLog;
  readonly #writes = new WriteSet(RECORD_BYTES_MAX, this.schema);

  /** Makes the store, with its birth record. */
  static async make(
    directory: string,
    storage: Storage = createFsStorage(),
    journal: object = TINY,
  ): Promise<SpacesStore> {
    await (await openTiny(directory, {}, storage, journal)).close();
    const options = resolveJournalOptions('openJournal', journal);
    return new SpacesStore(storage, directory, await openJournalOn(storage, directory, options));
  }

  private constructor(storage: Storage, directory: string, log: LocalLog) {
    this.#storage = storage;
    this.#directory = directory;
    this.#log = log;
  }

  get root(): Space {
    return this.schema.root;
  }

  async create(name: string, keyCodec: KeyCodec<unknown> = utf8KeyCodec, values = 'utf8'): Promise<Space> {
    const space = this.schema.newSpace(this.schema.nextSpaceId, new SpaceDefinition(name, keyCodec, values));
    await this.#write((writes) => writes.create(space));
    return space;
  }

  /** Values of the root space are msgpack, all others are text. */
  put(space: Space, key: string, value: unknown): Promise<number> {
    const { msgpack } = this.schema;
    const codec = space.hasReferences ? msgpack : resolveValueEncoding('utf8', 'values', msgpack);
    return this.#write((writes) => writes.put(space, key, codec, value, 'value'));
  }

  delete(space: Space, key: string): Promise<number> {
    return this.#write((writes) => writes.delete(space, key));
  }

  drop(space: Space): Promise<number> {
    return this.#write((writes) => writes.drop(space));
  }

  /** Writes an image, and retires nothing. */
  async checkpoint(): Promise<number> {
    const lsn = this.#log.nextLsn;
    const view = this.schema.wholeView(lsn);
    this.schema.startEpoch(lsn);
    const plan = { journalId: this.#log.journalId, view, schema: this.schema, onBlock: () => {} };
    await publishImage(this.#storage, this.#directory, plan, async () => {});
    await this.#storage.flushDirectory(this.#directory);
    return lsn;
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async #write(fill: (writes: WriteSet) => void): Promise<number> {
    const writes = this.#writes;
    writes.begin();
    fill(writes);
    const lsn = await this.#log.commit(recordIn(writes.finish()).slice());
    applyWrites(this.schema, writes, lsn);
    writes.appended(1);
    return lsn;
  }
}
