// Segments seen from outside: reading across them, following, retiring, and how many there are.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Journal } from '../../src/journal/journal.js';
import { type Call, diskError, FaultyStorage, isRetirement } from './faulty-storage.js';
import {
  bytesOf,
  numbered,
  openDescriptors,
  readAll,
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
const openHere = useJournals(here);

/** Commits these texts one by one, and returns their LSNs. */
async function commitAll(journal: Journal, texts: readonly string[]): Promise<number[]> {
  const lsns: number[] = [];
  for (const text of texts) lsns.push(await journal.commit(bytesOf(text)));
  return lsns;
}

describe('read', () => {
  test('gives every range between two records exactly, across segments and lives', async () => {
    const texts = numbered(24, 300);
    const lsns: number[] = [];
    let journal!: Journal;
    for (let life = 0; life < 3; life++) {
      journal = await openHere(TINY);
      lsns.push(...(await commitAll(journal, texts.slice(life * 8, life * 8 + 8))));
      if (life < 2) await journal.close();
    }
    expect(segmentNames(here.path).length).toBeGreaterThan(3);
    const bounds = [0, ...lsns];
    for (let from = 0; from < bounds.length; from += 3) {
      for (let to = from; to < bounds.length; to += 2) {
        expect(await textsOf(journal, { from: bounds[from]!, to: bounds[to]! })).toEqual(
          texts.slice(from, to),
        );
      }
    }
    expect((await readAll(journal)).map(({ lsn }) => lsn)).toEqual(lsns);
  });

  test('of a position that is not one is a RangeError, at once or when it is found inside a record', async () => {
    const journal = await openHere();
    await commitAll(journal, ['hello', ' world']);
    for (const range of [{ from: -1 }, { from: 36 }, { to: 36 }, { from: 35, to: 17 }, { from: 1.5 }]) {
      expect(thrownBy(() => journal.read(range))).toBeInstanceOf(RangeError);
    }
    for (const range of [
      { from: 1 },
      { from: 16 },
      { from: 34 },
      { to: 1 },
      { to: 34 },
      { from: 17, to: 34 },
    ]) {
      expect(await rejectionOf(readAll(journal, range)), JSON.stringify(range)).toBeInstanceOf(RangeError);
    }
    expect(await textsOf(journal, { from: 35 })).toEqual([]);
    // The directory, its lock, and the segment twice.
    expect(openDescriptors(here.path) ?? 4).toBeLessThanOrEqual(4);
  });

  test('ends where the journal was durable at the call', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere({}, faulty);
    await commitAll(journal, ['one', 'two']);
    const release = faulty.hold(({ operation }) => operation === 'submit');
    const third = journal.commit(bytesOf('three'));
    const reading = journal.read();
    release();
    await third;
    const texts: string[] = [];
    for await (const { record } of reading) texts.push(textOf(record));
    expect(texts).toEqual(['one', 'two']);
  });

  test('gives copies that stay as they are', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(20, 200);
    await commitAll(journal, texts);
    const records: Uint8Array[] = [];
    for await (const { record } of journal.read()) records.push(record);
    expect(records.map(textOf)).toEqual(texts);
    expect(records.every((record) => record.buffer.byteLength === record.length)).toBe(true);
  });

  test('that is left early gives its file back', async () => {
    // In segments so large that none is closed or prepared in the background meanwhile.
    const journal = await openHere({});
    await commitAll(journal, numbered(20, 200));
    const before = openDescriptors(here.path);
    for await (const { lsn } of journal.read()) if (lsn > 500) break;
    expect(openDescriptors(here.path)).toBe(before);
  });

  test('that nobody goes on with gives its file back when the journal is closed', async () => {
    const journal = await openHere({});
    await commitAll(journal, numbered(20, 200));
    const abandoned = journal.read();
    await abandoned.next();
    await journal.close();
    expect(openDescriptors(here.path) ?? 0).toBe(0);
    await expect(abandoned.next().then(() => abandoned.next())).rejects.toMatchObject({
      code: 'KEELSON_CLOSED',
    });
  });
});

