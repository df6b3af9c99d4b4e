// load: whole batches of a dump, JSON files, and databases of the packages classic-level and lmdb.

import fs from 'node:fs';
import path from 'node:path';
import { ClassicLevel } from 'classic-level';
import * as lmdb from 'lmdb';
import { describe, expect, test } from 'vitest';
import { importPeer } from '../../src/cli/load/peer-packages.js';
import { open } from '../../src/index.js';
import { KeelsonLevel } from '../../src/level/index.js';
import { keelson, newFolder } from './command-tools.js';

const header = (entries: number) =>
  JSON.stringify({
    keelson: 'dump',
    version: 1,
    id: '',
    lsn: 0,
    entries,
    namespaces: [{ name: '', keyEncoding: 'utf8', valueEncoding: 'msgpack', entries }],
  });
const lines = (count: number) => Array.from({ length: count }, (_, n) => `{"key":"k${n}","value":${n}}`);

/** Returns the lines of the entries in a store. */
async function entriesIn(store: string): Promise<string[]> {
  return (await keelson(['dump', store])).out.trim().split('\n').slice(1);
}

describe('a dump', () => {
  test.each([
    ['a cut line', '{"key":"x","val', 'Line 1502 is cut off'],
    ['an empty line', '', 'Line 1502 is cut off'],
    ['a line that is no object', '[1]', 'Line 1502 is no JSON object'],
    ['a line with another field', '{"key":"x","value":1,"ttl":7}', 'Line 1502 has an unknown field "ttl"'],
    ['a line without a value', '{"key":"x"}', 'Line 1502 has no key or no value'],
    ['a wrong time', '{"key":"x","value":1,"expiresAt":"soon"}', 'Line 1502 has no time as expiresAt'],
    ['a wrong tag', '{"key":"x","value":{"$date":1}}', 'Line 1502: '],
    ['a hidden tag', '{"key":"x","value":{"\\u0024date":1}}', 'Line 1502: '],
    ['a wrong key', '{"key":7,"value":1}', 'Line 1502 does not fit'],
    ['a namespace of nobody', '{"namespace":"n","key":"x","value":1}', 'Line 1502 is of a namespace'],
    ['bytes that are no UTF-8', '{"key":"\xff","value":1}', 'Line 1502 is no UTF-8'],
  ])('with %s: its number is told, and nothing of its batch is put', async (_fact, line, what) => {
    const store = path.join(newFolder(), 'store');
    const file = path.join(newFolder(), 'dump');
    // The bytes before a piece that is no UTF-8 are another piece.
    fs.writeFileSync(file, [header(1501), ...lines(1500), line, ''].join('\n'), 'latin1');
    const ended = await keelson(['load', store, file]);
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toContain(what);
    if (what.includes('UTF-8')) return;
    expect(ended.err).toContain('The 1,000 entries before line 1002 are in the store');
    const db = await open(store);
    expect(db.size).toBe(1000);
    await db.close();
  });

  // A copy drew the ids of its entries again, and its first put replaced one of them.
  test('keeps the ids that were drawn, so that its copy draws none of them again', async () => {
    const [store, copy] = [path.join(newFolder(), 'store'), path.join(newFolder(), 'copy')];
    const db = await open(store, { keyEncoding: 'tuple' });
    for (const task of ['wash', 'dry', 'fold']) await db.put([db.nextId()], task);
    await db.close();
    await keelson(['load', copy], (await keelson(['dump', store])).out);
    const again = await open(copy, { keyEncoding: 'tuple' });
    expect(again.nextId()).toBe(4);
    await again.close();
  });

  test('that lacks lines at its end is told', async () => {
    const ended = await keelson(['load', path.join(newFolder(), 's')], [header(3), ...lines(2)].join('\n'));
    expect(ended).toMatchObject({ code: 3 });
    expect(ended.err).toMatch(/^CUT_OFF: The dump has 2 of the 3 entries .*Nothing was put/);
  });

  test.each([
    ['{"keelson":"dump","version":2}', /^MALFORMED: The dump has version 2/],
    ['{"keelson":"dump","version":1}', /^MALFORMED: Line 1 is a header that lacks something/],
    ['{"a":1}', /^MALFORMED: Line 1 is not the header of a dump\. .*--from json/],
  ])('with the header %s makes no store', async (line, error) => {
    const store = path.join(newFolder(), 'store');
    const ended = await keelson(['load', store], line);
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toMatch(error);
    expect(fs.existsSync(store)).toBe(false);
  });

  test('of other encodings than the store has is refused', async () => {
    const store = path.join(newFolder(), 'store');
    await keelson(['put', store, 'a', '"1"', '--create', '--value-encoding', 'utf8']);
    const ended = await keelson(['load', store], [header(1), ...lines(1)].join('\n'));
    expect(ended).toMatchObject({ code: 3 });
    expect(ended.err).toMatch(
      /^DIFFERENT: The store has utf8 keys and utf8 values, the dump utf8 keys and msgpack/,
    );
    expect(await entriesIn(store)).toEqual(['{"key":"a","value":"1"}']);
  });
});

