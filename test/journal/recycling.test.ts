// Retired segments of this life are used again: what they cost, and that nothing of what they held ever comes back.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeSegmentHeader, segmentSeed, unusedSalt } from '../../src/journal/format/segment-format.js';
import type { Journal } from '../../src/journal/journal.js';
import { openJournalOn, openReadOnlyJournal } from '../../src/journal/open-journal.js';
import { type JournalOptions, resolveJournalOptions } from '../../src/journal/options.js';
import {
  FILE_USES_MAX,
  RECYCLED_SEGMENTS_MAX,
  RecyclingList,
} from '../../src/journal/segments/recycling-list.js';
import { READY_SEGMENTS_MAX } from '../../src/journal/segments/segment-supply.js';
import { createFsStorage, type Storage } from '../../src/storage/index.js';
import { exploreCrashes, SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import {
  BROKEN_DIRECTORY,
  BROKEN_FLUSH,
  BROKEN_WRITE,
  type Call,
  FaultyStorage,
  isRetirement,
  NO_DESCRIPTOR,
  NO_SPACE,
  type Operation,
} from './faulty-storage.js';
import {
  bytesOf,
  copyAsKilled,
  JOURNAL_ID,
  numbered,
  open,
  openDescriptors,
  readAll,
  rejectionOf,
  SALT,
  segmentNames,
  TINY,
  textOf,
  textsOf,
  thrownBy,
  useDirectory,
  useJournals,
} from './helpers.js';

const here = useDirectory();
const openIn = useJournals(here);

async function openHere(faulty?: FaultyStorage, options: Partial<JournalOptions> = TINY): Promise<Journal> {
  return openIn(options, faulty);
}

/** With `settled`, every segment is ready before it is wanted: an append never has to make one itself. */
async function commitAll(
  journal: Journal,
  texts: readonly string[],
  settled = async () => {},
): Promise<void> {
  for (const text of texts) {
    await journal.commit(bytesOf(text));
    await settled();
  }
}

function temporaryNames(): string[] {
  return fs.readdirSync(here.path).filter((name) => name.endsWith('.journal.tmp'));
}

/** Counts the retired files that were opened to be used again. A draft is opened, too, and is no retired file. */
function countReuses({ calls }: FaultyStorage): number {
  return calls.filter(({ operation, path }) => operation === 'openLogFile' && path.endsWith('.journal.tmp'))
    .length;
}

function directoryBytes(): number {
  const names = fs.readdirSync(here.path).filter((name) => /\.journal|\.draft/.test(name));
  return names.reduce((total, name) => total + fs.statSync(here.at(name)).size, 0);
}

function headerOf(name: string) {
  const verdict = decodeSegmentHeader(fs.readFileSync(here.at(name)));
  if (!verdict.ok) throw new Error(`${name}: ${verdict.why}`);
  return verdict.header;
}

/** A life of this many rounds, each of which fills a segment or two and then retires all but the newest. */
async function liveRounds(
  journal: Journal,
  rounds: number,
  from = 0,
  settled = async () => {},
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await commitAll(journal, numbered(10, 300, from + round * 10), settled);
    await journal.truncateBefore(journal.syncedLsn);
  }
}

