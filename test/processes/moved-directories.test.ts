// The directory of an open store is moved, removed or replaced: no store ever touches a file of another one's, and what
// was acknowledged is where it was put.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { open, salvage, verify } from '../../src/kv/index.js';
import { rejectionOf, useDirectory } from '../journal/helpers.js';

const ENGINES = ['fs', 'auto'] as const;
const LARGE = 'x'.repeat(400_000);

describe.each(ENGINES)('on the engine %s', (engine) => {
  const here = useDirectory();
  const options = { engine, autoCheckpoint: false } as const;

  async function keysIn(directory: string): Promise<string[]> {
    expect((await verify(directory)).damages).toEqual([]);
    const db = await open(directory, { engine });
    const keys = [...db.keys()];
    await db.close();
    return keys;
  }

  // The first store's next rotation, image and retirement landed in the second one, whose writes were lost.
  test('a store whose directory was renamed goes on where it is now, and the one at its path is left alone', async () => {
    const first = await open(here.at('store'), options);
    await first.put('first', 1);
    fs.renameSync(here.at('store'), here.at('moved'));
    const second = await open(here.at('store'), options);
    await second.put('second', 1);
    for (let round = 0; round < 8; round++) await first.put('large', LARGE);
    await first.checkpoint();
    for (let round = 0; round < 8; round++) await first.put('large', LARGE);
    await first.checkpoint();
    await first.close();
    await second.put('more of the second', 2);
    await second.close();
    expect(await keysIn(here.at('moved'))).toEqual(['first', 'large']);
    expect(await keysIn(here.at('store'))).toEqual(['more of the second', 'second']);
  });

  test('a store whose directory was removed poisons itself, and the one that was made at its path is left alone', async () => {
    const first = await open(here.at('store'), options);
    await first.put('first', 1);
    fs.rmSync(here.at('store'), { recursive: true });
    const second = await open(here.at('store'), options);
    await second.put('second', 1);
    expect(await rejectionOf(first.checkpoint())).toMatchObject({
      code: 'KEELSON_LOCK_LOST',
      message: expect.stringMatching(/was removed.*Close this store/),
      facts: { path: here.at('store', 'LOCK.1') },
    });
    expect(await rejectionOf(Promise.resolve().then(() => first.put('later', 1)))).toMatchObject({
      code: 'KEELSON_POISONED',
      cause: { code: 'KEELSON_LOCK_LOST' },
    });
    expect(first.get('first')).toBe(1);
    await first.close();
    await second.close();
    expect(await keysIn(here.at('store'))).toEqual(['second']);
  });

  test('a store that finds a newer lock poisons itself, and takes nothing of the new owner away', async () => {
    const first = await open(here.at('store'), options);
    await first.put('first', 1);
    fs.writeFileSync(here.at('store', 'LOCK.2'), 'of another owner');
    expect(await rejectionOf(first.checkpoint())).toMatchObject({
      code: 'KEELSON_LOCK_LOST',
      message: expect.stringContaining('there is a newer lock'),
    });
    await first.close();
    expect(fs.readFileSync(here.at('store', 'LOCK.2'), 'utf8')).toBe('of another owner');
  });

  test('a store whose lock file was replaced poisons itself, and leaves the one that is there', async () => {
    const first = await open(here.at('store'), options);
    await first.put('first', 1);
    fs.rmSync(here.at('store', 'LOCK.1'));
    fs.writeFileSync(here.at('store', 'LOCK.1'), 'of another owner');
    expect(await rejectionOf(first.checkpoint())).toMatchObject({
      code: 'KEELSON_LOCK_LOST',
      message: expect.stringContaining("another owner's"),
    });
    await first.close();
    expect(fs.readFileSync(here.at('store', 'LOCK.1'), 'utf8')).toBe('of another owner');
  });

  test('a link that is switched while a store is open leads the store nowhere else', async () => {
    for (const name of ['one', 'two']) fs.mkdirSync(here.at(name));
    fs.symlinkSync(here.at('one'), here.at('link'));
    const first = await open(here.at('link'), options);
    await first.put('first', 1);
    fs.rmSync(here.at('link'));
    fs.symlinkSync(here.at('two'), here.at('link'));
    const second = await open(here.at('link'), options);
    await second.put('second', 1);
    await first.checkpoint();
    await first.put('large', LARGE);
    await first.close();
    await second.close();
    expect(await keysIn(here.at('one'))).toEqual(['first', 'large']);
    expect(await keysIn(here.at('two'))).toEqual(['second']);
  });

  // A segment was named by a rename, which replaces another's: the name is taken, so somebody else writes here.
  test('a segment whose name is taken replaces nothing, and poisons', async () => {
    const db = await open(here.at('store'), options);
    await db.put('first', 1);
    const taken = Array.from({ length: 30 }, (_, at) => `${String(at + 3).padStart(12, '0')}.journal`);
    for (const name of taken) fs.writeFileSync(here.at('store', name), 'of somebody else');
    const failing = async () => {
      for (let round = 0; round < 50; round++) await db.put('large', LARGE);
    };
    expect(await rejectionOf(failing())).toMatchObject({
      code: 'KEELSON_POISONED',
      message: expect.stringContaining('somebody else writes in this directory'),
    });
    await db.close();
    for (const name of taken) {
      expect(fs.readFileSync(here.at('store', name), 'utf8')).toBe('of somebody else');
    }
  });

  test('a backup into a directory that is moved meanwhile is refused, and leaves the one at its path alone', async () => {
    const db = await open(here.at('store'), options);
    await db.put('first', 1);
    fs.mkdirSync(here.at('target'));
    const backup = db.backup(here.at('target'));
    while (!fs.existsSync(here.at('target', 'INCOMPLETE'))) await new Promise(setImmediate);
    fs.renameSync(here.at('target'), here.at('moved'));
    fs.mkdirSync(here.at('target'));
    expect(await rejectionOf(backup)).toMatchObject({
      code: 'KEELSON_NOT_FOUND',
      message: expect.stringContaining('was moved, removed or replaced'),
    });
    expect(fs.readdirSync(here.at('target'))).toEqual([]);
    expect(fs.readdirSync(here.at('moved'))).toEqual([]);
    await db.close();
  });

  test('a salvage into a directory that is moved meanwhile is refused likewise', async () => {
    const db = await open(here.at('store'), options);
    await db.put('first', 1);
    await db.close();
    fs.mkdirSync(here.at('target'));
    const salvaging = salvage(here.at('store'), here.at('target'), { engine });
    while (!fs.existsSync(here.at('target', 'INCOMPLETE'))) await new Promise(setImmediate);
    fs.renameSync(here.at('target'), here.at('moved'));
    expect(await rejectionOf(salvaging)).toMatchObject({ code: 'KEELSON_NOT_FOUND' });
    expect(fs.readdirSync(here.at('moved'))).toEqual([]);
  });
});
