// What comes of every call that can fail, through a storage that fails it: no room is met before anything is accepted,
// anything else poisons, nothing is tried twice, and reopening gives at least what was acknowledged.

import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import type { Journal } from '../../src/journal/journal.js';
import type { JournalOptions } from '../../src/journal/options.js';
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
  keelsonError,
  numbered,
  open,
  openDescriptors,
  rejectionOf,
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

async function openHere(faulty: FaultyStorage, options: Partial<JournalOptions> = TINY): Promise<Journal> {
  return openIn(options, faulty);
}

/** Opens again on a sound storage and reads everything. */
async function reopened(): Promise<string[]> {
  const journal = await open(here.path, TINY);
  try {
    return await textsOf(journal);
  } finally {
    await journal.close();
  }
}

function is(...operations: Operation[]): (call: Call) => boolean {
  return ({ operation }) => operations.includes(operation);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

describe('no room for a segment', () => {
  const preparing: [string, Operation, Error][] = [
    ['creating it', 'createLogFile', NO_DESCRIPTOR],
    ['writing its header', 'write', NO_SPACE],
    ['filling it with zeros', 'zeroFill', NO_SPACE],
    ['flushing it', 'flush', NO_SPACE],
    ['naming it', 'link', NO_SPACE],
    ['opening the directory to flush it', 'flushDirectory', NO_DESCRIPTOR],
  ];

  test.each(preparing)(
    'met while %s throws, frames nothing, poisons nothing',
    async (_, operation, error) => {
      const faulty = new FaultyStorage();
      const journal = await openHere(faulty);
      faulty.fault = (call) => (call.operation === operation ? error : null);
      for (let tries = 0; tries < 12; tries++) {
        expect(thrownBy(() => journal.append(bytesOf('refused')))).toBe(error);
        expect(thrownBy(() => journal.commit(bytesOf('refused')))).toBe(error);
        expect([journal.nextLsn, journal.syncedLsn, journal.poisoned]).toEqual([0, 0, null]);
      }
      expect(await journal.syncThrough()).toBe(0);
      faulty.heal();
      expect(await journal.commit(bytesOf('hello'))).toBe(17);
      expect(await textsOf(journal)).toEqual(['hello']);
      await journal.close();
      expect(openDescriptors(here.path) ?? 0).toBe(0);
      expect(segmentNames(here.path)).toHaveLength(1);
      expect(await reopened()).toEqual(['hello']);
    },
  );

  test.each(preparing)(
    'met in the middle of a journal while %s leaves exactly what was accepted',
    async (_, operation, error) => {
      const faulty = new FaultyStorage();
      const journal = await openHere(faulty);
      const accepted: string[] = [];
      let refused = 0;
      for (const [index, text] of numbered(80, 200).entries()) {
        if (index % 20 === 5) faulty.fault = (call) => (call.operation === operation ? error : null);
        if (index % 20 === 15) faulty.heal();
        try {
          const { nextLsn } = journal;
          expect(journal.append(bytesOf(text))).toBe(nextLsn + 212);
          accepted.push(text);
        } catch (thrown) {
          expect(thrown).toBe(error);
          refused++;
        }
        if (index % 7 === 0) await journal.syncThrough();
      }
      faulty.heal();
      expect(refused).toBeGreaterThan(0);
      expect(journal.poisoned).toBeNull();
      await journal.syncThrough();
      expect(await textsOf(journal)).toEqual(accepted);
      await journal.close();
      expect(openDescriptors(here.path) ?? 0).toBe(0);
      expect(await reopened()).toEqual(accepted);
    },
  );

  test('asks for no more room the next time than the time before', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty, { ...TINY, segmentBytesMax: 2 ** 20 });
    faulty.fault = ({ operation }) => (operation === 'zeroFill' ? NO_SPACE : null);
    for (let tries = 0; tries < 10; tries++) thrownBy(() => journal.append(bytesOf('refused')));
    faulty.heal();
    journal.append(bytesOf('hello'));
    await journal.syncThrough();
    const file = await faulty.storage.openFile(here.at(segmentNames(here.path)[0]!), false);
    expect(await file.size()).toBe(4096);
    await file.close();
  });

  test('met in the background is met again by the append that needs the segment, and not before', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await journal.commit(bytesOf('first'));
    faulty.fault = ({ operation }) => (operation === 'zeroFill' ? NO_SPACE : null);
    const accepted = ['first'];
    const { path } = journal.recovery.kind === 'fresh' ? here : expect.fail('a fresh journal');
    let refusal: unknown = null;
    for (const text of numbered(20, 400)) {
      try {
        await journal.commit(bytesOf(text));
        accepted.push(text);
      } catch (error) {
        refusal = error;
        break;
      }
      await faulty.settled();
    }
    expect(refusal).toBe(NO_SPACE);
    // All of the segment's room was used first: header, two blocks kept for a mark and the seal, and commits of one block each.
    expect(accepted).toHaveLength(4096 / 512 - 3);
    faulty.heal();
    await journal.commit(bytesOf('after'));
    expect(await textsOf(journal)).toEqual([...accepted, 'after']);
    expect(segmentNames(path).length).toBeGreaterThan(1);
  });

  test('met in the background and gone since is met by nobody', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await journal.commit(bytesOf('first'));
    let failures = 0;
    faulty.fault = ({ operation }) => {
      if (operation !== 'zeroFill' || failures > 0) return null;
      failures++;
      return NO_SPACE;
    };
    const texts = numbered(20, 400);
    for (const text of texts) {
      await journal.commit(bytesOf(text));
      await faulty.settled();
    }
    expect(failures).toBe(1);
    expect(await textsOf(journal)).toEqual(['first', ...texts]);
  });
});