describe('a retired segment of this life', () => {
  test('is used again, for a header instead of zeros, and keeps what it holds now', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const settled = () => faulty.settled();
    await liveRounds(journal, 3, 0, settled);
    const before = journal.stats();
    expect(before.segmentsPrepared).toBe(faulty.count('zeroFill'));
    faulty.calls.length = 0;
    await liveRounds(journal, 20, 30, settled);
    const { segmentsRecycled, bytesPrepared, blockingPreparations } = journal.stats();
    expect(segmentsRecycled - before.segmentsRecycled).toBe(40);
    expect(bytesPrepared - before.bytesPrepared).toBe(40 * 512);
    expect([faulty.count('createLogFile'), faulty.count('zeroFill')]).toEqual([0, 0]);
    expect(blockingPreparations).toBe(1);
    const kept = await readAll(journal);
    expect(kept.at(-1)?.text).toBe(numbered(1, 300, 229)[0]);
    await journal.close();
    const again = await openHere();
    expect(again.recovery).toMatchObject({ kind: 'clean', tornBytes: 0, endLsn: journal.syncedLsn });
    expect(await readAll(again)).toEqual(kept);
  });

  test('says so in its header, has a sequence and a salt of its own, and its real size', async () => {
    const journal = await openHere();
    await liveRounds(journal, 8);
    await commitAll(journal, numbered(10, 300));
    const headers = segmentNames(here.path).map(headerOf);
    const recycled = headers.filter(({ isRecycled }) => isRecycled);
    expect(recycled.length).toBeGreaterThan(0);
    expect(recycled.every(({ sizeBytes }) => sizeBytes === 4096)).toBe(true);
    expect(new Set(headers.map((header) => segmentSeed(header))).size).toBe(headers.length);
  });

  test('takes no other file: those of earlier lives are removed', async () => {
    for (let life = 0; life < 4; life++) {
      const journal = await openHere();
      await commitAll(journal, numbered(4, 300));
      await journal.close();
    }
    const journal = await openHere();
    await journal.commit(bytesOf('the last'));
    await journal.truncateBefore(journal.syncedLsn);
    expect(temporaryNames()).toEqual([]);
    expect(journal.stats().segmentBytes).toBe(4096);
  });

  test('waits until nothing is under way on its file any more', async () => {
    const faulty = new FaultyStorage();
    const releases: (() => void)[] = [];
    const { createLogFile, createLogFileSync } = faulty.storage;
    const holdingClose = (file: Awaited<ReturnType<Storage['createLogFile']>>) => ({
      ...file,
      close: () => new Promise<void>((resolve) => releases.push(resolve)).then(() => file.close()),
    });
    Object.assign(faulty.storage, {
      createLogFile: async (path: string) => holdingClose(await createLogFile(path)),
      createLogFileSync: (path: string) => holdingClose(createLogFileSync(path)),
    });
    const journal = await openHere(faulty);
    await commitAll(journal, numbered(20, 300));
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    faulty.calls.length = 0;
    // Without a mark, which would have to be durable first.
    const retiring = journal.retireBehindImage(journal.syncedLsn);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    const retirements = faulty.calls.filter(isRetirement);
    const letGo = setInterval(() => {
      for (const release of releases.splice(0)) release();
    }, 0);
    await retiring;
    const waiting = temporaryNames();
    await journal.close();
    clearInterval(letGo);
    expect(retirements).toEqual([]);
    expect(waiting.length).toBeGreaterThan(1);
  });

  test('is not written to before the flush of the directory behind its retirement has succeeded', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await commitAll(journal, numbered(30, 300), () => faulty.settled());
    const calls = faulty.calls.length;
    // The flush behind the retirement is the one that can be waited for: segments are prepared by blocking appends.
    const release = faulty.hold(({ operation }) => operation === 'flushDirectory');
    const retiring = journal.truncateBefore(journal.syncedLsn);
    while (!faulty.calls.slice(calls).some(({ operation }) => operation === 'flushDirectory')) {
      await new Promise(setImmediate);
    }
    const waiting = temporaryNames();
    for (const text of numbered(30, 300)) {
      journal.append(bytesOf(text));
      journal.syncThroughSync();
    }
    const openedEarly = countReuses(faulty);
    release();
    await retiring;
    await commitAll(journal, numbered(30, 300));
    expect(waiting.length).toBeGreaterThan(2);
    expect(openedEarly).toBe(0);
    expect(countReuses(faulty)).toBeGreaterThan(0);
  });

  test('is never one that a reader still reads, however much is written and retired meanwhile', async () => {
    const journal = await openHere();
    const texts = numbered(40, 300);
    await commitAll(journal, texts);
    const reading = journal.read();
    const following = journal.follow({ from: 0 });
    const read = [textOf((await reading.next()).value!.record)];
    const followed = [textOf((await following.next()).value!.record)];
    await liveRounds(journal, 10, 40);
    for await (const { record } of reading) read.push(textOf(record));
    expect(read).toEqual(texts);
    while (followed.length < 140) followed.push(textOf((await following.next()).value!.record));
    expect(followed).toEqual([...texts, ...numbered(100, 300, 40)]);
    await following.return?.();
    await liveRounds(journal, 10);
    expect(journal.stats().segmentsRecycled).toBeGreaterThan(5);
  });

  test('is forgotten when this life ends: close removes it, and a killed life leaves it for the next open', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await liveRounds(journal, 5, 0, () => faulty.settled());
    await faulty.settled();
    expect(temporaryNames().length).toBeGreaterThan(0);
    expect(journal.stats().segmentBytes).toBe(directoryBytes());
    copyAsKilled(here.path, here.at('killed'));
    await journal.close();
    expect(temporaryNames()).toEqual([]);
    expect(openDescriptors(here.path) ?? 0).toBe(0);
    const next = await open(here.at('killed'), TINY);
    expect(fs.readdirSync(here.at('killed')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(next.recovery.endLsn).toBe(journal.syncedLsn);
    await next.close();
  });
});

