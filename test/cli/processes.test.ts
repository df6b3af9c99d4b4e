// The built command, dist/cli/main.js, as a process: pipes that close, and signals at any moment.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { isKeelsonError, open, verify } from '../../src/index.js';
import { keelson, newFolder, sharedFolder, startKeelson } from './command-tools.js';

const ENTRIES = 20_000;

const folder = sharedFolder();
const store = path.join(folder, 'store');

beforeAll(async () => {
  const db = await open(store);
  for (let n = 0; n < ENTRIES; n++) db.put(`key-${n}`, 'value'.repeat(10), { durability: 'memory' });
  await db.close();
});

describe('a pipe that closes ends a command quietly', () => {
  test.each([
    [['scan', store], 'key-0'],
    [['dump', store], 'key-0'],
  ])('%j', async (parameters, text) => {
    const running = startKeelson(parameters);
    await running.until(text);
    running.child.stdout.destroy();
    expect(await running.ended).toMatchObject({ code: 0, signal: null, err: '' });
  });
});

/** Kills a command by SIGINT at the given change in a directory, or lets it end when it makes fewer. */
async function interrupted(parameters: readonly string[], watched: string, changes: number) {
  const running = startKeelson(parameters);
  let seen = 0;
  const watcher = fs.watch(watched, () => {
    if (++seen === changes) running.child.kill('SIGINT');
  });
  const ended = await running.ended;
  watcher.close();
  return ended;
}

describe('a command that is interrupted leaves a sound store', () => {
  const MOMENTS = [1, 3];

  test.each(MOMENTS)('compact, at change %i of the directory', async (moment) => {
    const copy = path.join(newFolder(), 'copy');
    fs.cpSync(store, copy, { recursive: true });
    const { code, signal, err } = await interrupted(['compact', copy], copy, moment);
    expect({ code: signal === null ? code : 0, err }).toEqual({ code: 0, err: '' });
    expect(await verify(copy)).toMatchObject({ ok: true, entries: ENTRIES });
    expect(await keelson(['compact', copy])).toMatchObject({ code: 0 });
  });

  test.each(['backup', 'salvage'].flatMap((command) => MOMENTS.map((moment) => [command, moment] as const)))(
    '%s, at change %i beside the copy',
    async (command, moment) => {
      const [from, out] = [newFolder(), newFolder()];
      fs.cpSync(store, from, { recursive: true });
      await interrupted([command, from, out], out, moment);
      expect(await verify(from)).toMatchObject({ ok: true, entries: ENTRIES });
      // The copy is whole, or no store yet: never a part of one that opens.
      const found = await verify(out).catch((error: unknown) => {
        if (isKeelsonError(error, 'KEELSON_NOT_FOUND') || isKeelsonError(error, 'KEELSON_INCOMPLETE'))
          return null;
        throw error;
      });
      if (found !== null) expect(found).toMatchObject({ ok: true, entries: ENTRIES });
    },
  );

  test('load, with whole batches', async () => {
    const to = path.join(newFolder(), 'store');
    const lines = (await keelson(['dump', store])).out.split('\n');
    const load = startKeelson(['load', to]);
    load.child.stdin.write(`${lines.slice(0, 3501).join('\n')}\n`);
    const following = await followed(to);
    while (following.size < 2000) await following.refresh();
    load.child.kill('SIGINT');
    expect(await load.ended).toMatchObject({ signal: 'SIGINT', err: '' });
    await following.close();
    const { ok, entries } = await verify(to);
    expect(ok).toBe(true);
    expect([2000, 3000]).toContain(entries);
    expect(await keelson(['load', to], lines.join('\n'))).toMatchObject({ code: 0 });
    expect(await verify(to)).toMatchObject({ ok: true, entries: ENTRIES });
  });

  test('dump, with no file', async () => {
    const out = newFolder();
    const { signal } = await interrupted(['dump', store, '-o', path.join(out, 'dump')], out, 1);
    expect(signal).toBe('SIGINT');
    expect(fs.readdirSync(out)).toEqual([]);
  });
});

/** Opens a store for reading as soon as it is there. */
async function followed(directory: string) {
  for (;;) {
    try {
      return await open(directory, { readOnly: true });
    } catch {
      await new Promise(setImmediate);
    }
  }
}
