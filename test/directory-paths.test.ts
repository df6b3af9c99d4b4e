// Where a store or journal is: paths, and `file:` URLs, at every door.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { afterEach, describe, expect, test } from 'vitest';
import { absoluteDirectory } from '../src/journal/directory/directory-path.js';
import { openJournal } from '../src/journal/index.js';
import { open, salvage, verify } from '../src/kv/index.js';
import { inMemory } from '../src/testing/in-memory.js';

const bases: string[] = [];
function makeBase(): string {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson paths '));
  bases.push(base);
  return fs.realpathSync(base);
}
afterEach(() => {
  for (const base of bases.splice(0)) fs.rmSync(base, { recursive: true, force: true });
});

describe('a directory', () => {
  test.each<[string, unknown, string]>([
    ['an absolute path', '/a/b', '/a/b'],
    ['a path with steps back', '/a/../b/./c/', '/b/c'],
    ['a relative path', 'x', `${process.cwd()}/x`],
    ['a file: URL', new URL('file:///a/b'), '/a/b'],
    ['a file: URL with a blank and an umlaut', pathToFileURL('/a b/ü%'), '/a b/ü%'],
    ['a file: URL of this host', new URL('file://localhost/a'), '/a'],
    ['a file: URL with steps back', new URL('../c', 'file:///a/b/'), '/a/c'],
    [
      'a file: URL of another realm',
      vm.runInNewContext('({ url: new URL("file:///a") })', { URL }).url,
      '/a',
    ],
  ])('may be %s', (_, given, found) => {
    expect(absoluteDirectory(given)).toBe(found);
  });

  test.each<[string, unknown, string]>([
    [
      'an https: URL',
      new URL('https://x.org/a'),
      'directory: expected a non-empty path or a file: URL, got the string "https://x.org/a"',
    ],
    [
      'a data: URL',
      new URL('data:,a'),
      'directory: expected a non-empty path or a file: URL, got the string "data:,a"',
    ],
    [
      'a file: URL of another host',
      new URL('file://host/a'),
      'directory: expected a file: URL of a path on this machine (File URL host must be "localhost" or empty on linux), got file://host/a',
    ],
    [
      'a file: URL with an encoded slash',
      new URL('file:///a%2Fb'),
      'directory: expected a file: URL of a path on this machine (File URL path must not include encoded / characters), got file:///a%2Fb',
    ],
    ['an empty string', '', 'directory: expected a non-empty path or a file: URL, got the string ""'],
    ['a Buffer', Buffer.from('/a'), 'directory: expected a non-empty path or a file: URL, got a Buffer'],
    ['nothing', undefined, 'directory: expected a non-empty path or a file: URL, got undefined'],
    [
      'an object',
      { href: 'file:///a' },
      'directory: expected a non-empty path or a file: URL, got an object',
    ],
    [
      'a path with a null character',
      '/a\0b',
      'directory: expected a path without a null character, got the string "/a\\u0000b"',
    ],
    [
      'a file: URL with one',
      new URL('file:///a%00b'),
      'directory: expected a path without a null character, got the string "/a\\u0000b"',
    ],
  ])('may not be %s', (_, given, message) => {
    expect(() => absoluteDirectory(given)).toThrow(new TypeError(message));
  });

  test('is a path or a file: URL for a store, its backup, verify, salvage and a journal', async () => {
    const base = makeBase();
    const url = (name: string): URL => pathToFileURL(path.join(base, name));
    const db = await open<number>(url('store'));
    expect(db.directory).toBe(path.join(base, 'store'));
    await db.put('a', 1);
    expect(await db.backup(url('backup'))).toMatchObject({ directory: path.join(base, 'backup') });
    expect(() => db.backup(new URL('http://x') as unknown as string)).toThrow(TypeError);
    await db.close();
    expect(await verify(url('backup'))).toMatchObject({ ok: true, directory: path.join(base, 'backup') });
    expect(await salvage(url('store'), url('out'))).toMatchObject({ directory: path.join(base, 'out') });
    const journal = await openJournal(url('log'));
    expect(journal.directory).toBe(path.join(base, 'log'));
    await journal.close();
    const store = await inMemory().open(new URL('file:///scores'));
    expect(store.directory).toBe('/scores');
    await store.close();
  });

  test('that is another URL is a TypeError of every door, and nothing is made', async () => {
    const base = makeBase();
    const url = new URL('http://x.org/a') as unknown as string;
    await expect(open(url)).rejects.toThrow(/^directory: expected a non-empty path/);
    await expect(openJournal(url)).rejects.toThrow(/^directory: expected a non-empty path/);
    await expect(verify(url)).rejects.toThrow(/^directory: expected a non-empty path/);
    await expect(salvage(url, base)).rejects.toThrow(/^directory: expected a non-empty path/);
    await expect(salvage(base, url)).rejects.toThrow(/^out: expected a non-empty path/);
    expect(fs.readdirSync(base)).toEqual([]);
  });
});