describe('follow', () => {
  test('gives what is there and then each record when it is durable, in order', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(60, 150);
    await commitAll(journal, texts.slice(0, 20));
    const seen: string[] = [];
    const following = (async () => {
      for await (const { lsn, record } of journal.follow({ from: 0 })) {
        expect(lsn).toBeLessThanOrEqual(journal.syncedLsn);
        seen.push(textOf(record));
        if (seen.length === texts.length) break;
      }
    })();
    for (const text of texts.slice(20)) await journal.commit(bytesOf(text));
    await following;
    expect(seen).toEqual(texts);
  });

  test('never gives a record before it is durable', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere({}, faulty);
    await journal.commit(bytesOf('durable'));
    const following = journal.follow({ from: 0 });
    expect(textOf((await following.next()).value!.record)).toBe('durable');
    const release = faulty.hold(({ operation }) => operation === 'submit');
    const committing = journal.commit(bytesOf('later'));
    let isDurable = false;
    const next = following.next().then(({ value }) => ({ isDurable, text: textOf(value!.record) }));
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(journal.syncedLsn).toBe(19);
    void committing.then(() => {
      isDurable = true;
    });
    release();
    expect(await next).toEqual({ isDurable: true, text: 'later' });
    await following.return?.();
  });

  test('ends when it is aborted, before and while it waits', async () => {
    const journal = await openHere();
    const controller = new AbortController();
    const following = journal.follow({ from: 0, signal: controller.signal });
    const waiting = following.next();
    controller.abort();
    expect(await waiting).toMatchObject({ done: true });
    const late = journal.follow({ from: 0, signal: controller.signal });
    expect(await late.next()).toMatchObject({ done: true });
  });

  test('ends when the journal is closed, however many follow', async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    const waiting = Array.from({ length: 50 }, () => journal.follow({ from: 17 }).next());
    await new Promise(setImmediate);
    await journal.close();
    for (const next of await Promise.all(waiting)) expect(next).toMatchObject({ done: true });
  });

  test('of a position in the future is a RangeError', async () => {
    const journal = await openHere();
    expect(thrownBy(() => journal.follow({ from: 1 }))).toBeInstanceOf(RangeError);
    expect(thrownBy(() => journal.follow({ from: undefined as unknown as number }))).toBeInstanceOf(
      RangeError,
    );
  });
});