describe('a JSON file', () => {
  test.each([
    ['an object', { a: 1, b: { $bigint: '7' } }],
    [
      'an array of pairs',
      [
        ['a', 1],
        ['b', { $bigint: '7' }],
      ],
    ],
    [
      'an array of entries',
      [
        { key: 'a', value: 1 },
        { key: 'b', value: { $bigint: '7' } },
      ],
    ],
  ])('that is %s gives its entries', async (_fact, json) => {
    const folder = newFolder();
    const [store, file] = [path.join(folder, 'store'), path.join(folder, 'some.json')];
    fs.writeFileSync(file, `\ufeff${JSON.stringify(json)}`);
    expect(await keelson(['load', store, file, '--json'])).toMatchObject({ code: 0, out: '{"entries":2}\n' });
    expect(await entriesIn(store)).toEqual(['{"key":"a","value":1}', '{"key":"b","value":{"$bigint":"7"}}']);
  });

  test('may name namespaces, and keeps the encodings of a store that is there', async () => {
    const store = path.join(newFolder(), 'store');
    await keelson(['put', store, '--key-json', '["a"]', '"1"', '--create', '--key-encoding', 'tuple']);
    const json =
      '[{"namespace":"n","key":"b","value":"2"},{"key":["b"],"value":"3","expiresAt":4000000000000}]';
    expect(await keelson(['load', store, '--from', 'json'], json)).toMatchObject({ code: 0 });
    expect(await entriesIn(store)).toEqual([
      '{"key":["a"],"value":"1"}',
      '{"key":["b"],"value":"3","expiresAt":4000000000000}',
      '{"namespace":"n","key":"b","value":"2"}',
    ]);
  });

  test.each([
    ['{', /^MALFORMED: The file is no JSON/],
    ['7', /^MALFORMED: The file holds no entries/],
    ['[7]', /^MALFORMED: Entry 1 is no entry/],
    ['[["a"]]', /^MALFORMED: Entry 1 is no pair/],
    ['[["a",1],[7,1]]', /^MALFORMED: Entry 2 does not fit into the store.*Nothing was put/],
    ['{"keelson":"dump"}', /^USAGE: The file is a dump/],
  ])('that is %s is refused', async (json, error) => {
    const ended = await keelson(['load', path.join(newFolder(), 's'), '--from', 'json'], json);
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toMatch(error);
  });
});

