// The journal's public surface on the fs engine: positions, commits, waiting, limits, closing, options.

import { createHook } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { openJournal } from '../../src/journal/index.js';
import { type Call, FaultyStorage } from './faulty-storage.js';
import {
  bytesOf,
  keelsonError,
  numbered,
  readAll,
  rejectionOf,
  segmentNames,
  TINY,
  textsOf,
  thrownBy,
  useDirectory,
  useJournals,
} from './helpers.js';

const here = useDirectory();
const openHere = useJournals(here);

describe('positions', () => {
  test('the first append of hello is LSN 17, and world after it 35', async () => {
    const journal = await openHere();
    expect(journal.nextLsn).toBe(0);
    expect(journal.append(bytesOf('hello'))).toBe(17);
    expect(journal.append(bytesOf(' world'))).toBe(35);
    expect(journal.syncedLsn).toBe(0);
    expect(await journal.syncThrough()).toBe(35);
    expect([journal.startLsn, journal.nextLsn, journal.syncedLsn]).toEqual([0, 35, 35]);
    expect(await readAll(journal)).toEqual([
      { lsn: 17, text: 'hello' },
      { lsn: 35, text: ' world' },
    ]);
  });

  test('an empty record is a frame of twelve bytes', async () => {
    const journal = await openHere();
    expect(await journal.commit(new Uint8Array(0))).toBe(12);
    expect(await journal.commit(new Uint8Array(0))).toBe(24);
    expect(await readAll(journal)).toEqual([
      { lsn: 12, text: '' },
      { lsn: 24, text: '' },
    ]);
  });

  test('go on where the last life ended', async () => {
    const first = await openHere();
    await first.commit(bytesOf('hello'));
    await first.close();
    const second = await openHere();
    expect(second.recovery).toMatchObject({ kind: 'clean', startLsn: 0, endLsn: 17, provenLsn: 17 });
    expect(await second.commit(bytesOf(' world'))).toBe(35);
    expect(await textsOf(second)).toEqual(['hello', ' world']);
  });
});

