// Well-known packages for Level databases, unchanged, on KeelsonLevel and beside it on classic-level.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import type { AbstractLevel } from 'abstract-level';
import { ClassicLevel } from 'classic-level';
import { EntryStream, KeyStream, ValueStream } from 'level-read-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeelsonLevel } from '../../src/level/index.js';

type AnyLevel = AbstractLevel<unknown, unknown, unknown>;

const charwise = createRequire(import.meta.url)('charwise');

/** In the order of charwise. */
const VALUES = [
  false,
  true,
  -1e300,
  -2,
  -0.5,
  0,
  0.5,
  2,
  1e300,
  '',
  'a',
  'aa',
  'b',
  [],
  [1],
  [1, 'a'],
  [2],
  ['a'],
];

const DATABASES: readonly (readonly [name: string, make: (location: string, options?: object) => unknown])[] =
  [
    ['KeelsonLevel', (location, options) => new KeelsonLevel(location, options)],
    ['classic-level', (location, options) => new ClassicLevel(location, options)],
  ];

describe.each(DATABASES)('on %s', (_name, make) => {
  let folder: string;
  let db: AnyLevel;

  const open = (options?: object) => {
    db = make(folder, options) as AnyLevel;
  };

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-level-'));
  });

  afterEach(async () => {
    await db.close();
    fs.rmSync(folder, { recursive: true });
  });

  test('charwise keys are found, and in their order', async () => {
    open({ keyEncoding: charwise, valueEncoding: 'json' });
    await db.batch(VALUES.toReversed().map((key) => ({ type: 'put', key, value: key })));
    expect(await db.keys().all()).toEqual(VALUES);
    for (const key of VALUES) expect(await db.get(key)).toEqual(key);
    expect(await db.values({ gte: [1], lt: [2] }).all()).toEqual([[1], [1, 'a']]);
  });

  test('level-read-stream streams entries, keys and values', async () => {
    open();
    const keys = Array.from({ length: 3000 }, (_, n) => `key ${String(n).padStart(4, '0')}`);
    await db.batch(keys.map((key) => ({ type: 'put', key, value: key.toUpperCase() })));
    const read = async (stream: AsyncIterable<unknown>) => {
      const items: unknown[] = [];
      for await (const item of stream) items.push(item);
      return items;
    };
    const level = db as AbstractLevel<unknown>;
    expect(await read(new KeyStream(level, {}) as never)).toEqual(keys);
    expect(await read(new ValueStream(level, { reverse: true, limit: 2 }) as never)).toEqual([
      'KEY 2999',
      'KEY 2998',
    ]);
    expect(await read(new EntryStream(level, { gte: 'key 2998', highWaterMark: 1 }) as never)).toEqual([
      { key: 'key 2998', value: 'KEY 2998' },
      { key: 'key 2999', value: 'KEY 2999' },
    ]);
  });
});
