// A store that runs for long: what it takes, on the disk and in memory, is in proportion to what it holds, and not to
// what was ever written to it. On real files, with the options as they come.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { open } from '../../src/index.js';
import type { Store } from '../../src/kv/index.js';

const MIB = 1024 * 1024;
const GROUP = 10_000;
/** The least that a few slabs and a pass of their compaction take. */
const SLAB_BYTES_CONSTANT = 8 * MIB;

let parent: string;
let directory: string;
let db: Store<string, Uint8Array>;

const options = { valueEncoding: 'bytes' } as const;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'keelson-endurance-'));
  directory = join(parent, 'db');
  db = await open(directory, options);
});

afterEach(async () => {
  await db.close();
  await rm(parent, { recursive: true });
});

async function directoryBytes(): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory)) {
    const stats = await lstat(join(directory, name)).catch(() => null);
    bytes += (stats?.blocks ?? 0) * 512;
  }
  return bytes;
}

/** The value of a turn: nobody else's. */
function valueAt(turn: number, length = 100): Uint8Array {
  const value = new Uint8Array(length);
  new DataView(value.buffer).setUint32(0, turn);
  return value;
}

describe('a store in the long run', () => {
  it('holds one key that is overwritten a million times in the memory and the files of a few', async () => {
    const writes = 1_000_000;
    let bytesMax = 0;
    for (let turn = 0; turn < writes; turn++) {
      db.put('key', valueAt(turn), { durability: 'memory' });
      if (turn % GROUP !== GROUP - 1) continue;
      await db.flush();
      bytesMax = Math.max(bytesMax, await directoryBytes());
    }
    expect(db.stats().memory.slabBytes).toBeLessThan(SLAB_BYTES_CONSTANT);
    expect(db.stats().checkpoints?.completed).toBeGreaterThan(2);
    expect(bytesMax).toBeLessThan(96 * MIB);
    await db.close();
    db = await open(directory, options);
    expect([...db.keys()]).toEqual(['key']);
    expect(db.get('key')).toEqual(valueAt(writes - 1));
  });

  it('gives back the memory of everything that is deleted, one by one and all at once', async () => {
    const keys = 100_000;
    for (const isAtOnce of [false, true]) {
      for (let key = 0; key < keys; key++) db.put(`key ${key}`, valueAt(key), { durability: 'memory' });
      await db.flush();
      expect(db.stats().memory.valueBytes).toBeGreaterThan(keys * 100);
      if (isAtOnce) await db.clear();
      else {
        for (let key = 0; key < keys; key++) db.delete(`key ${key}`, { durability: 'memory' });
        await db.flush();
      }
      expect(db.stats().memory.valueBytes).toBe(0);
      expect(db.stats().memory.slabBytes).toBeLessThan(SLAB_BYTES_CONSTANT);
    }
    await db.checkpoint();
    await db.close();
    db = await open(directory, options);
    expect(db.size).toBe(0);
  });

  it('shows a snapshot as it was, however long it is held and whatever is written', async () => {
    const keys = 5000;
    for (let key = 0; key < keys; key++) db.put(`key ${key}`, valueAt(key), { durability: 'memory' });
    const snapshot = db.snapshot();
    const started = snapshot.entries();
    const first = started.next().value;
    for (let turn = 0; turn < 300_000; turn++) {
      const key = `key ${(turn * 7919) % (keys * 2)}`;
      if (turn % 5 === 0) db.delete(key, { durability: 'memory' });
      else db.put(key, valueAt(turn + keys, 60 + (turn % 80)), { durability: 'memory' });
      if (turn % GROUP === 0) await db.flush();
    }
    expect(db.stats().checkpoints?.completed).toBeGreaterThan(0);
    const seen = new Map([[first?.[0], first?.[1]] as const, ...started]);
    expect(seen.size).toBe(keys);
    expect(snapshot.size).toBe(keys);
    for (let key = 0; key < keys; key++) {
      const value = valueAt(key);
      expect(Buffer.compare(snapshot.get(`key ${key}`)!, value)).toBe(0);
      expect(Buffer.compare(seen.get(`key ${key}`)!, value)).toBe(0);
    }
    snapshot.close();
  });
});

/** In a process of its own: it takes a gigabyte or so, and nobody knows what it does to a heap. */
const LARGEST_VALUE = `
  import { open, verify } from 'keelson';
  const [directory] = process.argv.slice(1);
  const options = { valueEncoding: 'bytes' };
  const overheadBytes = 1 + 1 + 1 + 'large'.length + 4;
  const largest = Buffer.alloc(2 ** 28 - 1 - overheadBytes);
  for (let at = 0; at < largest.length; at += 4093) largest[at] = at;
  const isThere = (db) => largest.equals(db.get('large')) && db.get('small')?.[0] === 7;
  const told = { refused: null, put: false, replayed: false, loaded: false, backedUp: false };
  let db = await open(directory, options);
  try {
    db.put('large', Buffer.alloc(largest.length + 1));
  } catch (error) {
    told.refused = error.code;
  }
  db.put('small', Buffer.of(7));
  await db.put('large', largest);
  told.put = isThere(db);
  await db.close();
  db = await open(directory, options);
  told.replayed = isThere(db) && db.recovery.imageLsn === null;
  await db.checkpoint();
  await db.backup(directory + '-backup');
  await db.close();
  db = await open(directory, options);
  told.loaded = isThere(db) && db.recovery.imageLsn !== null;
  await db.close();
  db = await open(directory + '-backup', options);
  told.backedUp = isThere(db);
  await db.close();
  told.isSound = (await verify(directory)).ok;
  console.log(JSON.stringify(told));
`;

describe('the largest value', () => {
  it('goes through put, replay, checkpoint, load, backup and verify, and one byte more is refused', async () => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', LARGEST_VALUE, join(parent, 'large')],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    expect(JSON.parse(output)).toEqual({
      refused: 'KEELSON_RECORD_TOO_LARGE',
      put: true,
      replayed: true,
      loaded: true,
      backedUp: true,
      isSound: true,
    });
  });
});