describe('truncateBefore', () => {
  test('removes whole segments, oldest first, never the newest, and says where the journal starts', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    const settled = () => faulty.settled();
    const texts = numbered(40, 300);
    const lsns: number[] = [];
    for (const text of texts) {
      lsns.push(await journal.commit(bytesOf(text)));
      await settled();
    }
    const names = segmentNames(here.path);
    expect(names.length).toBeGreaterThan(4);
    await journal.truncateBefore(0);
    expect(segmentNames(here.path).slice(0, names.length)).toEqual(names);
    faulty.calls.length = 0;
    await journal.truncateBefore(lsns[19]!);
    expect(journal.startLsn).toBeGreaterThan(0);
    expect(journal.startLsn).toBeLessThanOrEqual(lsns[19]!);
    const kept = texts.filter((_, index) => lsns[index]! > journal.startLsn);
    expect(await textsOf(journal)).toEqual(kept);
    const retired = faulty.calls.filter(isRetirement).map(({ path }) => path.split('/').at(-1));
    expect(retired.length).toBeGreaterThan(1);
    expect(retired).toEqual(names.slice(0, retired.length));
    await journal.truncateBefore(journal.syncedLsn);
    expect(segmentNames(here.path).length).toBeGreaterThan(0);
    await journal.close();
    const again = await openHere();
    expect(again.recovery).toMatchObject({ kind: 'clean', startLsn: journal.startLsn, endLsn: lsns.at(-1) });
    expect(again.startLsn).toBe(journal.startLsn);
    expect(thrownBy(() => again.read({ from: 0 }))).toBeInstanceOf(RangeError);
  });

  test('makes it durable that nothing below is answered for before the first file goes', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    const settled = () => faulty.settled();
    await commitAll(journal, numbered(30, 300));
    await settled();
    faulty.calls.length = 0;
    await journal.truncateBefore(journal.syncedLsn);
    // Of a segment that is prepared meanwhile there may be calls in between; what is submitted is the journal's alone.
    const order = faulty.calls.map((call) => (isRetirement(call) ? 'retire' : call.operation));
    expect(order.indexOf('retire')).toBeGreaterThan(order.indexOf('submit'));
    expect(order.indexOf('submit')).toBeGreaterThanOrEqual(0);
    expect(order.lastIndexOf('flushDirectory')).toBeGreaterThan(order.lastIndexOf('retire'));
  });

  test('keeps what a reader has begun to read, and retires it when it has ended', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(40, 300);
    await commitAll(journal, texts);
    const reading = journal.read();
    const seen = [textOf((await reading.next()).value!.record)];
    const names = segmentNames(here.path);
    await journal.truncateBefore(journal.syncedLsn);
    expect(segmentNames(here.path).slice(0, names.length)).toEqual(names);
    for await (const { record } of reading) seen.push(textOf(record));
    expect(seen).toEqual(texts);
    await journal.truncateBefore(journal.syncedLsn);
    expect(journal.stats().segments).toBe(1);
  });

  test('under readers that come while it runs gives them all records or a RangeError, never a damaged journal', async () => {
    const moments: [name: string, isHeld: (call: Call) => boolean][] = [
      ['its mark', ({ operation }) => operation === 'submit'],
      ['a file going', isRetirement],
      ['the flush behind it', ({ operation }) => operation === 'flushDirectory'],
    ];
    for (const [name, isHeld] of moments) {
      const faulty = new FaultyStorage();
      const journal = await openHere(TINY, faulty);
      const settled = () => faulty.settled();
      for (const text of numbered(30, 300)) {
        await journal.commit(bytesOf(text));
        await settled();
      }
      const { startLsn, syncedLsn } = journal;
      const unstepped = journal.read();
      const callsBefore = faulty.calls.length;
      const release = faulty.hold(isHeld);
      const retiring = journal.truncateBefore(syncedLsn);
      while (!faulty.calls.slice(callsBefore).some(isHeld)) await new Promise(setImmediate);
      const readings = [unstepped, ...(journal.startLsn === startLsn ? [journal.read()] : [])];
      const outcomes = Promise.allSettled(
        readings.map(async (reading) => {
          let count = 0;
          for await (const _ of reading) count++;
          return count;
        }),
      );
      release();
      await retiring;
      for (const outcome of await outcomes) {
        if (outcome.status === 'fulfilled') expect(outcome.value).toBeGreaterThan(0);
        else expect(outcome.reason, name).toBeInstanceOf(RangeError);
      }
      await journal.close();
    }
  });

  test('keeps what a follower has not seen', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(30, 300);
    await commitAll(journal, texts);
    const following = journal.follow({ from: 0 });
    const seen = [textOf((await following.next()).value!.record)];
    await journal.truncateBefore(journal.syncedLsn);
    while (seen.length < texts.length) seen.push(textOf((await following.next()).value!.record));
    expect(seen).toEqual(texts);
    await following.return?.();
  });

  test.each([-1, 18, 0.5, Number.NaN])('of %s is a RangeError', async (lsn) => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    expect(thrownBy(() => journal.truncateBefore(lsn))).toBeInstanceOf(RangeError);
  });

  test('called again and again at once does each in its turn', async () => {
    const journal = await openHere(TINY);
    const lsns = await commitAll(journal, numbered(30, 300));
    await Promise.all(lsns.map((lsn) => journal.truncateBefore(lsn)));
    const { segments } = journal.stats();
    expect(segments).toBeLessThan(3);
    // One that was prepared for what comes next goes at the close.
    await journal.close();
    expect(segmentNames(here.path)).toHaveLength(segments);
  });

  test('removes the files of earlier lives', async () => {
    for (let life = 0; life < 5; life++) {
      const journal = await openHere(TINY);
      await commitAll(journal, numbered(4, 100));
      await journal.close();
    }
    expect(segmentNames(here.path)).toHaveLength(5);
    const journal = await openHere(TINY);
    await journal.commit(bytesOf('the last'));
    await journal.truncateBefore(journal.syncedLsn);
    expect(segmentNames(here.path)).toEqual(['000000000006.journal']);
  });
});