describe('what waits to be used again', () => {
  test('is bounded, and so is the directory, however long a life lasts', async () => {
    const journal = await openHere();
    let bytesMax = 0;
    for (let round = 0; round < 60; round++) {
      await commitAll(journal, numbered(round % 7 === 0 ? 100 : 10, 300));
      await journal.truncateBefore(journal.syncedLsn);
      expect(temporaryNames().length).toBeLessThanOrEqual(RECYCLED_SEGMENTS_MAX + 1);
      bytesMax = Math.max(bytesMax, directoryBytes());
    }
    // What waits, the newest, those that are ready and one under way.
    expect(bytesMax).toBeLessThanOrEqual((RECYCLED_SEGMENTS_MAX + READY_SEGMENTS_MAX + 2) * 4096);
  });

  test('is not too small for what comes: sizes go on doubling, and the smaller ones are removed', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty, { ...TINY, segmentBytesMax: 32_768 });
    const sizes = new Set<number>();
    for (let round = 0; round < 60; round++) {
      // An append that has to make a segment itself makes the smallest.
      await commitAll(journal, numbered(10, 300), () => faulty.settled());
      for (const name of segmentNames(here.path)) sizes.add(headerOf(name).sizeBytes);
      await journal.truncateBefore(journal.syncedLsn);
    }
    expect([...sizes].sort((a, b) => a - b)).toEqual([4096, 8192, 16_384, 32_768]);
    expect(journal.stats().segmentsRecycled).toBeGreaterThan(3);
    const waiting = temporaryNames().map((name) => fs.statSync(here.at(name)).size);
    expect(waiting.every((size) => size === 32_768)).toBe(true);
  });

  test('does not serve a record that it is too small for, which gets a segment that is never used again', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await liveRounds(journal, 5, 0, () => faulty.settled());
    await journal.commit(new Uint8Array(9000));
    const { segmentsPrepared } = journal.stats();
    const [large] = segmentNames(here.path)
      .map(headerOf)
      .filter(({ sizeBytes }) => sizeBytes > 4096);
    expect(large).toMatchObject({ isRecycled: false });
    await liveRounds(journal, 5, 0, () => faulty.settled());
    expect(temporaryNames().length).toBeGreaterThan(0);
    expect(temporaryNames().every((name) => fs.statSync(here.at(name)).size === 4096)).toBe(true);
    expect(journal.stats().segmentsPrepared - segmentsPrepared).toBeLessThan(2 + READY_SEGMENTS_MAX);
  });

  test('is given up when the disk has no room for a segment that none of it can be', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await liveRounds(journal, 5, 0, () => faulty.settled());
    await faulty.settled();
    const waiting = temporaryNames();
    expect(waiting.length).toBeGreaterThan(0);
    faulty.fault = ({ operation, path }) =>
      operation === 'zeroFill' && temporaryNames().some((name) => !path.endsWith(name)) ? NO_SPACE : null;
    await journal.commit(new Uint8Array(9000));
    expect(temporaryNames()).toEqual([]);
    expect(journal.poisoned).toBeNull();
  });

  test('keeps a journal going on a full disk', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await commitAll(journal, numbered(60, 300));
    // What is prepared in the background then is another test's.
    const settled = () => faulty.settled();
    await settled();
    faulty.fault = ({ operation }) =>
      operation === 'zeroFill' || operation === 'createLogFile' ? NO_SPACE : null;
    await journal.truncateBefore(journal.syncedLsn);
    expect(journal.stats().segments).toBe(1);
    await settled();
    await liveRounds(journal, 4, 60, settled);
    expect(journal.poisoned).toBeNull();
    expect(journal.stats().segmentsRecycled).toBeGreaterThan(4);
  });

  test('is a list of files with no more than their number, their sizes and their uses allow', () => {
    const list = new RecyclingList();
    const range = { bytesMin: 4096, bytesMax: 8192 };
    expect([4095, 4096, 8192, 8193].map((bytes) => list.wants(bytes, 1, range))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect([FILE_USES_MAX - 1, FILE_USES_MAX].map((uses) => list.wants(4096, uses, range))).toEqual([
      true,
      false,
    ]);
    const segment = (at: number) => ({
      temporaryPath: `${at}`,
      sizeBytes: at % 2 === 0 ? 4096 : 8192,
      usedSeeds: [at],
    });
    for (let at = 0; at < RECYCLED_SEGMENTS_MAX; at++) {
      expect(list.wants(4096, 1, range)).toBe(true);
      list.add(segment(at));
    }
    expect(list.wants(4096, 1, range)).toBe(false);
    expect([list.take(0), list.hasFree]).toEqual([null, false]);
    list.release();
    expect(list.take(4097)).toEqual(segment(1));
    expect(list.takeUseless({ bytesMin: 8192, bytesMax: 8192 })).toHaveLength(RECYCLED_SEGMENTS_MAX / 2);
    expect(list.take(8193)).toBeNull();
    expect([...list.takeWaiting(), ...list.takeFree()]).toHaveLength(RECYCLED_SEGMENTS_MAX / 2 - 1);
    expect(list.bytes).toBe(0);
  });
});

