// A database of the package lmdb as a source of load. Its named databases become namespaces.

import type { Database, Key, RootDatabase, Transaction } from 'lmdb';
import type { Encodings } from '../any-store.js';
import { CommandError } from '../command-errors.js';
import type { DumpEntry } from '../dump-format.js';
import { taggedText } from '../tagged-json.js';
import { decoderOf } from './decoders.js';
import { BatchMaker, type LoadSource, type SourceBatch } from './load-source.js';
import { importPeer } from './peer-packages.js';

/** More named databases than anybody has. */
const DATABASES_MAX = 1000;
/** The bytes that lmdb keeps of a named database, under its name and a zero. */
const NAMED_BYTES = 48;

const NEXT =
  'Give another --key-encoding or --value-encoding, and --database NAME to load one database at a time';

/** The root, whose name is '', or a named database. */
interface Named {
  readonly name: string;
  readonly db: Database;
}

/** Opens a database for reading, also beside a program that writes it. Its encodings become those of the store. */
export async function openLmdb(
  path: string,
  isDirectory: boolean,
  encodings: Encodings,
  only: string | undefined,
): Promise<LoadSource> {
  const { open } = await importPeer('lmdb', () => import('lmdb'));
  const how = {
    keyEncoding: encodings.keyEncoding === 'bytes' ? 'binary' : 'ordered-binary',
    // Only lmdb knows the structures that its msgpack leaves out. It would decode wrong text leniently.
    encoding: encodings.valueEncoding === 'msgpack' ? 'msgpack' : 'binary',
  } as const;
  let root: RootDatabase;
  let all: readonly Named[];
  try {
    root = open({ path, readOnly: true, noSubdir: !isDirectory, maxDbs: DATABASES_MAX, ...how });
    const named = [...root.getKeys()].flatMap((key) => nameOf(root, key) ?? []);
    all = [
      { name: '', db: root as Database },
      ...named.map((name) => ({ name, db: root.openDB(name, how) })),
    ];
  } catch (error) {
    throw new CommandError(
      'SOURCE',
      `lmdb cannot open ${path}: ${(error as Error).message}`,
      'Check the path',
    );
  }
  const chosen = only === undefined ? all : all.filter(({ name }) => name === only);
  if (chosen.length === 0) {
    await root.close();
    const names = all.map(({ name }) => JSON.stringify(name)).join(', ');
    throw new CommandError('USAGE', `${path} has no database ${JSON.stringify(only)}`, `There are ${names}`);
  }
  return {
    spaces: ['', ...chosen.flatMap(({ name }) => name || [])].map((name) => ({ ...encodings, name })),
    isExact: false,
    noun: 'Entry',
    unit: 'entries',
    batches: () => batchesOf(root, chosen, encodings),
    close: () => root.close(),
  };
}

/** Returns the name of a named database that stands among the keys of the root, or null for another key. */
function nameOf(root: RootDatabase, key: Key): string | null {
  if (typeof key === 'string') return root.getBinary(key) === undefined ? key : null;
  if (!(key instanceof Uint8Array) || key.at(-1) !== 0) return null;
  return root.getBinary(key)?.length === NAMED_BYTES ? Buffer.from(key.subarray(0, -1)).toString() : null;
}

async function* batchesOf(
  root: RootDatabase,
  databases: readonly Named[],
  { keyEncoding, valueEncoding }: Encodings,
): AsyncGenerator<SourceBatch, void, undefined> {
  const decodeValue = await decoderOf(valueEncoding === 'msgpack' ? 'bytes' : valueEncoding, 'value');
  const batch = new BatchMaker(1);
  const transaction = root.useReadTransaction();
  const total = databases.reduce((sum, { db }) => sum + entriesOf(db), 0);
  let found = 0;
  try {
    for (const { name, db } of databases) {
      let seen = 0;
      for (const key of db.getKeys({ transaction })) {
        seen++;
        if (name === '' && nameOf(root, key) !== null) continue;
        const raw = valueIn(db, key, ++found, transaction);
        const value = raw instanceof Uint8Array ? decodeValue(raw, found) : raw;
        const entry: DumpEntry = { namespace: name, key: keyOf(key, keyEncoding, found), value };
        if (batch.add(entry, weightOf(value))) yield batch.take(found, total);
      }
      assertAll(name, seen, entriesOf(db));
    }
    yield batch.take(found, total);
  } finally {
    transaction.done();
  }
}

function entriesOf(db: Database): number {
  return (db.getStats() as { entryCount: number }).entryCount;
}

function valueIn(db: Database, key: Key, number: number, transaction: Transaction): unknown {
  try {
    return db.get(key, { transaction });
  } catch (error) {
    const what = `The value of entry ${number} is not msgpack: ${(error as Error).message}`;
    throw new CommandError('MALFORMED', what, NEXT);
  }
}

function keyOf(key: Key, encoding: string, number: number): unknown {
  if (encoding === 'tuple') return Array.isArray(key) ? key : [key];
  if (encoding === 'bytes' || typeof key === 'string') return key;
  const next = 'Give --key-encoding tuple: then a key that is no array is a tuple of one part';
  throw new CommandError('MALFORMED', `The key of entry ${number} is no text`, next);
}

/** lmdb leaves out keys that are not in the encoding, and all but one value of a key. */
function assertAll(name: string, seen: number, entries: number): void {
  if (seen >= entries) return;
  const place = name === '' ? 'The database' : `The database ${JSON.stringify(name)}`;
  throw new CommandError('MALFORMED', `${place} has ${entries} entries, of which ${seen} can be read`, NEXT);
}

/** Returns about the bytes of a value. */
function weightOf(value: unknown): number {
  return value instanceof Uint8Array ? value.length : taggedText(value).length;
}
