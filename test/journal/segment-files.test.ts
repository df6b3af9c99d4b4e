// Segment files and the directory they are made in: what must never come twice, and what must come first.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { temporaryPath } from '../../src/journal/format/segment-names.js';
import { nameSegment, prepareSegment } from '../../src/journal/segments/segment-files.js';
import { BackgroundCloses, createFsStorage, runStepsSync } from '../../src/storage/index.js';
import { FaultyStorage } from './faulty-storage.js';
import { bytesOf, JOURNAL_ID, open, TINY, useDirectory } from './helpers.js';

describe('a segment file', () => {
  const directory = useDirectory();

  // The seed of the last use alone is not enough: behind the new commits are bytes of every use there was.
  test('that is used again and again never has a seed for the second time, whatever chance gives', () => {
    const storage = { ...createFsStorage(), randomBytes: (length: number) => new Uint8Array(length) };
    const closes = new BackgroundCloses();
    const plan = {
      directory: directory.path,
      journalId: JOURNAL_ID,
      sizeBytes: 4096,
      blockBytes: 512,
      lineageStart: null,
      durableLsn: 0,
    };
    let segment = runStepsSync(prepareSegment(storage, { ...plan, sequence: 1 }, null, closes));
    const seeds = [segment.seed];
    for (let sequence = 2; sequence < 6; sequence++) {
      closes.close(segment.file);
      const { path, usedSeeds } = segment;
      const recycled = { temporaryPath: temporaryPath(path), sizeBytes: plan.sizeBytes, usedSeeds };
      fs.renameSync(path, recycled.temporaryPath);
      segment = runStepsSync(nameSegment(storage, { ...plan, sequence }, recycled, closes));
      seeds.push(segment.seed);
    }
    closes.close(segment.file);
    expect(new Set(seeds).size).toBe(5);
    return closes.whenDone();
  });
});

describe('a directory', () => {
  const directory = useDirectory();

  // Whoever made it may have died before that: only a new seed of the crash search ever found it out.
  test('that was there, and empty, has its name flushed before a segment is made in it', async () => {
    const { storage, calls } = new FaultyStorage();
    const path = directory.at('made by somebody');
    fs.mkdirSync(path);
    const journal = await open(path, TINY, storage);
    await journal.commit(bytesOf('first'));
    await journal.close();
    const flushed = calls.findIndex(
      (call) => call.operation === 'flushDirectory' && call.path === directory.path,
    );
    expect(flushed).toBeGreaterThanOrEqual(0);
    expect(flushed).toBeLessThan(calls.findIndex(({ operation }) => operation === 'createLogFile'));
  });
});
