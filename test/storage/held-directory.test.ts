// A directory that is held where there is no /proc: its names go by the path, and the directory there is compared first.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFsStorage } from '../../src/storage/index.js';
import { rejectionOf } from './contract-tools.js';

const storage = createFsStorage();
let directory = '';

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-held-'));
  const { statSync } = fs;
  vi.spyOn(fs, 'statSync').mockImplementation(((name: string, options: fs.StatSyncOptions) => {
    if (name.startsWith('/proc/')) throw Object.assign(new Error('no /proc'), { code: 'ENOENT' });
    return statSync(name, options);
  }) as typeof fs.statSync);
});

afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(directory, { recursive: true, force: true });
});

describe('without /proc', () => {
  test('a directory that is replaced is refused before any name in it, in both forms', async () => {
    const at = path.join(directory, 'held');
    fs.mkdirSync(at);
    const held = await storage.holdDirectory(at);
    await (await held.storage.createFile(`${at}/a`)).close();
    fs.renameSync(at, path.join(directory, 'moved'));
    fs.mkdirSync(at);
    const lost = { code: 'KEELSON_LOCK_LOST', facts: { path: at } };
    expect(await rejectionOf(held.storage.createFile(`${at}/b`))).toMatchObject(lost);
    expect(await rejectionOf(held.storage.list(at))).toMatchObject(lost);
    expect(() => held.storage.createLogFileSync(`${at}/b`)).toThrow(expect.objectContaining(lost));
    expect(fs.readdirSync(at)).toEqual([]);
    await held.close();
  });

  // A path that is too long is cut in silence: the socket would land elsewhere, or replace what is there.
  test('a socket whose path is too long is none, and nothing proves anything by it', async () => {
    const at = path.join(directory, 'x'.repeat(120));
    fs.mkdirSync(at);
    const held = await storage.holdDirectory(at);
    expect(await held.announce('LIVE.1')).toBeNull();
    expect(await held.probe('LIVE.1')).toBe('unknown');
    expect(fs.readdirSync(at)).toEqual([]);
    expect(fs.readdirSync(directory)).toEqual([path.basename(at)]);
    await held.close();
  });
});

describe('once it is closed', () => {
  test('no name is looked up any more: the number of its descriptor may be that of another directory', async () => {
    vi.restoreAllMocks();
    const held = await storage.holdDirectory(directory);
    await held.close();
    await held.close();
    expect(await rejectionOf(held.storage.createFile(`${directory}/a`))).toMatchObject({
      code: 'KEELSON_CLOSED',
    });
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test('what was under way on its names has ended', async () => {
    vi.restoreAllMocks();
    const held = await storage.holdDirectory(directory);
    const { open } = fs;
    let answer = () => {};
    const called = new Promise<void>((resolve) => {
      vi.spyOn(fs, 'open').mockImplementation(((...args: unknown[]) => {
        const callback = args.pop() as (...results: unknown[]) => void;
        answer = () => Reflect.apply(open, fs, [...args, callback]);
        resolve();
      }) as unknown as typeof fs.open);
    });
    const close = vi.spyOn(fs, 'close');
    const made = held.storage.createFile(`${directory}/a`);
    await called;
    const closed = held.close();
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(close).not.toHaveBeenCalled();
    answer();
    await (await made).close();
    await closed;
    expect(close).toHaveBeenCalledTimes(2);
    expect(fs.readdirSync(directory)).toEqual(['a']);
  });
});