describe('a failed flush of the directory', () => {
  test('while a segment is prepared poisons: nothing is accepted any more', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const flushes = faulty.count('flushDirectory');
    faulty.failNth(0, is('flushDirectory'), BROKEN_DIRECTORY);
    const refused = thrownBy(() => journal.append(bytesOf('refused')));
    expect(refused).toEqual(keelsonError('KEELSON_POISONED'));
    // The one error that everyone gets, and not what the preparation says.
    expect(refused).toBe(journal.poisoned);
    expect(thrownBy(() => journal.append(bytesOf('again')))).toBe(journal.poisoned);
    expect(faulty.count('flushDirectory')).toBe(flushes + 1);
    await journal.close();
    expect(await reopened()).toEqual([]);
  });

  test('while the next segment is prepared in the background poisons at once', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const poisoned = new Promise<unknown>((resolve) => journal.onPoisoned(resolve));
    faulty.failNth(
      1,
      ({ operation, path }) => operation === 'flushDirectory' && path === here.path,
      BROKEN_DIRECTORY,
    );
    const acknowledged: string[] = [];
    for (const text of numbered(20, 400)) {
      try {
        await journal.commit(bytesOf(text));
        acknowledged.push(text);
      } catch (error) {
        expect(error).toEqual(keelsonError('KEELSON_POISONED'));
        break;
      }
      await faulty.settled();
    }
    expect(await poisoned).toBe(journal.poisoned);
    expect(await textsOf(journal)).toEqual(acknowledged);
    await journal.close();
    expect(openDescriptors(here.path) ?? 0).toBe(0);
    const texts = await reopened();
    expect(texts.slice(0, acknowledged.length)).toEqual(acknowledged);
  });

  test('after a retirement poisons, and what was not retired is there', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const texts = numbered(30, 400);
    for (const text of texts) await journal.commit(bytesOf(text));
    // A segment that is being prepared would flush the directory, too, and poison in the place of the retirement.
    await faulty.settled();
    let retired = 0;
    faulty.fault = (call) => {
      if (isRetirement(call)) retired++;
      return call.operation === 'flushDirectory' && retired > 0 ? BROKEN_DIRECTORY : null;
    };
    expect(await rejectionOf(journal.truncateBefore(journal.syncedLsn))).toBe(BROKEN_DIRECTORY);
    expect(retired).toBeGreaterThan(0);
    expect(journal.poisoned?.cause).toBe(BROKEN_DIRECTORY);
    const kept = await textsOf(journal);
    await journal.close();
    expect(await reopened()).toEqual(kept);
    expect(texts.slice(-kept.length || texts.length)).toEqual(kept);
  });
});