describe('the next segment', () => {
  test('is prepared in the background and used, at every size while sizes double', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere({ ...TINY, segmentBytesMax: 65_536 }, faulty);
    const settled = () => faulty.settled();
    for (let round = 0; round < 250; round++) {
      await journal.commit(bytesOf(`round ${round}`.padEnd(400)));
      await settled();
    }
    const { segments, blockingPreparations } = journal.stats();
    expect(segments).toBeGreaterThan(4);
    expect(blockingPreparations).toBe(1);
    await journal.close();
    // Every file that was made is in use, or went at the close: the one that was ready and the draft behind it.
    const made = faulty.calls.filter(({ operation }) => operation === 'createLogFile').length;
    expect(made - segments).toBe(2);
    expect(segmentNames(here.path)).toHaveLength(segments);
  });

  // A put that could not wait for the segment under way made one of its own. On a nearly full disk the first held the
  // room that the second needed, so the put was refused, and the first was thrown away: the next put met the same.
  test('that is under way when an append finds no room for one of its own is used when it is ready', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    const release = faulty.hold(({ operation }) => operation === 'zeroFill');
    const isCreation = ({ operation }: Call) => operation === 'createLogFile';
    await journal.commit(bytesOf('the first'));
    while (faulty.calls.filter(isCreation).length < 2) await journal.commit(bytesOf('x'.repeat(400)));
    faulty.fault = (call) => (isCreation(call) ? diskError('KEELSON_NO_SPACE', 'ENOSPC', 'open') : null);
    const fill = () => {
      for (;;) journal.append(bytesOf('y'.repeat(400)));
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'KEELSON_NO_SPACE' }));
    release();
    await faulty.settled();
    await journal.commit(bytesOf('z'.repeat(400)));
    expect((await textsOf(journal)).at(-1)).toBe('z'.repeat(400));
  });

  // A draft that was overtaken by a blocking append was thrown away, and all its zeros with it.
  test('that is still being filled when an append cannot wait is used later', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    const isDraft = ({ operation, path }: Call) => operation === 'zeroFill' && path.endsWith('.draft.tmp');
    const release = faulty.hold(isDraft);
    const texts = numbered(30, 400);
    for (const text of texts.slice(0, 20)) {
      await journal.commit(bytesOf(text));
    }
    expect(faulty.calls.filter(isDraft)).toHaveLength(1);
    const { blockingPreparations } = journal.stats();
    expect(blockingPreparations).toBeGreaterThan(2);
    release();
    await faulty.settled();
    for (const text of texts.slice(20)) {
      await journal.commit(bytesOf(text));
      await faulty.settled();
    }
    expect(journal.stats().blockingPreparations).toBe(blockingPreparations);
    expect(await textsOf(journal)).toEqual(texts);
    // Of the files that were made, none is gone: they are in use, ready, or a draft.
    const made = faulty.calls.filter(({ operation }) => operation === 'createLogFile');
    expect(made).toHaveLength(journal.stats().segmentsPrepared);
    expect(
      faulty.calls.filter(({ operation, path }) => operation === 'remove' && path.endsWith('.journal')),
    ).toEqual([]);
  });

  test('is prepared as soon as one was taken, and a draft behind it', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    while (journal.stats().segments < 2) {
      await journal.commit(bytesOf('x'.repeat(400)));
      await faulty.settled();
    }
    const drafts = fs.readdirSync(here.path).filter((name) => name.endsWith('.draft.tmp'));
    expect(drafts).toHaveLength(1);
    // Two hold records, one is ready.
    expect(segmentNames(here.path)).toHaveLength(3);
    expect(journal.stats().segmentBytes).toBe(4 * 4096);
  });

  test('that is prepared and not used goes when the journal is closed, and no descriptor stays', async () => {
    for (let life = 0; life < 10; life++) {
      const journal = await openHere(TINY);
      for (const text of numbered(17 + life, 400)) journal.append(bytesOf(text));
      await journal.close();
      expect(openDescriptors(here.path) ?? 0).toBe(0);
    }
    const journal = await openHere();
    expect(journal.recovery.segments).toBe(segmentNames(here.path).length);
  });
});
