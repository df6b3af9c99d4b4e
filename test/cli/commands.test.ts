// The command as a person and a script use it: what it prints, what it refuses, and how it exits.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { open } from '../../src/index.js';
import { keelson, newFolder, sharedFolder, startKeelson } from './command-tools.js';

/** Makes a store with a value of every kind, two namespaces, and an entry that expires. */
async function makeStore(directory: string): Promise<void> {
  const db = await open(directory);
  await db.put('a', { map: new Map([[1n, new Date(7)]]), bytes: Uint8Array.of(1), zero: -0 });
  await db.put('b\n', [undefined, Number.NaN]);
  const tuples = db.namespace('tuples', { keyEncoding: 'tuple' });
  await tuples.put(['u', 7, 2n ** 65n], 'text', { expiresAt: 4_000_000_000_000 });
  const bytes = db.namespace('own', {
    keyEncoding: 'bytes',
    valueEncoding: {
      name: 'of-a-program',
      encode: (text: string) => Buffer.from(text),
      decode: (given: Uint8Array) => String(given),
    },
  });
  await bytes.put(Uint8Array.of(0, 255), 'own');
  await db.close();
}

const jsonOf = async (parameters: readonly string[]) =>
  JSON.parse((await keelson([...parameters, '--json'])).out);

describe('a store that nobody has open', () => {
  test('is dumped and loaded exactly', async () => {
    const folder = newFolder();
    const [from, to, file] = ['from', 'to', 'dump'].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    await makeStore(from);
    expect(await keelson(['dump', from, '-o', file])).toMatchObject({ code: 0, out: '', err: '' });
    const text = fs.readFileSync(file, 'utf8');
    expect(await keelson(['load', to, file, '--json'])).toMatchObject({ code: 0, out: '{"entries":4}\n' });
    // All but the id of the journal and the LSN.
    expect((await keelson(['dump', to])).out.split('\n').slice(1)).toEqual(text.split('\n').slice(1));
    const db = await open(to);
    expect(db.get('a')).toStrictEqual({
      map: new Map([[1n, new Date(7)]]),
      bytes: Uint8Array.of(1),
      zero: -0,
    });
    expect(db.namespace('tuples', { keyEncoding: 'tuple' }).getEntry(['u', 7, 2n ** 65n])).toMatchObject({
      value: 'text',
      expiresAt: 4_000_000_000_000,
    });
    await db.close();
  });

  test('is written and read by key', async () => {
    const store = path.join(newFolder(), 'store');
    expect(await keelson(['put', store, 'a', '1'])).toMatchObject({ code: 3 });
    expect(fs.existsSync(store)).toBe(false);
    expect((await keelson(['put', store, 'a', '{"$bigint":"7"}', '--create'])).code).toBe(0);
    expect((await keelson(['get', store, 'a'])).out).toBe('{"$bigint":"7"}\n');
    expect(await keelson(['get', store, 'b'])).toEqual({ code: 1, out: '', err: '' });
    expect((await keelson(['del', store, 'a'])).code).toBe(0);
    expect((await keelson(['del', store, 'a'])).code).toBe(1);
  });

  // A new user counted 0 in a store whose entries were all in a namespace, and took them for lost.
  test('without entries of its own says which namespaces have some', async () => {
    const store = path.join(newFolder(), 'store');
    const hint = 'The store itself has no entries; its namespaces have: users (1). See -n\n';
    await keelson(['put', store, 'a', '1', '--create', '-n', 'users']);
    expect(await keelson(['count', store])).toEqual({ code: 0, out: '0\n', err: hint });
    expect(await keelson(['scan', store])).toEqual({ code: 0, out: '', err: hint });
    expect(await keelson(['get', store, 'a'])).toEqual({ code: 1, out: '', err: hint });
    expect(await keelson(['count', store, '-n', 'users'])).toEqual({ code: 0, out: '1\n', err: '' });
  });

  test('is told by its headers, and with --deep by all', async () => {
    const store = path.join(newFolder(), 'store');
    await makeStore(store);
    expect(await jsonOf(['stat', store])).toMatchObject({ owner: null, namespaces: null, images: [] });
    const rows = [
      { name: '', keyEncoding: 'utf8', valueEncoding: 'msgpack', entries: 2 },
      { name: 'tuples', keyEncoding: 'tuple', valueEncoding: 'msgpack', entries: 1 },
      { name: 'own', keyEncoding: 'bytes', valueEncoding: 'of-a-program', entries: 1 },
    ];
    const deep = await jsonOf(['stat', store, '--deep']);
    expect(deep.namespaces).toMatchObject(rows);
    expect((await keelson(['compact', store])).code).toBe(0);
    const { namespaces, images, durableLsn } = await jsonOf(['stat', store]);
    expect(namespaces).toEqual(deep.namespaces);
    expect(images).toMatchObject([{ lsn: durableLsn, entries: 4, why: null }]);
    expect((await keelson(['journal', store, '--frames'])).out).toContain('closed');
  });
});