describe('a failed write or flush of accepted bytes', () => {
  test.each([
    ['write', BROKEN_WRITE],
    ['flush', BROKEN_FLUSH],
    ['write on a full disk', NO_SPACE],
  ])('(%s) rejects everyone above the durable LSN with one cause, and nobody below', async (_, error) => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const durable = await journal.commit(bytesOf('durable'));
    const release = faulty.hold(is('submit'));
    const below = journal.syncThrough(durable);
    const lsns = numbered(10).map((text) => journal.append(bytesOf(text)));
    faulty.failNth(0, is('submit'), error);
    const waiting = lsns.map((lsn) => rejectionOf(journal.syncThrough(lsn)));
    release();
    expect(await below).toBe(durable);
    const causes = await Promise.all(waiting);
    for (const cause of causes) expect(cause).toBe(journal.poisoned);
    expect(journal.poisoned).toMatchObject({
      code: 'KEELSON_POISONED',
      cause: error,
      facts: { lsn: durable, lsnEnd: lsns.at(-1), errno: error.facts.errno },
    });
    expect(await journal.syncThrough(durable)).toBe(durable);
    expect(await rejectionOf(journal.syncThrough())).toBe(journal.poisoned);
    expect(thrownBy(() => journal.syncThroughSync())).toBe(journal.poisoned);
    expect(journal.syncThroughSync(durable)).toBe(durable);
    expect(thrownBy(() => journal.append(bytesOf('later')))).toBe(journal.poisoned);
    expect(thrownBy(() => journal.appendBatch([]))).toBe(journal.poisoned);
    expect(thrownBy(() => journal.truncateBefore(durable))).toBe(journal.poisoned);
    expect(await textsOf(journal)).toEqual(['durable']);
    expect(journal.syncedLsn).toBe(durable);
  });

  test('is never tried again, and no later byte is written', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await journal.commit(bytesOf('durable'));
    const told: unknown[] = [];
    journal.onPoisoned((error) => told.push(error));
    faulty.failNth(0, is('submit'), BROKEN_FLUSH);
    // More than a segment of it, so that rotations are waiting as well.
    const waiting = numbered(50, 300).map((text) => rejectionOf(journal.commit(bytesOf(text))));
    await Promise.all(waiting);
    const { length } = faulty.calls;
    const submits = faulty.count('submit');
    await turns(20);
    expect(faulty.count('submit')).toBe(submits);
    const later = faulty.calls.slice(length).filter(is('submit', 'write', 'flush'));
    // Only a segment that was being prepared, and that nobody will use, may still be on its way.
    expect(later.filter(({ path }) => !path.endsWith('.tmp'))).toEqual([]);
    await journal.close();
    expect(faulty.count('submit')).toBe(submits);
    expect(submits).toBe(2);
    expect(told).toEqual([journal.poisoned]);
    expect(openDescriptors(here.path) ?? 0).toBe(0);
    expect(await reopened()).toEqual(['durable']);
  });

  test('at any point leaves a prefix with everything acknowledged, in a journal that opens', async () => {
    for (let nth = 0; nth < 24; nth++) {
      const directory = here.at(`nth-${nth}`);
      const faulty = new FaultyStorage();
      const journal = await open(directory, TINY, faulty.storage);
      faulty.failNth(nth, is('submit'), nth % 2 === 0 ? BROKEN_WRITE : BROKEN_FLUSH);
      const texts = numbered(20, 400);
      const outcomes: Promise<boolean>[] = [];
      for (const [index, text] of texts.entries()) {
        try {
          outcomes.push(
            journal.commit(bytesOf(text)).then(
              () => true,
              () => false,
            ),
          );
        } catch (error) {
          expect(error).toEqual(keelsonError('KEELSON_POISONED'));
          break;
        }
        if (index % 3 === nth % 3) await outcomes.at(-1);
      }
      const acknowledged = (await Promise.all(outcomes)).lastIndexOf(true) + 1;
      await journal.close();
      expect(openDescriptors(directory) ?? 0, `submit ${nth}`).toBe(0);
      const again = await open(directory, TINY);
      const found = await textsOf(again);
      expect(found.length, `submit ${nth}`).toBeGreaterThanOrEqual(acknowledged);
      expect(found).toEqual(texts.slice(0, found.length));
      await again.commit(bytesOf('goes on'));
      await again.close();
    }
  });

  test('while an append waits for room in memory makes that append throw, and frames nothing of it', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty, { ...TINY, maxUndurableBytes: 1024 });
    await journal.commit(bytesOf('durable'));
    faulty.failNth(0, is('submit'), BROKEN_WRITE);
    const waiting = rejectionOf(journal.commit(new Uint8Array(900)));
    const { nextLsn } = journal;
    expect(thrownBy(() => journal.append(new Uint8Array(900)))).toEqual(keelsonError('KEELSON_POISONED'));
    expect(journal.nextLsn).toBe(nextLsn);
    expect(await waiting).toBe(journal.poisoned);
    expect(await textsOf(journal)).toEqual(['durable']);
  });

  test('while a blocking sync waits makes it throw the same as everyone gets', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    journal.append(bytesOf('lost'));
    const waiting = rejectionOf(journal.syncThrough());
    faulty.failNth(0, is('submit'), BROKEN_FLUSH);
    expect(thrownBy(() => journal.syncThroughSync())).toBe(journal.poisoned);
    expect(await waiting).toBe(journal.poisoned);
  });

  test('while the journal closes still closes it, and gives the lock back', async () => {
    for (const nth of [0, 1]) {
      const faulty = new FaultyStorage();
      const journal = await open(here.at(`${nth}`), TINY, faulty.storage);
      const outcome = journal.commit(bytesOf('hello')).then(
        () => ['hello'],
        () => [],
      );
      faulty.failNth(nth, is('submit'), BROKEN_FLUSH);
      await journal.close();
      const again = await open(here.at(`${nth}`), TINY);
      expect(await textsOf(again)).toEqual(await outcome);
      await again.close();
    }
  });

  test('of a mark rejects the retirement, which removes nothing', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    for (const text of numbered(20, 400)) await journal.commit(bytesOf(text));
    await faulty.settled();
    const names = segmentNames(here.path);
    faulty.failNth(0, is('submit'), BROKEN_FLUSH);
    expect(await rejectionOf(journal.truncateBefore(journal.syncedLsn))).toBe(journal.poisoned);
    expect(segmentNames(here.path)).toEqual(expect.arrayContaining(names));
    await journal.close();
    expect(await reopened()).toEqual(numbered(20, 400));
  });

  test('gives followers what is durable and then the error, and leaves nobody waiting', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    await journal.commit(bytesOf('kept'));
    const waiting = journal.follow({ from: journal.syncedLsn });
    const next = rejectionOf(waiting.next());
    const behind = journal.follow({ from: 0 });
    faulty.failNth(0, is('submit'), BROKEN_FLUSH);
    expect(await rejectionOf(journal.commit(bytesOf('lost')))).toBe(journal.poisoned);
    expect(await next).toBe(journal.poisoned);
    expect(textOf((await behind.next()).value!.record)).toBe('kept');
    expect(await rejectionOf(behind.next())).toBe(journal.poisoned);
    expect(await behind.next()).toMatchObject({ done: true });
    await journal.close();
    expect(await waiting.next()).toMatchObject({ done: true });
  });
});