describe('a limit from above', () => {
  test('stops the doubling, rounded down to a size that doubling gives, and within the options', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty, { ...TINY, segmentBytesMax: 60_000 });
    const sizeOfNext = async () => {
      const { segments } = journal.stats();
      while (journal.stats().segments === segments)
        await commitAll(journal, ['x'.repeat(300)], () => faulty.settled());
      return headerOf(segmentNames(here.path)[segments]!).sizeBytes;
    };
    journal.limitSegments(17_000);
    await journal.commit(bytesOf('first'));
    const sizes: number[] = [];
    for (let turn = 0; turn < 5; turn++) sizes.push(await sizeOfNext());
    expect(sizes).toEqual([8192, 16_384, 16_384, 16_384, 16_384]);
    journal.limitSegments(0);
    // The one that was ready is used all the same.
    for (let turn = 0; turn < 3; turn++) sizes.push(await sizeOfNext());
    expect(sizes.slice(-2)).toEqual([4096, 4096]);
    journal.limitSegments(Number.POSITIVE_INFINITY);
    for (let turn = 0; turn < 6; turn++) sizes.push(await sizeOfNext());
    expect(sizes.at(-1)).toBe(60_416);
  });

  test('removes what waits and is larger, and lets what is as large as before wait on', async () => {
    const journal = await openHere(undefined, { ...TINY, segmentBytesMax: 16_384 });
    await liveRounds(journal, 30);
    const waiting = temporaryNames();
    expect(waiting.length).toBeGreaterThan(0);
    journal.limitSegments(30_000);
    journal.limitSegments(16_384);
    expect(temporaryNames()).toEqual(waiting);
    journal.limitSegments(16_383);
    await liveRounds(journal, 10);
    expect(temporaryNames().every((name) => fs.statSync(here.at(name)).size === 8192)).toBe(true);
  });
});

