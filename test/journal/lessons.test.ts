// Faults that other engines shipped, each named as the fact that must hold here instead. Facts that another test file
// already shows are not repeated.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Journal } from '../../src/journal/journal.js';
import type { JournalOptions } from '../../src/journal/options.js';
import type { DurableWrite, LogFile } from '../../src/storage/index.js';
import { tries } from '../counts.js';
import { diskError, FaultyStorage } from './faulty-storage.js';
import {
  bytesOf,
  copyAsKilled,
  numbered,
  open,
  openDescriptors,
  rejectionOf,
  segmentNames,
  TINY,
  textsOf,
  useDirectory,
  useJournals,
} from './helpers.js';

const here = useDirectory();
const openIn = useJournals(here);
const OPENS = tries(100, 300);

async function openHere(
  faulty = new FaultyStorage(),
  options: Partial<JournalOptions> = TINY,
): Promise<Journal> {
  return openIn(options, faulty);
}

/** Every durable write, in order: which file, and the blocks it covers. */
function recordWrites(faulty: FaultyStorage): { path: string; from: number; to: number }[] {
  const writes: { path: string; from: number; to: number }[] = [];
  const { createLogFile, createLogFileSync } = faulty.storage;
  const watched = (file: LogFile): LogFile => {
    const { submit, writeDurableSync } = file;
    const note = ({ position, bytes }: DurableWrite) =>
      writes.push({ path: file.path, from: position, to: position + bytes.length });
    file.submit = (write, done) => {
      note(write);
      submit.call(file, write, done);
    };
    file.writeDurableSync = (write) => {
      note(write);
      writeDurableSync.call(file, write);
    };
    return file;
  };
  Object.assign(faulty.storage, {
    createLogFile: async (path: string) => watched(await createLogFile(path)),
    createLogFileSync: (path: string) => watched(createLogFileSync(path)),
  });
  return writes;
}