describe('a database of classic-level', () => {
  async function makeLevel(directory: string, entries: Record<string, string | Uint8Array>): Promise<void> {
    const db = new ClassicLevel<string, string | Uint8Array>(directory);
    for (const [key, value] of Object.entries(entries)) {
      await db.put(key, value, { valueEncoding: typeof value === 'string' ? 'utf8' : 'view' });
    }
    await db.close();
  }

  test('gives text, and is told by its directory', async () => {
    const folder = newFolder();
    const [store, level] = [path.join(folder, 'store'), path.join(folder, 'level')];
    await makeLevel(level, Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [`k${n}`, `v${n}`])));
    expect(await keelson(['load', store, level, '--json'])).toMatchObject({ out: '{"entries":2500}\n' });
    const db = await open(store, { valueEncoding: 'utf8' });
    expect(db.size).toBe(2500);
    expect(db.get('k77')).toBe('v77');
    await db.close();
  });

  test.each([
    ['json', '{"a":[1]}', '{"key":"k","value":{"a":[1]}}'],
    ['msgpack', Uint8Array.of(0x81, 0xa1, 97, 1), '{"key":"k","value":{"a":1}}'],
    ['bytes', Uint8Array.of(255), '{"key":"k","value":{"$bytes":"/w=="}}'],
  ])('gives values of %s', async (encoding, value, line) => {
    const folder = newFolder();
    const [store, level] = [path.join(folder, 'store'), path.join(folder, 'level')];
    await makeLevel(level, { k: value });
    expect(await keelson(['load', store, level, '--value-encoding', encoding])).toMatchObject({ code: 0 });
    expect(await entriesIn(store)).toEqual([line]);
  });

  test('with bytes in it as bytes is a store of KeelsonLevel', async () => {
    const folder = newFolder();
    const [store, level] = [path.join(folder, 'store'), path.join(folder, 'level')];
    await makeLevel(level, { '!sub!k': 'v' });
    await keelson(['load', store, level, '--key-encoding', 'bytes', '--value-encoding', 'bytes']);
    const db = new KeelsonLevel(store);
    expect(await db.sublevel('sub').get('k')).toBe('v');
    await db.close();
  });

  test('that is open, or has other bytes, is refused', async () => {
    const folder = newFolder();
    const [store, level] = [path.join(folder, 'store'), path.join(folder, 'level')];
    await makeLevel(level, { k: Uint8Array.of(255) });
    const wrong = await keelson(['load', store, level]);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toMatch(/^MALFORMED: The value of entry 1 is not utf8: .*--value-encoding/);
    const db = new ClassicLevel(level);
    await db.open();
    const locked = await keelson(['load', store, level]);
    expect(locked).toMatchObject({ code: 3 });
    expect(locked.err).toMatch(/^SOURCE: classic-level cannot open .*close the program/);
    await db.close();
    expect((await keelson(['load', store, level, '--key-encoding', 'tuple'])).err).toMatch(
      /^USAGE: Level has/,
    );
  });
});

