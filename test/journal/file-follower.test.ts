// The follower of another process's files, on a simulated disk: what it counts as durable, and what it does when owners end.

import { beforeEach, describe, expect, test } from 'vitest';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import { FileFollower } from '../../src/journal/read/file-follower.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';

const DIRECTORY = '/data';
const TINY = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 8192, commitBytesMax: 2048 };
const BLOCK = 512;

let disk: SimulatedDisk;
let owner: Storage;

beforeEach(() => {
  disk = new SimulatedDisk({ seed: 1, directories: ['/'] });
  owner = disk.life();
});

const text = (record: string) => new TextEncoder().encode(record);
const openOwner = () => openJournalOn(owner, DIRECTORY, resolveJournalOptions('openJournal', TINY));

async function readAll(follower: FileFollower, isTail = false): Promise<string[]> {
  const found: string[] = [];
  const visit = (_: number, bytes: Uint8Array, start: number, end: number) => {
    found.push(new TextDecoder().decode(bytes.subarray(start, end)));
  };
  if (isTail) await follower.replayTail(visit);
  else expect(await follower.replay(0, visit)).toBe(true);
  return found;
}

describe('a follower', () => {
  test('counts a commit as durable when something follows it, and shows the last one apart', async () => {
    const journal = await openOwner();
    const first = await journal.commit(text('first'));
    const follower = new FileFollower(disk.life(), DIRECTORY, journal.journalId, 0);
    expect(await follower.update()).toBe('at the end');
    expect([follower.lsn, await readAll(follower), await readAll(follower, true)]).toEqual([
      0,
      [],
      ['first'],
    ]);
    const second = await journal.commit(text('second'));
    await follower.update();
    expect([follower.lsn, await readAll(follower)]).toEqual([first, ['first']]);
    expect(await readAll(follower, true)).toEqual(['second']);
    await journal.close();
    await follower.update();
    expect([follower.lsn, await readAll(follower)]).toEqual([second, ['first', 'second']]);
    expect(await readAll(follower, true)).toEqual([]);
    expect(disk.openFiles()).toEqual([]);
  });

  test('shows nothing of a last commit that is not whole', async () => {
    const journal = await openOwner();
    await journal.commit(text('first'));
    journal.append(text('second'));
    journal.append(text('third'));
    await journal.syncThrough();
    const file = await disk.life().openFile(`${DIRECTORY}/000000000001.journal`, true);
    const bytes = new Uint8Array(BLOCK);
    // The header of the segment, the first commit, and then the last one: its last record is damaged.
    await file.read(bytes, 2 * BLOCK);
    const at = Buffer.from(bytes).indexOf('third');
    expect(at).toBeGreaterThan(0);
    await file.write(text('THIRD'), 2 * BLOCK + at);
    const follower = new FileFollower(disk.life(), DIRECTORY, journal.journalId, 0);
    await follower.update();
    expect([await readAll(follower), await readAll(follower, true)]).toEqual([['first'], []]);
    await file.close();
  });

  test('takes a commit for durable that a new owner repeats nothing of, because an image has it', async () => {
    const db = await openStoreOn(owner, DIRECTORY, resolveStoreOptions({ autoCheckpoint: false }), TINY);
    await db.put('a', 1);
    const lsn = await db.put('b', 2);
    const follower = new FileFollower(disk.life(), DIRECTORY, Buffer.from(db.id, 'hex'), 0);
    await follower.update();
    expect(follower.lsn).toBeLessThan(lsn);
    await db.checkpoint();
    disk.killLife(owner);
    owner = disk.life();
    const next = await openStoreOn(owner, DIRECTORY, resolveStoreOptions({}), TINY);
    expect(await follower.update()).toBe('at the end');
    expect(follower.lsn).toBe(lsn);
    await next.close();
  });

  test('takes the last commit for durable up to the LSN that an image proves, and no other', async () => {
    const journal = await openOwner();
    await journal.commit(text('first'));
    const lsn = await journal.commit(text('second'));
    const followed = async (durableLsn: number) => {
      const follower = new FileFollower(disk.life(), DIRECTORY, journal.journalId, 0, false, durableLsn);
      expect(await follower.update()).toBe('at the end');
      return await readAll(follower);
    };
    expect(await followed(lsn - 1)).toEqual(['first']);
    expect(await followed(lsn)).toEqual(['first', 'second']);
    await journal.close();
  });
});

test('a follower is left behind when the owner has retired what follows its place', async () => {
  const options = resolveStoreOptions({ autoCheckpoint: false, keepOlderGeneration: false });
  const db = await openStoreOn(owner, DIRECTORY, options, TINY);
  const lsn = await db.put('a', 1);
  await db.put('b', 2);
  const follower = new FileFollower(disk.life(), DIRECTORY, Buffer.from(db.id, 'hex'), 0);
  expect(await follower.update()).toBe('at the end');
  expect(follower.lsn).toBe(lsn);
  for (let n = 0; n < 50; n++) await db.put(`k${n}`, 'x'.repeat(1000));
  await db.checkpoint();
  await db.checkpoint();
  expect(await follower.update()).toBe('left behind');
  expect(await follower.oldestLsn()).toBeGreaterThan(lsn);
  await db.close();
});

describe('a read-only store', () => {
  // A disk may lose a write that a reader has seen. The next owner then gives its LSNs to other writes.
  test('goes back when the last commit is gone, and shows what the next owner has written there', async () => {
    const options = resolveStoreOptions({ autoCheckpoint: false });
    const db = await openStoreOn(owner, DIRECTORY, options, TINY);
    await db.put('kept', 1);
    const lsn = await db.put('lost', 1);
    const reader = await openStoreOn(disk.life(), DIRECTORY, resolveStoreOptions({ readOnly: true }));
    expect([await reader.refresh(), reader.get('lost')]).toEqual([lsn, 1]);
    disk.killLife(owner);
    owner = disk.life();
    const [name] = (await owner.list(DIRECTORY)).filter((each) => each.endsWith('.journal')).sort();
    const file = await owner.openFile(`${DIRECTORY}/${name}`, true);
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.write(text('LOST'), Buffer.from(bytes).indexOf('lost'));
    await file.flush();
    await file.close();
    const next = await openStoreOn(owner, DIRECTORY, options, TINY);
    expect(next.lastLsn).toBeLessThan(lsn);
    // As long as the write that was lost, so it ends at the same LSN.
    expect(await next.put('late', 2)).toBe(lsn);
    expect(await reader.refresh()).toBe(lsn);
    expect([reader.get('lost'), reader.get('late'), reader.get('kept')]).toEqual([undefined, 2, 1]);
    await reader.close();
    await next.close();
    expect(disk.openFiles()).toEqual([]);
  });

  test('shows what was acknowledged before each refresh(), also before one that is called during another', async () => {
    const db = await openStoreOn(owner, DIRECTORY, resolveStoreOptions({}), TINY);
    const reader = await openStoreOn(disk.life(), DIRECTORY, resolveStoreOptions({ readOnly: true }));
    let joined = 0;
    for (let turns = 0; turns < 60; turns++) {
      let isOver = false;
      const first = reader.refresh().finally(() => {
        isOver = true;
      });
      for (let turn = 0; turn < turns && !isOver; turn++) await new Promise(setImmediate);
      if (!isOver) joined++;
      void db.put('turns', turns);
      db.flushSync();
      await reader.refresh();
      expect(reader.get('turns')).toBe(turns);
      await first;
    }
    expect(joined).toBeGreaterThan(3);
    await reader.close();
    await db.close();
  });
});