describe('in the journal before this one', () => {
  // A failed write left a hole, and what was written behind it was acknowledged.
  test('nothing above the first failure is ever acknowledged, whatever would have succeeded', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    faulty.failNth(1, ({ operation }) => operation === 'submit', diskError('KEELSON_IO', 'EIO', 'write'));
    const outcomes = await Promise.allSettled(numbered(40, 400).map((text) => journal.commit(bytesOf(text))));
    const firstRejected = outcomes.findIndex(({ status }) => status === 'rejected');
    expect(firstRejected).toBeGreaterThan(0);
    expect(outcomes.slice(firstRejected).filter(({ status }) => status === 'fulfilled')).toEqual([]);
  });

  // The frontier of a sync was what had been reserved, not what had been written.
  test('what is appended while a write is in flight is not durable when that write is', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const first = journal.commit(bytesOf('first'));
    await new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(resolve)));
    expect(faulty.count('submit')).toBe(1);
    journal.append(bytesOf('second'));
    const held = faulty.hold(({ operation }) => operation === 'submit');
    await first;
    expect(journal.syncedLsn).toBe(17);
    expect(journal.nextLsn).toBe(35);
    held();
    await journal.syncThrough();
    expect(journal.syncedLsn).toBe(35);
  });

  // A caller that gave up left a flag set, and everyone after it hung.
  test('waiters that nobody awaits any more strand nobody', async () => {
    const journal = await openHere();
    for (const text of numbered(50)) {
      journal.append(bytesOf(text));
      void journal.syncThrough();
      await Promise.race([journal.syncThrough(), Promise.resolve()]);
    }
    expect(await journal.syncThrough()).toBe(journal.nextLsn);
  });

  // A follower of a failed fsync tried it again, was told of success, and lost data.
  test('a failed flush is asked for once, however many wait for it and ask again', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    journal.append(bytesOf('lost'));
    faulty.failNth(0, ({ operation }) => operation === 'submit', diskError('KEELSON_IO', 'EIO', 'fdatasync'));
    const waiting = Array.from({ length: 50 }, () => rejectionOf(journal.syncThrough()));
    for (const cause of await Promise.all(waiting)) expect(cause).toBe(journal.poisoned);
    for (let again = 0; again < 10; again++) await rejectionOf(journal.syncThrough());
    expect(faulty.count('submit')).toBe(1);
  });

  // Writing resumed behind a torn tail, and what was written there was lost at the next recovery.
  test('after a torn tail writing goes on where it can be read back', async () => {
    const before = numbered(5, 100);
    const journal = await openHere();
    for (const text of before) await journal.commit(bytesOf(text));
    copyAsKilled(here.path, here.at('killed'));
    const [name] = segmentNames(here.at('killed'));
    const file = fs.openSync(here.at('killed', name!), 'r+');
    fs.writeSync(file, Buffer.alloc(700, 'garbage'), 0, 700, 512 * 6);
    fs.closeSync(file);
    const texts = [...before];
    for (let life = 0; life < 4; life++) {
      const again = await open(here.at('killed'), TINY);
      expect(await textsOf(again)).toEqual(texts);
      expect(again.recovery.tornBytes > 0).toBe(life === 0);
      await again.commit(bytesOf(`life ${life}`));
      texts.push(`life ${life}`);
      await again.close();
    }
  });

  // The last sector was written again at every sync; torn, it took acknowledged data with it.
  test('no block is ever written twice, nor behind or before its turn', async () => {
    const faulty = new FaultyStorage();
    const writes = recordWrites(faulty);
    const journal = await openHere(faulty);
    for (const [index, text] of numbered(60, 150).entries()) {
      journal.append(bytesOf(text));
      if (index % 3 === 0) await journal.syncThrough();
      if (index % 10 === 0) journal.syncThroughSync();
    }
    await journal.truncateBefore(journal.syncedLsn);
    await journal.close();
    expect(writes.length).toBeGreaterThan(20);
    const ends = new Map<string, number>();
    for (const { path, from, to } of writes) {
      expect(from, `${path} at ${from}`).toBe(ends.get(path) ?? 512);
      expect(to).toBeLessThanOrEqual(
        fs.existsSync(path.replace('.tmp', '')) ? 4096 : Number.POSITIVE_INFINITY,
      );
      ends.set(path, to);
    }
  });

  // Growing files committed an inode at every sync.
  test('a commit changes no size: a segment has all its bytes before its first commit', async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    const [name] = segmentNames(here.path);
    const { size, blocks } = fs.statSync(here.at(name!));
    for (const text of numbered(3)) await journal.commit(bytesOf(text));
    expect(fs.statSync(here.at(name!))).toMatchObject({ size, blocks });
    expect(size).toBe(4096);
  });

  // Bytes that a crashed process had left in the page cache counted as durable at the next open.
  test('what an unclean end left is written and flushed anew before it is reported', async () => {
    const journal = await openHere();
    const texts = numbered(4, 100);
    for (const text of texts) await journal.commit(bytesOf(text));
    copyAsKilled(here.path, here.at('killed'));
    const faulty = new FaultyStorage();
    const again = await open(here.at('killed'), TINY, faulty.storage);
    const order = faulty.calls
      .map(({ operation }) => operation)
      .filter((operation) =>
        ['createLogFile', 'write', 'flush', 'link', 'remove', 'flushDirectory'].includes(operation),
      );
    expect(order.slice(order.indexOf('createLogFile'))).toEqual([
      'createLogFile',
      'write',
      'write',
      'flush',
      'link',
      'remove',
      'flushDirectory',
    ]);
    expect(again.recovery).toMatchObject({ kind: 'repaired', provenLsn: 336, endLsn: 448 });
    await again.close();
    const third = await open(here.at('killed'), TINY);
    expect(third.recovery.kind).toBe('clean');
    expect(await textsOf(third)).toEqual(texts);
    await third.close();
  });

  // A dead owner's write that was still in flight landed in a block of the next life.
  test('what lands late in the file of a dead life changes nothing', async () => {
    const journal = await openHere();
    for (const text of ['one', 'two', 'six']) await journal.commit(bytesOf(text));
    const [name] = segmentNames(here.path);
    const late = fs.readFileSync(here.at(name!)).subarray(512 * 3, 512 * 4);
    copyAsKilled(here.path, here.at('killed'));
    const file = here.at('killed', name!);
    const bytes = fs.readFileSync(file);
    bytes.fill(0, 512 * 3, 512 * 4);
    fs.writeFileSync(file, bytes);
    const second = await open(here.at('killed'), TINY);
    expect(await textsOf(second)).toEqual(['one', 'two']);
    await second.commit(bytesOf('instead'));
    late.copy(bytes, 512 * 3);
    fs.writeFileSync(file, bytes);
    expect(await textsOf(second)).toEqual(['one', 'two', 'instead']);
    await second.close();
    const third = await open(here.at('killed'), TINY);
    expect(await textsOf(third)).toEqual(['one', 'two', 'instead']);
    await third.close();
  });

  // No directory was flushed after a file was made in it.
  test('every directory and every segment has a durable name before anything is acknowledged', async () => {
    const faulty = new FaultyStorage();
    const journal = await open(here.at('a', 'b'), TINY, faulty.storage);
    await journal.commit(bytesOf('hello'));
    const before = faulty.calls.slice(
      0,
      faulty.calls.findIndex(({ operation }) => operation === 'submit'),
    );
    const flushed = before.filter(({ operation }) => operation === 'flushDirectory').map(({ path }) => path);
    expect(flushed).toEqual(expect.arrayContaining([here.path, here.at('a'), here.at('a', 'b')]));
    expect(before.findLastIndex(({ operation }) => operation === 'flushDirectory')).toBeGreaterThan(
      before.findLastIndex(({ operation }) => operation === 'link'),
    );
    await journal.close();
  });

  // A descriptor leaked at every open.
  test(`${OPENS} opens and closes leave no descriptor, no temporary file and no pile of locks`, async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    await journal.close();
    for (let round = 0; round < OPENS; round++) {
      const again = await open(here.path, TINY);
      if (round % 50 === 0) expect(await textsOf(again)).toEqual(['hello']);
      await again.close();
    }
    expect(openDescriptors(here.path) ?? 0).toBe(0);
    expect(fs.readdirSync(here.path).length).toBe(3);
  });

  // Memory was allocated by a length that came from the disk unchecked.
  test('a length that the disk made up is refused before memory is touched', async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    const file = here.at(segmentNames(here.path)[0]!);
    const bytes = fs.readFileSync(file);
    bytes.writeUInt32LE(0x0fff_ffff, 512 + 48);
    fs.writeFileSync(file, bytes);
    const allocatedBefore = process.memoryUsage().arrayBuffers;
    expect(await rejectionOf(textsOf(journal))).toMatchObject({
      code: 'KEELSON_CORRUPT',
      facts: { segment: 1, offset: 512, lsn: 0, lsnEnd: 17 },
    });
    expect(process.memoryUsage().arrayBuffers - allocatedBefore).toBeLessThan(2 ** 25);
  });
});

