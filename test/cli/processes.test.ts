// The built command as a process: pipes that close, signals at any moment, and the shell.

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
  const MOMENTS = [1, 2, 4, 8];

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

describe('a shell from a pipe', () => {
  const run = async (parameters: readonly string[], ...lines: string[]) => {
    const shell = startKeelson(['shell', ...parameters]);
    shell.child.stdin.end(lines.join('\n'));
    return shell.ended;
  };

  test('prints values, runs statements of many lines, and awaits each', async () => {
    const made = path.join(newFolder(), 'store');
    await keelson(['put', made, 'a', '[1,{"b":2}]', '--create', '-n', 'n']);
    const lines = [
      'function f() {',
      '  return ns.n.get("a");',
      '}',
      'f()',
      'const v = await Promise.resolve(5)',
      'v;',
    ];
    expect(await run([made], ...lines, '// nothing', '', 'undefined')).toMatchObject({
      code: 0,
      out: '[ 1, { b: 2 } ]\n5\n',
      err: '',
    });
    expect(await run([made, '--json'], 'ns.n.get("a")', 'new Date(7)')).toMatchObject({
      out: '[1,{"b":2}]\n{"$date":"1970-01-01T00:00:00.007Z"}\n',
    });
  });

  test('writes with --yes only, and db and ns show it', async () => {
    const made = path.join(newFolder(), 'store');
    await keelson(['put', made, 'a', '1', '--create', '-n', 'n']);
    const refused = await run([made], 'ns.n.put("a", 2)');
    expect(refused).toMatchObject({ code: 3, out: '' });
    expect(refused.err).toMatch(/^READ_ONLY: .*--yes/);
    const ended = await run(
      [made, '--yes'],
      'const before = ns.n',
      'const lsn = await before.put("a", 2)',
      'before.get("a") + ns.n.get("a")',
      'await db.batch([{ type: "put", namespace: before, key: "b", value: { namespace: { name: "n" } } }]) > lsn',
      'const more = db.namespace("more")',
      'await db.transaction((tx) => tx.in(ns.n).put("c", 3)) && 0',
      'await more.put("x", 1) > lsn',
      'ns.more.get("x")',
      'await db.drop(ns.more) > lsn',
      'Object.keys(ns)',
    );
    expect(ended).toMatchObject({ code: 0, err: '', out: "4\ntrue\ntrue\n1\ntrue\n[ 'n' ]\n" });
    expect((await keelson(['scan', made, '-n', 'n'])).out).toBe(
      'a\t2\nb\t{"namespace":{"name":"n"}}\nc\t3\n',
    );
  });

  test.each([
    ['nope', /^THROWN: Line 2: ReferenceError: nope is not defined\./],
    ['throw 7', /^THROWN: Line 2: 7\./],
    ['foo bar', /^THROWN: Line 2: SyntaxError: /],
    ['db.get(7)', /^THROWN: Line 2: TypeError: key: expected a string/],
    ['db.get(', /^MALFORMED: The last lines are an unfinished statement/],
  ])('ends with the first error: %s', async (line, error) => {
    const ended = await run([store], '1', line);
    expect(ended.code).toBeGreaterThan(1);
    expect(ended.out).toBe('1\n');
    expect(ended.err).toMatch(error);
    expect(ended.err.trim().split('\n')).toHaveLength(1);
  });
});
