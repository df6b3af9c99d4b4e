// Record feeds: from the memory of commits and from segments, every durable record comes once and in order.

import { describe, expect, test } from 'vitest';
import type { PendingCommit } from '../../src/journal/commit/pending-commit.js';
import type { Journal } from '../../src/journal/journal.js';
import { RecentCommits } from '../../src/journal/read/recent-commits.js';
import type { RecordFeed } from '../../src/journal/read/record-feed.js';
import { FaultyStorage } from './faulty-storage.js';
import {
  bytesOf,
  keelsonError,
  numbered,
  openDescriptors,
  rejectionOf,
  TINY,
  textOf,
  useDirectory,
  useJournals,
} from './helpers.js';

const here = useDirectory();
const openHere = useJournals(here);

function feedFrom(journal: Journal, fromLsn: number, maxLagBytes = Number.POSITIVE_INFINITY): RecordFeed {
  return journal.feed({ fromLsn, isDefined: false, maxLagBytes });
}

/** Takes the next `count` texts of a feed, or fewer if it ends. */
async function take(feed: RecordFeed, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const window = await feed.next();
    if (window === null) break;
    while (window.next()) {
      texts.push(textOf(window.bytes.slice(window.start, window.end)));
      expect(feed.lsn).toBe(window.lsn);
    }
  }
  return texts;
}

describe('a record feed', () => {
  test('gives what is in segments and then what becomes durable, and opens no file for the latter', async () => {
    const faulty = new FaultyStorage();
    const journal = await openHere(TINY, faulty);
    const texts = numbered(60, 200);
    for (const text of texts.slice(0, 20)) await journal.commit(bytesOf(text));
    const feed = feedFrom(journal, 0);
    expect(await take(feed, 20)).toEqual(texts.slice(0, 20));
    const opens = faulty.count('openFile');
    for (const text of texts.slice(20)) {
      const taken = take(feed, 1);
      await journal.commit(bytesOf(text));
      expect(await taken).toEqual([text]);
    }
    expect(faulty.count('openFile')).toBe(opens);
    feed.close();
    expect(journal.stats().pins).toBe(0);
  });

  test('that is prompt goes on before the writers do, and another one a turn later', async () => {
    const journal = await openHere();
    const other = feedFrom(journal, 0);
    const prompt = journal.feed({ fromLsn: 0, isDefined: false, maxLagBytes: 1000, isPrompt: true });
    const seen: string[] = [];
    const steps = [
      other.next().then(() => seen.push('other')),
      prompt.next().then(() => seen.push('prompt')),
    ];
    await journal.commit(bytesOf('hello'));
    // Microtasks only.
    for (let count = 0; count < 20; count++) await null;
    expect(seen).toEqual(['prompt']);
    await Promise.all(steps);
    expect(seen).toEqual(['prompt', 'other']);
    const ends = [other, prompt].map(async (feed) => {
      while ((await feed.next()) !== null);
    });
    await journal.close();
    await Promise.all(ends);
  });

  test('that starts beyond the durable end, at the end of a record, gives what comes after it', async () => {
    const journal = await openHere();
    journal.append(bytesOf('before'));
    const feed = feedFrom(journal, journal.nextLsn);
    const taken = take(feed, 1);
    journal.append(bytesOf('after'));
    await journal.syncThrough();
    expect(await taken).toEqual(['after']);
    feed.close();
  });

  test.each([1, 17])('that starts at %s, inside a record, rejects with a RangeError', async (lsn) => {
    const journal = await openHere();
    const early = feedFrom(journal, 0);
    await journal.commit(bytesOf('hello'));
    await take(early, 1);
    await journal.commit(bytesOf('hello again'));
    const feeds = [feedFrom(journal, lsn + 17)];
    journal.append(bytesOf('x'.repeat(40)));
    feeds.push(feedFrom(journal, journal.syncedLsn + lsn));
    const outcomes = feeds.map((feed) => rejectionOf(feed.next().then((window) => window?.next())));
    await journal.syncThrough();
    for (const outcome of await Promise.all(outcomes)) expect(outcome).toBeInstanceOf(RangeError);
    for (const feed of [...feeds, early]) feed.close();
  });

  test('that is slow gets every record, from memory or from segments', async () => {
    const journal = await openHere(TINY);
    const feeds = Array.from({ length: 5 }, () => feedFrom(journal, 0));
    const seen: string[][] = feeds.map(() => []);
    const texts = numbered(200, 100);
    for (const [at, text] of texts.entries()) {
      await journal.commit(bytesOf(text));
      const which = (at * 7) % feeds.length;
      if (at % 3 === 0) seen[which]!.push(...(await take(feeds[which]!, 1)));
    }
    for (const [which, feed] of feeds.entries()) {
      while (seen[which]!.length < texts.length) seen[which]!.push(...(await take(feed, 1)));
      expect(seen[which]).toEqual(texts);
      feed.close();
    }
    expect(journal.stats().pins).toBe(0);
  });

  test('keeps the segments that it needs, until it is too far behind', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(30, 300);
    const kept = feedFrom(journal, 0);
    const lost = feedFrom(journal, 0, 4000);
    for (const text of texts) await journal.commit(bytesOf(text));
    await journal.truncateBefore(journal.syncedLsn);
    expect(journal.startLsn).toBe(0);
    expect(await rejectionOf(lost.next())).toEqual(keelsonError('KEELSON_HISTORY_GONE'));
    expect(await rejectionOf(lost.next())).toMatchObject({ facts: { oldestLsn: 0 } });
    expect(await take(kept, 30)).toEqual(texts);
    kept.close();
    lost.close();
    await journal.truncateBefore(journal.syncedLsn);
    expect(journal.startLsn).toBeGreaterThan(0);
  });

  test('whose pin a retirement has removed is told so, also in the middle of a segment', async () => {
    const journal = await openHere(TINY);
    const texts = numbered(30, 300);
    for (const text of texts.slice(0, 8)) await journal.commit(bytesOf(text));
    const feed = feedFrom(journal, 0, 4000);
    expect((await feed.next())!.next()).toBe(true);
    for (const text of texts.slice(8)) await journal.commit(bytesOf(text));
    await journal.truncateBefore(journal.syncedLsn);
    expect(journal.startLsn).toBeGreaterThan(0);
    expect(journal.stats().pins).toBe(0);
    expect(await rejectionOf(feed.next())).toMatchObject({
      code: 'KEELSON_HISTORY_GONE',
      facts: { oldestLsn: journal.oldestLsn },
    });
    feed.close();
  });

  test('ends when it is closed or its journal is, while it waits and before', async () => {
    const journal = await openHere();
    await journal.commit(bytesOf('hello'));
    const waiting = feedFrom(journal, 17);
    const next = waiting.next();
    waiting.close();
    expect(await next).toBeNull();
    const left = feedFrom(journal, 0);
    const first = left.next();
    left.close();
    expect(await first).toBeNull();
    const last = feedFrom(journal, 17).next();
    const unstepped = feedFrom(journal, 0);
    await journal.close();
    expect(await last).toBeNull();
    expect(await unstepped.next()).toBeNull();
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });

  test('of 10,000 that are opened and left keeps no pin, no file and no commit', async () => {
    const journal = await openHere();
    for (const text of numbered(10)) await journal.commit(bytesOf(text));
    for (let round = 0; round < 10; round++) {
      const feeds = Array.from({ length: 1000 }, (_, at) =>
        feedFrom(journal, at % 2 === 0 ? 0 : journal.syncedLsn),
      );
      const steps = feeds.filter((_, at) => at % 4 < 2).map((feed) => feed.next());
      for (const feed of feeds) feed.close();
      await Promise.all(steps);
    }
    expect(journal.stats().pins).toBe(0);
    await journal.close();
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });
});