describe('in stores for Node', () => {
  // A crash loop, or one that opens and dies before it writes, filled the disk with files.
  test('forty lives that were killed leave what they wrote, and files that a retirement removes', async () => {
    let directory = here.at('0');
    const texts: string[] = [];
    for (let life = 0; life < 40; life++) {
      const journal = await open(directory, TINY);
      expect(journal.recovery.endLsn).toBe(texts.reduce((sum, text) => sum + 12 + text.length, 0));
      if (life % 3 === 0) {
        await journal.commit(bytesOf(`life ${life}`));
        texts.push(`life ${life}`);
      }
      const next = here.at(String(life + 1));
      copyAsKilled(directory, next);
      await journal.close();
      fs.rmSync(directory, { recursive: true });
      directory = next;
    }
    const journal = await open(directory, TINY);
    expect(await textsOf(journal)).toEqual(texts);
    await journal.commit(bytesOf('the last'));
    await journal.truncateBefore(journal.syncedLsn);
    expect(segmentNames(directory)).toHaveLength(1);
    await journal.close();
  });

  // Leaving without close lost data, or hung.
  test('a journal that nobody closes has lost nothing that was acknowledged', async () => {
    const journal = await openHere();
    const texts = numbered(30, 200);
    const acknowledged: string[] = [];
    for (const text of texts) {
      await journal.commit(bytesOf(text));
      acknowledged.push(text);
      if (acknowledged.length % 5 !== 0) continue;
      const left = here.at(`left-${acknowledged.length}`);
      copyAsKilled(here.path, left);
      const again = await open(left, TINY);
      expect(await textsOf(again)).toEqual(acknowledged);
      await again.close();
    }
  });
});