describe('append', () => {
  test.each([undefined, null, 'text', 5, {}, [1, 2], new ArrayBuffer(4), new Uint16Array(2)])(
    'of %s is a TypeError that says what came, and appends nothing',
    async (record) => {
      const journal = await openHere();
      expect(thrownBy(() => journal.append(record as Uint8Array))).toBeInstanceOf(TypeError);
      expect(thrownBy(() => journal.appendBatch([bytesOf('good'), record as Uint8Array]))).toMatchObject({
        name: 'TypeError',
        message: expect.stringMatching(/^records\[1\]: expected a Uint8Array, got /),
      });
      expect(thrownBy(() => journal.appendBatch(record as Uint8Array[]))).toBeInstanceOf(TypeError);
      expect(journal.nextLsn).toBe(0);
    },
  );

  test('above 2^28 - 1 bytes is KEELSON_RECORD_TOO_LARGE, alone and in a batch, and appends nothing', async () => {
    const journal = await openHere();
    const huge = new Uint8Array(2 ** 28);
    expect(thrownBy(() => journal.append(huge))).toEqual(keelsonError('KEELSON_RECORD_TOO_LARGE'));
    expect(thrownBy(() => journal.appendBatch([bytesOf('small'), huge]))).toEqual(
      keelsonError('KEELSON_RECORD_TOO_LARGE'),
    );
    const large = huge.subarray(1);
    expect(thrownBy(() => journal.appendBatch([large, large, large, large, large]))).toEqual(
      keelsonError('KEELSON_RECORD_TOO_LARGE'),
    );
    expect(journal.nextLsn).toBe(0);
    expect(segmentNames(here.path)).toEqual([]);
  });

  test('copies: the caller may reuse the memory at once', async () => {
    const journal = await openHere();
    const memory = new Uint8Array(100);
    for (let value = 1; value <= 50; value++) journal.append(memory.fill(value));
    memory.fill(0);
    await journal.syncThrough();
    let value = 0;
    for await (const { record } of journal.read()) {
      value++;
      expect(record.every((byte) => byte === value)).toBe(true);
      record.fill(0);
    }
    expect(value).toBe(50);
  });

  // The length was asked of the array, which may lie, differ from look to look, and run code in the middle of a commit: the
  // log held a frame of one length with the bytes of another.
  test('takes the bytes that an array holds, whatever it says of its length', async () => {
    const journal = await openHere();
    let looks = 0;
    class Lying extends Uint8Array {
      override get length() {
        if (looks++ % 3 === 0) journal.append(bytesOf('nested'));
        return looks * 1000;
      }
    }
    const own = Object.defineProperty(bytesOf('own'), 'length', { get: () => ++looks });
    const changing = new Proxy([bytesOf('one')], {
      get: (target, name) => (name === '0' && looks++ % 2 === 1 ? 'no bytes' : Reflect.get(target, name)),
    });
    looks = 0;
    journal.append(Lying.from(bytesOf('subclass')));
    journal.append(own);
    looks = 0;
    journal.appendBatch(changing);
    await journal.syncThrough();
    expect((await textsOf(journal)).filter((text) => text !== 'nested')).toEqual(['subclass', 'own', 'one']);
  });

  test('refuses a record whose memory is transferred while room is made for it', async () => {
    const journal = await openHere(TINY);
    const texts: string[] = [];
    for (let at = 0; at < 40; at++) {
      const record = new Uint8Array(700).fill(97);
      const hook = createHook({
        init() {
          if (record.byteLength > 0) structuredClone(record, { transfer: [record.buffer] });
        },
      });
      try {
        hook.enable();
        journal.append(record);
        texts.push('a'.repeat(700));
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      } finally {
        hook.disable();
      }
    }
    expect(texts.length).toBeLessThan(40);
    await journal.syncThrough();
    expect(await textsOf(journal)).toEqual(texts);
  });

  test('of no records appends nothing, makes no segment, and gives the current end', async () => {
    const journal = await openHere();
    expect(journal.appendBatch([])).toBe(0);
    expect(segmentNames(here.path)).toEqual([]);
    await journal.commit(bytesOf('hello'));
    expect(journal.appendBatch([])).toBe(17);
  });

  test('of a batch larger than a commit, and than a segment, keeps all of it in order', async () => {
    const journal = await openHere(TINY);
    const batches = [numbered(40, 90), numbered(400, 700, 40), numbered(3, 0, 440)];
    for (const batch of batches) journal.appendBatch(batch.map(bytesOf));
    await journal.syncThrough();
    expect(await textsOf(journal)).toEqual(batches.flat());
    await journal.close();
    expect(await textsOf(await openHere())).toEqual(batches.flat());
  });

  test('of a batch that has no room appends none of it', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    await journal.commit(bytesOf('before'));
    const { nextLsn } = journal;
    faulty.fault = ({ operation }) => (operation === 'createLogFile' ? new Error('no room') : null);
    expect(thrownBy(() => journal.appendBatch(numbered(100, 500).map(bytesOf)))).toEqual(
      new Error('no room'),
    );
    expect(journal.nextLsn).toBe(nextLsn);
    faulty.heal();
    await journal.commit(bytesOf('after'));
    expect(await textsOf(journal)).toEqual(['before', 'after']);
  });

  test('of records larger than a segment gives each one its own', async () => {
    const journal = await openHere(TINY);
    const texts = ['small', 'x'.repeat(100_000), 'small again', 'y'.repeat(50_000), 'z'.repeat(4096)];
    for (const text of texts) journal.append(bytesOf(text));
    await journal.syncThrough();
    expect(await textsOf(journal)).toEqual(texts);
    await journal.close();
    expect(await textsOf(await openHere())).toEqual(texts);
  });

  test.each([512, 1024, 65_536])(
    'with blocks of %d bytes reads back what was appended',
    async (blockBytes) => {
      const texts = numbered(200, 33);
      const journal = await openHere({ ...TINY, blockBytes });
      for (const text of texts.slice(0, 150)) journal.append(bytesOf(text));
      for (const text of texts.slice(150)) await journal.commit(bytesOf(text));
      expect(await textsOf(journal)).toEqual(texts);
    },
  );

  test('of every record length around the edges of blocks and commits reads back', async () => {
    const journal = await openHere(TINY);
    const lengths = [0, 1, 451, 452, 453, 963, 964, 965, 2500, 3011, 3012, 3013, 3524, 3525, 4096];
    for (const length of lengths) await journal.commit(new Uint8Array(length).fill(length));
    const read: number[] = [];
    for await (const { record } of journal.read()) read.push(record.length);
    expect(read).toEqual(lengths);
  });
});