describe('a call that fails while a segment is recycled', () => {
  const isRecycledStep =
    (operation: Operation) =>
    ({ operation: called, path }: Call): boolean =>
      called === operation && (operation === 'openLogFile' || operation === 'link' || path.endsWith('.tmp'));

  test.each([
    ['opening it', 'openLogFile', NO_DESCRIPTOR],
    ['writing its header', 'write', BROKEN_WRITE],
    ['flushing it', 'flush', BROKEN_FLUSH],
    ['naming it', 'link', BROKEN_WRITE],
    ['opening the directory to flush it', 'flushDirectory', NO_DESCRIPTOR],
  ] as const)(
    '(%s) costs the file and nothing else: a new one takes its place',
    async (_, operation, error) => {
      for (const isBlocking of [false, true]) {
        for (let nth = 0; nth < 4; nth++) {
          // A simulated disk has no flush that must be waited for, of four thousand.
          const disk = new SimulatedDisk({ seed: nth, directories: ['/data'] });
          const faulty = new FaultyStorage(disk.life());
          const journal = await open('/data/journal', TINY, faulty.storage);
          const written: string[] = [];
          const write = async (text: string) => {
            journal.append(bytesOf(text));
            written.push(text);
            if (isBlocking) journal.syncThroughSync();
            else await journal.syncThrough();
            // A segment that is wanted before the steps that make it are done is made by fewer of them.
            await faulty.settled();
          };
          for (const text of numbered(60, 300)) await write(text);
          await journal.truncateBefore(journal.syncedLsn);
          await faulty.settled();
          const isNew = new Set<string>();
          let failed = 0;
          faulty.fault = (call) => {
            // Files that are made anew fail as well elsewhere; here only what is recycled does.
            if (call.operation === 'createLogFile') isNew.add(call.path);
            const isStep =
              operation === 'flushDirectory'
                ? call.operation === 'flushDirectory' && faulty.calls.at(-2)?.operation === 'remove'
                : isRecycledStep(operation)(call) &&
                  !isNew.has(call.operation === 'link' ? `${call.path}.tmp` : call.path);
            return isStep && failed++ === nth ? error : null;
          };
          for (const text of numbered(40, 300, 60)) await write(text);
          expect(failed, `call ${nth}`).toBeGreaterThan(nth);
          expect(journal.poisoned).toBeNull();
          faulty.heal();
          for (const text of numbered(5, 300, 100)) await write(text);
          const { startLsn } = journal;
          const kept = written.slice(startLsn / 312);
          expect(await textsOf(journal)).toEqual(kept);
          await journal.close();
          expect(disk.openFiles()).toEqual([]);
          const again = await open('/data/journal', TINY, disk.life());
          expect(again.recovery).toMatchObject({ kind: 'clean', endLsn: written.length * 312 });
          expect(await textsOf(again)).toEqual(kept);
          await again.close();
        }
      }
    },
  );

  test('(the flush of the directory) poisons, and what was acknowledged is there', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const texts = numbered(100, 300);
    await commitAll(journal, texts.slice(0, 60));
    await journal.truncateBefore(journal.syncedLsn);
    const { startLsn } = journal;
    let acknowledged = 60;
    faulty.fault = ({ operation }) =>
      operation === 'flushDirectory' && faulty.calls.some((call) => call.operation === 'openLogFile')
        ? BROKEN_DIRECTORY
        : null;
    for (const text of texts.slice(60)) {
      try {
        await journal.commit(bytesOf(text));
        acknowledged++;
      } catch {
        break;
      }
    }
    expect(journal.poisoned).toMatchObject({ code: 'KEELSON_POISONED', cause: BROKEN_DIRECTORY });
    expect(acknowledged).toBeLessThan(100);
    await journal.close();
    const again = await openHere();
    expect((await textsOf(again)).slice(0, acknowledged - startLsn / 312)).toEqual(
      texts.slice(startLsn / 312, acknowledged),
    );
  });

  test('(its retirement by a new name) removes it instead', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await commitAll(journal, numbered(40, 300));
    faulty.fault = (call) => (call.operation === 'rename' && isRetirement(call) ? NO_SPACE : null);
    await journal.truncateBefore(journal.syncedLsn);
    expect(journal.stats().segments).toBe(1);
    faulty.heal();
    expect(countReuses(faulty)).toBe(0);
    await liveRounds(journal, 3, 40);
    expect(journal.poisoned).toBeNull();
  });

  test('(a retirement half-way) leaves none of what has its temporary name to be used', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await commitAll(journal, numbered(40, 300));
    const third = here.at(segmentNames(here.path)[2]!);
    faulty.fault = (call) => (isRetirement(call) && call.path === third ? BROKEN_WRITE : null);
    expect(await rejectionOf(journal.truncateBefore(journal.syncedLsn))).toBe(BROKEN_WRITE);
    faulty.heal();
    const names = ['000000000001.journal.tmp', '000000000002.journal.tmp'];
    // They are removed in the background, and at the latest when the journal is closed.
    while (temporaryNames().some((name) => names.includes(name))) await new Promise(setImmediate);
    await liveRounds(journal, 5, 40);
    expect(thrownBy(() => journal.read({ from: 0 }))).toBeInstanceOf(RangeError);
    expect(journal.stats().segmentsRecycled).toBeGreaterThan(0);
  });
});

