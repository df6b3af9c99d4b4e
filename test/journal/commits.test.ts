// A commit in memory: what goes to the disk beside its records, and how long its bytes stay as they are.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  createFsStorage,
  type DurableWrite,
  type DurableWriteDone,
  type LogFile,
  type Storage,
} from '../../src/storage/index.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import { bytesOf, open, segmentNames, TINY, useDirectory } from './helpers.js';

describe('a commit', () => {
  const directory = useDirectory();

  /** The fs engine, with other methods for the files that take commits. */
  function withLogFiles(change: (file: LogFile) => Partial<LogFile>): Storage {
    const changed = (file: LogFile): LogFile => {
      const methods: Partial<Record<string | symbol, unknown>> = { ...change(file) };
      return new Proxy(file, {
        get: (target, name) => {
          if (name in methods) return methods[name];
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
    const storage = createFsStorage();
    return alsoHeld({
      ...storage,
      createLogFile: async (path) => changed(await storage.createLogFile(path)),
      createLogFileSync: (path) => changed(storage.createLogFileSync(path)),
    });
  }

  // Memory is used again, and what it held before would go to the disk, where nobody deletes it.
  test('is followed by zeros to the end of its block, whatever its memory held before', async () => {
    const journal = await open(directory.path, TINY);
    await journal.commit(bytesOf('x'.repeat(400)));
    await journal.commit(bytesOf('short'));
    await journal.close();
    const [name] = segmentNames(directory.path);
    const segment = fs.readFileSync(directory.at(name!));
    const second = segment.subarray(2 * 512, 3 * 512);
    const end = second.indexOf('short') + 'short'.length;
    expect(end).toBeGreaterThan('short'.length);
    expect(second.subarray(end).every((byte) => byte === 0)).toBe(true);
  });

  // A blocking flush may end a write that the thread pool still has: whatever the pool reads late must be the same bytes.
  test('stays as it is in memory while its engine says that it may still be read', async () => {
    let submitted: { write: DurableWrite; done: DurableWriteDone } | null = null;
    let isFirst = true;
    const storage = withLogFiles((file) => ({
      submit: (write, done) => {
        if (isFirst) submitted = { write, done };
        else file.submit(write, done);
        isFirst = false;
      },
      drainSync: () => {
        if (submitted === null) return file.drainSync();
        const { write, done } = submitted;
        submitted = null;
        file.writeDurableSync(write);
        done(null, false);
      },
    }));
    const journal = await open(directory.path, TINY, storage);
    journal.append(bytesOf('in flight'));
    await new Promise(setImmediate);
    const { bytes } = submitted!.write;
    journal.syncThroughSync();
    const before = new Uint8Array(bytes);
    for (let round = 0; round < 4; round++) await journal.commit(bytesOf(`after ${round}`));
    expect(bytes).toEqual(before);
    await journal.close();
  });
});