describe('commits', () => {
  test('a thousand in one turn are a handful of writes', async () => {
    const journal = await openHere();
    const texts = numbered(1000);
    const lsns = await Promise.all(texts.map((text) => journal.commit(bytesOf(text))));
    expect(lsns.every((lsn, index) => index === 0 || lsn > lsns[index - 1]!)).toBe(true);
    const { commits, records } = journal.stats();
    expect(records).toBe(1000);
    expect(commits).toBeLessThan(5);
    expect(await textsOf(journal)).toEqual(texts);
  });

  test('a lone one is one write of one block, at once', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere({}, faulty);
    await journal.commit(bytesOf('alone'));
    expect(journal.stats()).toMatchObject({ commits: 1, records: 1, bytesWritten: 4096, undurableBytes: 0 });
    expect(faulty.count('submit')).toBe(1);
  });

  test('what comes while a write is in flight goes together in the next one', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere({}, faulty);
    await journal.commit(bytesOf('first'));
    const release = faulty.hold(({ operation }) => operation === 'submit');
    const second = journal.commit(bytesOf('second'));
    await new Promise(setImmediate);
    expect(faulty.count('submit')).toBe(2);
    const rest = numbered(100).map((text) => journal.commit(bytesOf(text)));
    await new Promise(setImmediate);
    expect(faulty.count('submit')).toBe(2);
    release();
    await Promise.all([second, ...rest]);
    expect(journal.stats().commits).toBe(3);
  });

  test('an awaited commit in a loop is visible to every read after it', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(60, 100);
    for (const [index, text] of texts.entries()) {
      const lsn = await journal.commit(bytesOf(text));
      expect(journal.syncedLsn).toBe(lsn);
      expect(await textsOf(journal, { from: lsn - 112 })).toEqual([texts[index]]);
    }
  });
});

describe('syncThrough', () => {
  test('resolves with the LSN asked for, of what is durable at once', async () => {
    const journal = await openHere();
    journal.append(bytesOf('hello'));
    journal.append(bytesOf(' world'));
    expect(await journal.syncThrough(17)).toBe(17);
    expect(await journal.syncThrough()).toBe(35);
    expect(await journal.syncThrough(0)).toBe(0);
    expect(await journal.syncThrough(20)).toBe(20);
    expect(journal.syncThroughSync(17)).toBe(17);
  });

  test.each([-1, 36, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '17', null])(
    'of %s is a RangeError at once',
    async (lsn) => {
      const journal = await openHere();
      journal.append(bytesOf('hello'));
      journal.append(bytesOf(' world'));
      expect(thrownBy(() => journal.syncThrough(lsn as number))).toBeInstanceOf(RangeError);
      expect(thrownBy(() => journal.syncThroughSync(lsn as number))).toBeInstanceOf(RangeError);
    },
  );

  test('settles waiters in the order of their positions, whatever the order they came in', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere({}, faulty);
    const release = faulty.hold(({ operation }) => operation === 'submit');
    const lsns = numbered(50).map((text) => journal.append(bytesOf(text)));
    const settled: number[] = [];
    const waiting = lsns.toReversed().map(async (lsn) => settled.push(await journal.syncThrough(lsn)));
    release();
    await Promise.all(waiting);
    expect(settled).toEqual(lsns);
  });

  test('in its blocking form makes everything durable before it returns, with no turn of the event loop', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(100, 200);
    for (const text of texts) journal.append(bytesOf(text));
    expect(journal.syncThroughSync()).toBe(journal.nextLsn);
    expect(journal.syncedLsn).toBe(journal.nextLsn);
    expect(await textsOf(journal)).toEqual(texts);
    expect(journal.stats().blockingCommits).toBeGreaterThan(1);
  });

  test('in its blocking form takes over a write that is in flight', async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('before'));
    const inFlight = journal.commit(bytesOf('in flight'));
    await new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(resolve)));
    journal.append(bytesOf('behind'));
    journal.syncThroughSync();
    expect(journal.syncedLsn).toBe(journal.nextLsn);
    await inFlight;
    await journal.commit(bytesOf('after'));
    expect(await textsOf(journal)).toEqual(['before', 'in flight', 'behind', 'after']);
  });
});