describe('a segment whose temporary name cannot be taken away', () => {
  // It would have two names: retired and used again under the one, it would still stand there under the other.
  test('is not used: the append throws, nothing is poisoned, and no segment is left', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    faulty.fault = ({ operation, path }) =>
      operation === 'remove' && path.endsWith('.journal.tmp') ? NO_SPACE : null;
    expect(thrownBy(() => journal.append(bytesOf('refused')))).toBe(NO_SPACE);
    expect(journal.poisoned).toBeNull();
    expect(segmentNames(here.path)).toEqual([]);
    faulty.heal();
    await journal.commit(bytesOf('hello'));
    await journal.close();
    expect(await reopened()).toEqual(['hello']);
  });
});

describe('a call that fails', () => {
  test('while a killed journal is opened, whichever it is, gives a typed error, and the next open loses nothing', async () => {
    const source = here.at('source');
    const texts = numbered(12, 300);
    const journal = await open(source, TINY);
    for (const text of texts) await journal.commit(bytesOf(text));
    copyAsKilled(source, here.at('killed'));
    await journal.close();
    const counting = new FaultyStorage();
    copyAsKilled(here.at('killed'), here.at('counting'));
    const whole = await open(here.at('counting'), TINY, counting.storage);
    const callCount = counting.calls.length;
    await whole.close();
    expect(whole.recovery.kind).toBe('repaired');
    let refused = 0;
    for (let nth = 0; nth < callCount; nth++) {
      for (const error of [BROKEN_DIRECTORY, NO_SPACE]) {
        const target = here.at(`${nth}-${error.code}`);
        copyAsKilled(here.at('killed'), target);
        const faulty = new FaultyStorage();
        faulty.failNth(nth, () => true, error);
        try {
          await (await open(target, TINY, faulty.storage)).close();
        } catch (thrown) {
          refused++;
          expect(isKeelsonError(thrown), String(thrown)).toBe(true);
        }
        expect(openDescriptors(target) ?? 0, `call ${nth}`).toBe(0);
        const again = await open(target, TINY);
        expect(await textsOf(again), `call ${nth}`).toEqual(texts);
        await again.close();
      }
    }
    expect(refused).toBeGreaterThan(callCount);
  });

  test('while records are read rejects the read and nothing else', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    const texts = numbered(10, 300);
    for (const text of texts) await journal.commit(bytesOf(text));
    for (const operation of ['openFile', 'read'] as const) {
      faulty.failNth(0, is(operation), NO_DESCRIPTOR);
      expect(await rejectionOf(textsOf(journal))).toBe(NO_DESCRIPTOR);
    }
    faulty.heal();
    expect(await textsOf(journal)).toEqual(texts);
    expect(journal.poisoned).toBeNull();
  });

  test('while a file is retired rejects that, and the next retirement removes it', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(faulty);
    for (const text of numbered(40, 400)) await journal.commit(bytesOf(text));
    await faulty.settled();
    const second = here.at(segmentNames(here.path)[1]!);
    faulty.fault = (call) => (isRetirement(call) && call.path === second ? BROKEN_WRITE : null);
    expect(await rejectionOf(journal.truncateBefore(journal.syncedLsn))).toBe(BROKEN_WRITE);
    expect(journal.poisoned).toBeNull();
    const kept = await textsOf(journal);
    faulty.heal();
    await journal.truncateBefore(journal.syncedLsn);
    expect(await textsOf(journal)).toEqual(kept.slice(-(await textsOf(journal)).length || kept.length));
    await journal.commit(bytesOf('after'));
    await journal.close();
    expect(segmentNames(here.path).length).toBeLessThan(3);
    expect((await reopened()).at(-1)).toBe('after');
  });

  test('because memory is short in the middle of a batch poisons: half a batch is never durable', async () => {
    const faulty = new FaultyStorage();
    let allocations = Number.POSITIVE_INFINITY;
    const { allocate } = faulty.storage;
    Object.assign(faulty.storage, {
      allocate: (length: number) => {
        if (allocations-- <= 0) throw new RangeError('Array buffer allocation failed');
        return allocate(length);
      },
    });
    const journal = await openHere(faulty, { ...TINY, commitBytesMax: 1024 });
    await journal.commit(bytesOf('before'));
    allocations = 3;
    const batch = numbered(100, 500).map(bytesOf);
    expect(thrownBy(() => journal.appendBatch(batch))).toBe(journal.poisoned);
    expect(journal.poisoned?.cause).toMatchObject({ code: 'KEELSON_NO_SPACE', facts: { errno: 'ENOMEM' } });
    expect(journal.nextLsn).toBe(journal.syncedLsn);
    expect(thrownBy(() => journal.append(bytesOf('after')))).toBe(journal.poisoned);
    await journal.close();
    expect(await reopened()).toEqual(['before']);
  });
});