describe('old bytes of a recycled segment', () => {
  test('never have the seed of a new use, not even when chance gives the same salt for ever', () => {
    const usedSeeds: number[] = [];
    for (let use = 0; use < 300; use++) {
      const seed = segmentSeed({ journalId: JOURNAL_ID, salt: unusedSalt(SALT, JOURNAL_ID, usedSeeds) });
      expect(usedSeeds).not.toContain(seed);
      usedSeeds.push(seed);
    }
    expect(unusedSalt(SALT, JOURNAL_ID, [])).toEqual(SALT);
    const highest = new Uint8Array(SALT).fill(0xff, 4);
    const seed = segmentSeed({ journalId: JOURNAL_ID, salt: highest });
    expect(unusedSalt(highest, JOURNAL_ID, [seed]).subarray(4)).toEqual(new Uint8Array(4));
  });

  // A salt that chance repeats is what the random search would never meet.
  describe.each(['chance', 'the same salt for ever'])('with salts from %s', (salts) => {
    test.each([1, 2, 3])('do not come back after a crash at any boundary (seed %i)', (seed) =>
      exploreRecycling(seed, salts === 'chance'),
    );
  });

  interface Fact {
    /** Appended, in this order. */
    readonly appended?: number;
    readonly acknowledged?: number;
    /** From here on the journal may have forgotten what is below. */
    readonly truncated?: number;
  }
  // Of one length, so that every commit stands exactly where one of the file's earlier uses stood, and verified.
  const PAD = 400;
  const RECORD_BYTES = PAD + 12;
  const text = (number: number) => numbered(1, PAD, number)[0]!;

  function openSimulated(storage: Storage): Promise<Journal> {
    return openJournalOn(storage, '/data/journal', resolveJournalOptions('openJournal', TINY));
  }

  async function exploreRecycling(seed: number, isByChance: boolean): Promise<void> {
    let recycled = 0;
    const counts = await exploreCrashes<Fact, { journal: Journal; numbers: number[] }>({
      seed,
      statesMax: 400,
      disk: { directories: ['/data'] },
      workload: async (storage, record) => {
        const random = new Random(seed);
        const journal = await openSimulated(storage);
        if (!isByChance) Object.assign(storage, { randomBytes: (length: number) => SALT.slice(0, length) });
        for (let number = 0; number < 90; number++) {
          record({ appended: number });
          const lsn = journal.append(bytesOf(text(number)));
          const kind = random.below(10);
          if (kind < 6) {
            await journal.syncThrough(lsn);
            record({ acknowledged: number });
          } else if (kind === 6) {
            journal.syncThroughSync(lsn);
            record({ acknowledged: number });
          }
          if (number % 6 !== 5) continue;
          await journal.syncThrough(lsn);
          record({ acknowledged: number });
          const upTo = number - random.below(4);
          record({ truncated: upTo });
          const truncating = journal.truncateBefore(upTo * RECORD_BYTES);
          if (random.chance(0.7)) await truncating;
        }
        recycled = journal.stats().segmentsRecycled;
        await journal.close();
      },
      recover: async (storage, record) => {
        const journal = await openSimulated(storage);
        const numbers = (await readAll(journal)).map(({ lsn, text: found }) => {
          const number = lsn / RECORD_BYTES - 1;
          if (found !== text(number)) expect.fail(`at LSN ${lsn} is ${found}`);
          return number;
        });
        // What is written after a recovery must not be taken for old bytes either.
        const next = journal.nextLsn / RECORD_BYTES;
        record({ appended: next });
        await journal.commit(bytesOf(text(next)));
        record({ acknowledged: next });
        return { journal, numbers };
      },
      verify: async ({ journal, numbers }, facts) => {
        // The last two facts are those of the recovery that is verified.
        const before = facts.slice(0, -2);
        const appended = Math.max(-1, ...before.map((fact) => fact.appended ?? -1));
        const acknowledged = Math.max(-1, ...before.map((fact) => fact.acknowledged ?? -1));
        const truncated = Math.max(0, ...before.map((fact) => fact.truncated ?? 0));
        const first = journal.startLsn / RECORD_BYTES;
        expect(first).toBeLessThanOrEqual(truncated);
        const last = numbers.at(-1) ?? first - 1;
        expect(numbers).toEqual(Array.from({ length: last - first + 1 }, (_, at) => first + at));
        expect(last).toBeGreaterThanOrEqual(acknowledged);
        expect(last).toBeLessThanOrEqual(appended);
        await journal.close();
      },
    });
    expect(counts.states).toBeGreaterThan(300);
    // Each file has been used several times.
    expect(recycled).toBeGreaterThan(10);
  }

  test('are not reported as torn: of a life that was killed only a commit of its own is', async () => {
    // What the pool does to names in the background is done before they are looked at.
    const faulty = new FaultyStorage();
    const settled = () => faulty.settled();
    const journal = await openHere(faulty);
    await liveRounds(journal, 6, 0, settled);
    // One commit into a recycled segment whose every block held one.
    let segments: number;
    let newest: string;
    do {
      ({ segments } = journal.stats());
      await commitAll(journal, ['x'.repeat(300)], settled);
      newest = segmentNames(here.path)[journal.stats().segments - 1]!;
    } while (journal.stats().segments === segments || !headerOf(newest).isRecycled);
    copyAsKilled(here.path, here.at('killed'));
    const next = await open(here.at('killed'), TINY);
    expect(next.recovery).toMatchObject({ kind: 'repaired', tornBytes: 0, endLsn: journal.syncedLsn });
    await next.close();
    // The same with its last commit torn: the header is there, a part of its frames is not.
    await journal.commit(bytesOf('y'.repeat(800)));
    copyAsKilled(here.path, here.at('torn'));
    const bytes = fs.readFileSync(here.at('torn', newest));
    const at = bytes.indexOf('y'.repeat(800));
    expect(at).toBeGreaterThan(0);
    bytes.copy(bytes, at + 512, 512 * 2, 512 * 2 + 200);
    fs.writeFileSync(here.at('torn', newest), bytes);
    const torn = await open(here.at('torn'), TINY);
    expect(torn.recovery.tornBytes).toBeGreaterThan(0);
    expect(torn.recovery.endLsn).toBe(journal.syncedLsn - 812);
    await torn.close();
  });

  test('do not shorten what a reader without the lock finds, when a file is recycled under it', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await commitAll(journal, numbered(10, 300));
    let isInTheMiddle = true;
    let { syncedLsn } = journal;
    const reader = createFsStorage();
    const { openFile } = reader;
    Object.assign(reader, {
      // It has the newest file open, and goes on when all that it will read of it has been written over.
      openFile: async (path: string, writable: boolean) => {
        const file = await openFile(path, writable);
        const { segments } = journal.stats();
        const isNewest = path.endsWith(segmentNames(here.path)[segments - 1]!);
        if (!isInTheMiddle || !isNewest) return file;
        isInTheMiddle = false;
        const head = new Uint8Array(512 * 3);
        await file.read(head, 0);
        const now = new Uint8Array(head);
        // A preparation that is outrun uses no file again, so each comes to rest.
        for (let tries = 0; tries < 30 && Buffer.compare(head, now) === 0; tries++) {
          await liveRounds(journal, 10, 10, () => faulty.settled());
          await file.read(now, 0);
        }
        expect(Buffer.compare(head, now)).not.toBe(0);
        // What it has read of the file is the old header and the old first commits.
        const read = file.read.bind(file);
        return Object.assign(file, {
          read: async (into: Uint8Array, position: number) => {
            const length = await read(into, position);
            for (let at = position; at < Math.min(position + length, head.length); at++)
              into[at - position] = head[at]!;
            return length;
          },
        });
      },
    });
    const found = await rejectionOf(openReadOnlyJournal(reader, here.path, null));
    expect(found).toMatchObject({ code: expect.stringMatching(/NOT_FOUND|CORRUPT/) });
    expect(isInTheMiddle).toBe(false);
    ({ syncedLsn } = journal);
    expect((await openReadOnlyJournal(createFsStorage(), here.path, null)).recovery.endLsn).toBe(syncedLsn);
  });
});