describe('maxUndurableBytes', () => {
  test('bounds what is in memory: a loop that awaits nothing waits for the disk instead', async () => {
    const journal = await openHere({ ...TINY, maxUndurableBytes: 4096 });
    const texts = numbered(300, 100);
    for (const text of texts) {
      journal.append(bytesOf(text));
      expect(journal.stats().undurableBytes).toBeLessThanOrEqual(4096);
    }
    expect(journal.stats().blockingDrains).toBeGreaterThan(5);
    await journal.syncThrough();
    expect(await textsOf(journal)).toEqual(texts);
  });

  test('lets a single larger record go alone, after what was there', async () => {
    const journal = await openHere({ maxUndurableBytes: 1024 });
    journal.append(bytesOf('small'));
    journal.append(new Uint8Array(100_000));
    expect(journal.stats()).toMatchObject({ blockingDrains: 1, undurableBytes: 100_012 });
    journal.append(bytesOf('small'));
    expect(journal.stats()).toMatchObject({ blockingDrains: 2, undurableBytes: 17 });
  });

  test('is never met by who awaits', async () => {
    const journal = await openHere({ maxUndurableBytes: 1024 });
    for (const text of numbered(20, 900)) await journal.commit(bytesOf(text));
    expect(journal.stats().blockingDrains).toBe(0);
  });

  test('settles the waiters that a drain covers', async () => {
    const journal = await openHere({ maxUndurableBytes: 1024 });
    const first = journal.commit(new Uint8Array(900));
    journal.append(new Uint8Array(900));
    expect(await first).toBe(912);
  });
});

