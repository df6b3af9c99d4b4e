// The shell from a pipe: what it prints, when it writes, and how it ends.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { keelson, newFolder } from './command-tools.js';

describe('a shell from a pipe', () => {
  const run = (parameters: readonly string[], ...lines: string[]) =>
    keelson(['shell', ...parameters], lines.join('\n'));

  test('prints values, runs statements of many lines, and awaits each', async () => {
    const made = path.join(newFolder(), 'store');
    await keelson(['put', made, 'a', '[1,{"b":2}]', '--create', '-n', 'n']);
    const lines = [
      'function f() {',
      '  return ns.n.get("a");',
      '}',
      'f()',
      'const v = await Promise.resolve(5)',
      'Promise.resolve(v + 1)',
      'v;',
    ];
    expect(await run([made], ...lines, '// nothing', '', 'undefined')).toMatchObject({
      code: 0,
      out: '[ 1, { b: 2 } ]\n6\n5\n',
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
      'const lsn = await db.batch([{ type: "put", namespace: before, key: "a", value: 2 }])',
      'before.get("a") + ns.n.get("a")',
      '(await before.put("b", { namespace: { name: "n" } })) > lsn && before.has("b")',
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
    const made = path.join(newFolder(), 'store');
    await keelson(['put', made, 'a', '1', '--create']);
    const ended = await run([made], '1', line);
    expect(ended.code).toBeGreaterThan(1);
    expect(ended.out).toBe('1\n');
    expect(ended.err).toMatch(error);
    expect(ended.err.trim().split('\n')).toHaveLength(1);
  });
});
