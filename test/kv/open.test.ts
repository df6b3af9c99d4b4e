// Opening a store where something is wrong: each its own clear code, and nothing created or changed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/crc32c.js';
import { type KeelsonErrorCode, open } from '../../src/index.js';
import { openJournal } from '../../src/journal/index.js';

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;

describe('opening a store', () => {
  let parent: string;
  let directory: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'keelson-open-'));
    directory = join(parent, 'store');
  });

  afterEach(() => rm(parent, { recursive: true }));

  /** Every name below `path` with its contents. */
  async function contentsOf(path: string): Promise<Map<string, string>> {
    const contents = new Map<string, string>();
    for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
      const name = join(entry.parentPath, entry.name);
      contents.set(
        name,
        entry.isFile() ? (await readFile(name)).toString('base64') : entry.isDirectory() ? 'dir' : '',
      );
    }
    return contents;
  }

  async function expectRefused(code: KeelsonErrorCode, options?: object, path = directory): Promise<void> {
    const before = await contentsOf(parent);
    await expect(open(path, options as never)).rejects.toMatchObject({ name: 'KeelsonError', code });
    expect(await contentsOf(parent)).toEqual(before);
  }

  /** A small closed store. */
  async function makeStore(): Promise<string[]> {
    await using db = await open<number>(directory);
    await db.put('a', 1);
    await db.checkpoint();
    await db.put('b', 2);
    return (await readdir(directory)).map((name) => join(directory, name));
  }

  const find = (files: string[], end: string) => files.find((file) => file.endsWith(end))!;

  it.each([
    [undefined, /^directory: expected a non-empty path or a file: URL, got undefined$/],
    ['', /^directory: expected a non-empty path or a file: URL, got the string ""$/],
    [7, /^directory: expected a non-empty path or a file: URL, got the number 7$/],
    [Buffer.from('/tmp/x'), /^directory: expected a non-empty path or a file: URL, got a Buffer$/],
  ])('refuses %s as a path', async (path, message) => {
    await expect(open(path as never)).rejects.toThrow(message);
    await expect(open(path as never)).rejects.toBeInstanceOf(TypeError);
  });

  it.each([
    [{ durabilty: 'disk' }, /unknown option 'durabilty'; known are create, errorIfExists/],
    [{ create: 'yes' }, /option 'create': expected a boolean, got the string "yes"/],
    [
      { keyEncoding: 'latin1' },
      /option 'keyEncoding': expected one of 'utf8', 'bytes', 'tuple', got the string "latin1"/,
    ],
    [{ valueEncoding: 'xml' }, /option 'valueEncoding': expected one of .*, got the string "xml"/],
    [{ valueEncoding: { name: 'x' } }, /option 'valueEncoding'\.encode: expected a function, got undefined/],
    [
      { maxUndurableBytes: 1.5 },
      /option 'maxUndurableBytes': expected an integer from .*, got the number 1.5/,
    ],
    [{ onProgress: 1 }, /option 'onProgress': expected a function, got the number 1/],
    [null, /options: expected an object, got null/],
    ['x', /options: expected an object, got the string "x"/],
  ])('refuses the options %o', async (options, message) => {
    await expect(open(directory, options as never)).rejects.toThrow(message);
    await expect(open(directory, options as never)).rejects.toBeInstanceOf(TypeError);
    expect(await readdir(parent)).toEqual([]);
  });

  it('refuses a path that is a file, and one below a file', async () => {
    await writeFile(directory, 'mine');
    await expectRefused('KEELSON_NOT_A_DIRECTORY');
    await expectRefused('KEELSON_NOT_A_DIRECTORY', {}, join(directory, 'below', 'it'));
  });

  it('refuses a directory that may not be written, or made', { skip: !isRoot }, async () => {
    await mkdir(directory, { mode: 0o755 });
    // The parent made by mkdtemp may be entered by its owner only.
    await chmod(parent, 0o755);
    const before = await contentsOf(parent);
    process.seteuid!(NOBODY);
    try {
      await expect(open(directory)).rejects.toMatchObject({
        code: 'KEELSON_ACCESS',
        facts: { errno: 'EACCES' },
      });
      await expect(open(`${directory}2`)).rejects.toMatchObject({ code: 'KEELSON_ACCESS' });
    } finally {
      process.seteuid!(0);
    }
    expect(await contentsOf(parent)).toEqual(before);
  });

  it('refuses a file of somebody else under a name of ours', async () => {
    await mkdir(directory);
    await writeFile(join(directory, '000000000001.journal'), 'diary of a madman'.repeat(100));
    await expectRefused('KEELSON_FOREIGN');
    await rm(join(directory, '000000000001.journal'));
    await writeFile(join(directory, '0000000000000017.image'), 'a picture'.repeat(100));
    await expectRefused('KEELSON_FOREIGN');
  });

  it("refuses a journal that is not a store's", async () => {
    await using journal = await openJournal(directory);
    await journal.commit(Buffer.from('hello'));
    await journal.close();
    await expectRefused('KEELSON_FOREIGN');
  });

  it('leaves files alone that have no name of ours', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'notes.txt'), 'mine');
    await using db = await open(directory);
    await db.put('a', 1);
    await db.checkpoint();
    expect(await readFile(join(directory, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('refuses a newer format of the journal', async () => {
    const journal = find(await makeStore(), '.journal');
    const bytes = await readFile(journal);
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(checksumOfHeader(bytes), 12);
    await writeFile(journal, bytes);
    await expectRefused('KEELSON_FORMAT_VERSION');
  });

  it('refuses a newer format of the image', async () => {
    const image = find(await makeStore(), '.image');
    const bytes = await readFile(image);
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(checksumOfHeader(bytes), 12);
    await writeFile(image, bytes);
    await expectRefused('KEELSON_FORMAT_VERSION');
  });

  it('refuses other encodings than the store has', async () => {
    await makeStore();
    await expectRefused('KEELSON_ENCODING_MISMATCH', { valueEncoding: 'json' });
    await expectRefused('KEELSON_ENCODING_MISMATCH', { keyEncoding: 'bytes' });
  });

  it('refuses a store that is there when a new one is asked for, and one that is not when it must be', async () => {
    await expectRefused('KEELSON_NOT_FOUND', { create: false });
    await expectRefused('KEELSON_NOT_FOUND', { readOnly: true });
    await makeStore();
    await expectRefused('KEELSON_EXISTS', { errorIfExists: true });
  });

  it('refuses a store that is open here', async () => {
    await using db = await open(directory);
    await db.put('a', 1);
    await expectRefused('KEELSON_LOCKED');
  });

  it('refuses a store that is open in another process, and takes it at once when that was killed', async () => {
    await makeStore();
    const owner = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { open } from 'keelson'; await open(${JSON.stringify(directory)}); console.log('open'); setInterval(() => {}, 1e6);`,
      ],
      { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(owner.stdout!, 'data');
    await expectRefused('KEELSON_LOCKED');
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    await using db = await open<number>(directory);
    expect([...db.entries()]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  async function damage(image: string): Promise<void> {
    const bytes = await readFile(image);
    bytes[530]! ^= 1;
    await writeFile(image, bytes);
  }

  it('does without a damaged image while the journal still holds everything, and says so', async () => {
    await damage(find(await makeStore(), '.image'));
    await using db = await open<number>(directory);
    expect([...db.entries()]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(db.recovery.imageLsn).toBe(null);
    expect(db.recovery.damagedImages).toMatchObject([{ code: 'KEELSON_CORRUPT', facts: { offset: 512 } }]);
  });

  it('refuses a store whose image is damaged and whose journal begins after it', async () => {
    await makeStore();
    const image = find(await makeStore(), '.image');
    await damage(image);
    await expect(open(directory)).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      facts: { path: image, offset: 512 },
    });
  });

  it('refuses a store whose journal is gone', async () => {
    await rm(find(await makeStore(), '.journal'));
    await expect(open(directory)).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
  });

  it('makes directories several levels deep', async () => {
    await using db = await open(join(directory, 'a', 'b'));
    await db.put('a', 1);
    expect(await readdir(join(directory, 'a'))).toEqual(['b']);
  });
});

/** As FORMAT.md has it: over bytes 0–11 and 16–511. */
function checksumOfHeader(bytes: Uint8Array): number {
  return crc32c(Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16, 512)]));
}