describe('close', () => {
  test('makes everything appended durable, once, however often it is called', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(100, 100);
    for (const text of texts) journal.append(bytesOf(text));
    const closing = journal.close();
    expect(journal.close()).toBe(closing);
    await closing;
    await journal[Symbol.asyncDispose]();
    expect(journal.syncedLsn).toBe(journal.nextLsn);
    const again = await openHere();
    expect(again.recovery).toMatchObject({ kind: 'clean', tornBytes: 0 });
    expect(await textsOf(again)).toEqual(texts);
  });

  test('gives the lock back last, when all that was accepted and the seal are durable', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    for (const text of numbered(40, 100)) journal.append(bytesOf(text));
    const before = faulty.calls.length;
    await journal.close();
    const closing = faulty.calls.slice(before);
    const isFree = ({ operation, path }: Call) => operation === 'write' && path.includes('/LOCK.');
    const free = closing.findIndex(isFree);
    const [first, last] = [closing.slice(0, free), closing.slice(free)];
    expect(first.filter(({ operation }) => operation === 'submit').length).toBeGreaterThan(2);
    expect(last.map(({ operation }) => operation)).toEqual(['write', 'flush', 'close']);
    expect(new Set(last.map(({ path }) => path)).size).toBe(1);
  });

  test('refuses everything afterwards with KEELSON_CLOSED, while it runs already', async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    const closing = journal.close();
    const closed = keelsonError('KEELSON_CLOSED');
    for (let round = 0; round < 2; round++) {
      expect(thrownBy(() => journal.append(bytesOf('late')))).toEqual(closed);
      expect(thrownBy(() => journal.appendBatch([]))).toEqual(closed);
      expect(thrownBy(() => journal.commit(bytesOf('late')))).toEqual(closed);
      expect(thrownBy(() => journal.read())).toEqual(closed);
      expect(thrownBy(() => journal.follow({ from: 0 }))).toEqual(closed);
      expect(thrownBy(() => journal.truncateBefore(0))).toEqual(closed);
      await closing;
    }
    expect(journal.nextLsn).toBe(17);
  });

  test('ends a read that is under way with KEELSON_CLOSED', async () => {
    const journal = await openHere();
    for (const text of numbered(10)) await journal.commit(bytesOf(text));
    const reading = journal.read();
    await reading.next();
    await journal.close();
    expect(await rejectionOf(reading.next())).toEqual(keelsonError('KEELSON_CLOSED'));
  });

  test('of a journal that was only opened leaves no segment', async () => {
    for (let life = 0; life < 5; life++) {
      const journal = await openHere();
      expect(await textsOf(journal)).toEqual([]);
      await journal.close();
      expect(segmentNames(here.path)).toEqual([]);
    }
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    await journal.close();
    for (let life = 0; life < 5; life++) await (await openHere()).close();
    expect(segmentNames(here.path)).toHaveLength(1);
  });
});

describe('openJournal', () => {
  test('runs on the fs engine when that is asked for, and says why', async () => {
    await using journal = await openJournal(here.path, { engine: 'fs' });
    expect(journal.engine).toBe('fs');
    expect(journal.engineReason).toMatch(/\w+ \w+/);
    expect([journal.nativeIoUringActive, journal.directIoActive]).toEqual([false, false]);
    expect(journal.recovery).toEqual({
      kind: 'fresh',
      startLsn: 0,
      endLsn: 0,
      provenLsn: 0,
      tornBytes: 0,
      tornWhy: null,
      segments: 0,
    });
  });

  test.each([undefined, null, '', 5, {}])('of the directory %s is a TypeError', async (directory) => {
    expect(await rejectionOf(openJournal(directory as string))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('expected a non-empty path or a file: URL, got '),
    });
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ blockSize: 512 }, /unknown option 'blockSize'; known are .*blockBytes/],
    [{ blockBytes: 1000 }, /'blockBytes': expected a power of two from 512 to 65536, got the number 1000/],
    [{ blockBytes: '512' }, /'blockBytes': expected a power of two .*, got the string "512"/],
    [{ create: 'yes' }, /'create': expected a boolean, got the string "yes"/],
    [{ engine: 'io_uring2' }, /'engine': expected one of 'auto', .*, got the string "io_uring2"/],
    [{ segmentBytesMin: 1 }, /'segmentBytesMin': expected an integer from 4096 /],
    [{ commitBytesMax: 1.5 }, /'commitBytesMax': expected an integer from 1024 /],
    [
      { maxUndurableBytes: Number.NaN },
      /'maxUndurableBytes': expected an integer from 1024 .*, got the number NaN/,
    ],
  ])('with the options %j is a TypeError that names them', async (options, message) => {
    expect(await rejectionOf(openJournal(here.at('new'), options))).toMatchObject({
      name: 'TypeError',
      message: expect.stringMatching(message),
    });
    expect(segmentNames(here.path)).toEqual([]);
  });

  test('with sizes that contradict each other is a RangeError', async () => {
    const options = { segmentBytesMin: 2 ** 20, segmentBytesMax: 2 ** 16 };
    expect(await rejectionOf(openJournal(here.path, options))).toBeInstanceOf(RangeError);
  });
});