describe('beside a live owner', () => {
  test('reads work and write nothing, and writes say who owns the store', async () => {
    const folder = newFolder();
    const store = path.join(folder, 'store');
    const db = await open<number>(store);
    await db.put('a', 1);
    const names = fs.readdirSync(store);
    expect((await keelson(['get', store, 'a'])).out).toBe('1\n');
    expect((await keelson(['backup', store, path.join(folder, 'copy')])).code).toBe(0);
    expect((await jsonOf(['stat', store])).owner).toEqual({ pid: process.pid });
    const refused = await startKeelson(['put', store, 'a', '2']).ended;
    expect(refused).toMatchObject({ code: 4, out: '' });
    expect(refused.err).toMatch(
      new RegExp(`^KEELSON_LOCKED: .*process ${process.pid} has it open.*--wait.*\n$`),
    );
    const waited = await startKeelson(['put', store, 'a', '2', '--wait', '0.05']).ended;
    expect(waited.err).toMatch(
      /^KEELSON_LOCKED: .* has it open .*, still after a wait of 50 ms.* a greater --wait;/,
    );
    expect(fs.readdirSync(store)).toEqual(names);

    // The files prove that a commit is durable when the next one follows.
    await db.put('b', 3);
    const tail = startKeelson(['tail', store, '--since', '0']);
    const watch = startKeelson(['watch', store, 'a']);
    await tail.until('put\ta\t1');
    await watch.until('1\n');
    await db.put('a', 2);
    await db.put('b', 4);
    await tail.until('put\ta\t2');
    await watch.until('2\n');
    tail.child.kill('SIGINT');
    expect(await tail.ended).toMatchObject({ signal: 'SIGINT', err: '' });
    await db.close();
  });
});

describe('what is wrong is one line with a code and an exit code', () => {
  const folder = sharedFolder();
  beforeAll(() => makeStore(path.join(folder, 'whole')));

  test.each([
    [['scan', 'DIR/whole', '-n', 'nothing'], 3, 'NO_NAMESPACE'],
    [['put', 'DIR/whole', 'a', '{'], 2, 'MALFORMED'],
    [['put', 'DIR/whole', 'a'], 2, 'USAGE'],
    [['scan', 'DIR/whole', '--limit', 'x'], 2, 'USAGE'],
    [['scan', 'DIR/whole', '--what'], 2, 'USAGE'],
    [['get', 'DIR/whole', '-n', 'tuples', 'a'], 2, 'USAGE'],
    [['get', 'DIR/whole', '-n', 'tuples', '--key-json', '7'], 2, 'USAGE'],
    [['get', 'DIR/whole', '--key-json', '{'], 2, 'MALFORMED'],
    [['journal', 'DIR/whole', '--segment', '99'], 2, 'USAGE'],
    [['dump', 'DIR/whole', '-o', 'DIR/none/file'], 3, 'ENOENT'],
    [['compact', 'DIR/whole', '--wait', '-1'], 2, 'USAGE'],
    [['gett'], 2, 'USAGE'],
  ] as const)('%j', async (parameters, code, name) => {
    const given = parameters.map((parameter) => parameter.replace('DIR', folder));
    const ended = await keelson(given);
    expect(ended).toMatchObject({ code, out: '' });
    expect(ended.err).toMatch(new RegExp(`^${name}: [^\n]+\\. [^\n]+\n$`));
    const { error } = JSON.parse((await keelson([...given, '--json'])).err);
    expect(error).toEqual({ code: name, what: expect.any(String), next: expect.any(String) });
  });

  test.each([[['help']], [['--help']], [['help', 'load']], [['load', '--help']]])(
    '%j is help',
    async (given) => {
      const ended = await keelson(given);
      expect(ended).toMatchObject({ code: 0, err: '' });
      expect(ended.out).toMatch(/^Usage: keelson /);
    },
  );
});