describe('a database of lmdb', () => {
  test('gives what msgpack holds, and its named databases as namespaces', async () => {
    const folder = newFolder();
    const [store, from] = [path.join(folder, 'store'), path.join(folder, 'from')];
    const db = lmdb.open({ path: from });
    await db.put('a', { when: new Date(7), big: 12n, list: [1, null] });
    await db.put('same', { when: new Date(8), big: 13n, list: [] });
    await db.openDB('users', {}).put('ada', { n: 1 });
    await db.close();
    expect(await keelson(['load', store, from, '--json'])).toMatchObject({ out: '{"entries":3}\n' });
    expect(await entriesIn(store)).toEqual([
      '{"key":"a","value":{"when":{"$date":"1970-01-01T00:00:00.007Z"},"big":{"$bigint":"12"},"list":[1,null]}}',
      '{"key":"same","value":{"when":{"$date":"1970-01-01T00:00:00.008Z"},"big":{"$bigint":"13"},"list":[]}}',
      '{"namespace":"users","key":"ada","value":{"n":1}}',
    ]);
  });

  test('with keys that are no text gives tuples', async () => {
    const folder = newFolder();
    const [store, from] = [path.join(folder, 'store'), path.join(folder, 'from')];
    const db = lmdb.open({ path: from });
    await db.put(7, 'seven');
    await db.put(['u', 1, true], 'array');
    await db.put('text', 'text');
    const refused = await keelson(['load', store, from]);
    expect(refused.err).toMatch(/^MALFORMED: The key of entry 1 is no text\. .*--key-encoding tuple/);
    await keelson(['load', path.join(folder, 'tuples'), from, '--key-encoding', 'tuple']);
    await db.close();
    expect(await entriesIn(path.join(folder, 'tuples'))).toEqual([
      '{"key":[7],"value":"seven"}',
      '{"key":["text"],"value":"text"}',
      '{"key":["u",1,true],"value":"array"}',
    ]);
  });

  test('of several encodings is loaded one named database at a time', async () => {
    const folder = newFolder();
    const [store, from] = [path.join(folder, 'store'), path.join(folder, 'from')];
    const db = lmdb.open({ path: from });
    await db
      .openDB('bytes', { keyEncoding: 'binary', encoding: 'binary' })
      .put(Buffer.of(0, 255), Buffer.of(1));
    await db.openDB('text', { encoding: 'string' }).put('a', 'b');
    await db.openDB('json', { encoding: 'json' }).put('a', { b: 1 });
    await db.close();
    const all = await keelson(['load', store, from]);
    expect(all).toMatchObject({ code: 2 });
    expect(all.err).toMatch(
      /^MALFORMED: The database "bytes" has 1 entries, of which 0 can be read.*--database/,
    );
    for (const [name, key, value] of [
      ['bytes', 'bytes', 'bytes'],
      ['text', 'utf8', 'utf8'],
      ['json', 'utf8', 'json'],
    ] as const) {
      const how = ['--database', name, '--key-encoding', key, '--value-encoding', value];
      expect(await keelson(['load', path.join(folder, name), from, ...how])).toMatchObject({
        code: 0,
        err: '',
      });
    }
    const found: string[] = [];
    for (const name of ['bytes', 'text', 'json']) found.push(...(await entriesIn(path.join(folder, name))));
    expect(found).toEqual([
      '{"namespace":"bytes","key":{"$bytes":"AP8="},"value":{"$bytes":"AQ=="}}',
      '{"namespace":"text","key":"a","value":"b"}',
      '{"namespace":"json","key":"a","value":{"b":1}}',
    ]);
    expect((await keelson(['load', store, from, '--database', 'none'])).err).toMatch(
      /^USAGE: .* has no database "none"/,
    );
  });
});

describe('what load cannot take', () => {
  test.each([
    [['FOLDER/none'], 3, /^ENOENT: no such file or directory, /],
    [['FOLDER/some.db'], 2, /^MALFORMED: Line 1 is no UTF-8\. If it is no dump/],
    [['FOLDER'], 2, /^USAGE: .* is a directory without a Level or lmdb database/],
    [['FOLDER/some.ndjson', '--database', 'n'], 2, /^USAGE: Only lmdb has named databases/],
    [['FOLDER/some.ndjson', '--key-encoding', 'utf8'], 2, /^USAGE: A dump names its encodings/],
    [['FOLDER', '--from', 'lmdb'], 3, /^SOURCE: lmdb cannot open /],
    [['FOLDER', '--from', 'level'], 3, /^SOURCE: classic-level cannot open /],
  ] as const)('%j', async (parameters, code, error) => {
    const folder = newFolder();
    fs.writeFileSync(path.join(folder, 'some.ndjson'), '');
    fs.writeFileSync(path.join(folder, 'some.db'), Uint8Array.of(0, 255));
    const given = parameters.map((parameter) => parameter.replace('FOLDER', folder));
    const ended = await keelson(['load', path.join(folder, 'store'), ...given]);
    expect(ended).toMatchObject({ code, out: '' });
    expect(ended.err).toMatch(error);
    expect(fs.existsSync(path.join(folder, 'store'))).toBe(false);
  });

  test('a package that is not installed is named with the next step', async () => {
    const gone = Object.assign(new Error("Cannot find package 'lmdb' imported from here"), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    await expect(importPeer('lmdb', () => Promise.reject(gone))).rejects.toMatchObject({
      code: 'NO_PACKAGE',
      next: expect.stringContaining('npm install lmdb'),
    });
  });
});