describe('recent commits', () => {
  const commit = (startLsn: number, bytes: number): PendingCommit =>
    ({
      startLsn,
      endLsn: startLsn + bytes,
      bodyBytes: bytes,
      recordCount: 1,
      offset: 0,
      bytesOnDisk: bytes,
      segment: { sequence: 1 },
      copyOfFrames: () => new Uint8Array(bytes),
    }) as unknown as PendingCommit;

  test('are kept only while somebody reads them, and only as far as they fit', () => {
    const recent = new RecentCommits(100);
    recent.add(commit(0, 50));
    expect(recent.find(0)).toBeNull();
    const reader = { neededLsn: 50 };
    recent.join(reader);
    recent.add(commit(50, 60));
    recent.add(commit(110, 40));
    expect(recent.find(50)).toMatchObject({ startLsn: 50, endLsn: 110 });
    expect(recent.find(120)).toMatchObject({ startLsn: 110, endLsn: 150 });
    expect(recent.find(150)).toBeNull();
    // The reader is too slow: what it needs goes, and it with that.
    recent.add(commit(150, 1));
    expect(recent.readerCount).toBe(0);
    expect(recent.find(50)).toBeNull();
    recent.leave(reader);
    recent.join({ neededLsn: 151 });
    recent.add(commit(151, 101));
    expect(recent.readerCount).toBe(0);
  });

  test('share what readers make of them only while they are among the newest', () => {
    const recent = new RecentCommits(1000);
    recent.join({ neededLsn: 0 });
    for (let at = 0; at < 6; at++) {
      recent.add(commit(at * 10, 10));
      recent.find(at * 10)!.shared.push('made');
    }
    const counts = [0, 10, 20, 30, 40, 50].map((lsn) => recent.find(lsn)!.shared.length);
    expect(counts).toEqual([0, 0, 1, 1, 1, 1]);
  });

  test('that every reader has read are dropped', () => {
    const recent = new RecentCommits(100);
    const [slow, fast] = [{ neededLsn: 0 }, { neededLsn: 0 }];
    recent.join(slow);
    recent.join(fast);
    recent.add(commit(0, 10));
    fast.neededLsn = 10;
    recent.add(commit(10, 10));
    expect(recent.find(0)).not.toBeNull();
    slow.neededLsn = 10;
    recent.add(commit(20, 10));
    expect(recent.find(0)).toBeNull();
    expect(recent.find(10)).not.toBeNull();
    recent.leave(slow);
    recent.leave(fast);
    expect(recent.find(10)).toBeNull();
  });
});
