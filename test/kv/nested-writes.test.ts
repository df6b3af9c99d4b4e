// Writes that are entered in their middle: by hooks on promises and microtasks (async_hooks, as every tracer has them),
// by encoders, Proxies and getters that write, and by schedulers that tests have faked.
//
// A hook that wrote while a write was going on overwrote the record under way: a corrupt log, eleven acknowledged writes
// absent, two birth records. A caller who faked `process.nextTick` for one put hung the store for good.

import { describe, expect, it } from 'vitest';
import { type CustomValueEncoding, open, type Store } from '../../src/kv/index.js';
import { jsonOf, runProgram, useDirectory } from '../native/native-tools.js';

const here = useDirectory();

/** The last line of a program in a process of its own: its hooks are no business of the test runner's. */
function resultOf(program: string): Promise<unknown> {
  return jsonOf(runProgram(program, [here.at('db')]));
}

/** Puts 12,000 values while a hook writes, and says what is missing after the store was opened again. */
function hookProgram(engine: string, hook: string, nested: string): string {
  return `
    import { createHook } from 'node:async_hooks';
    import { open } from 'keelson';
    const directory = process.argv[1];
    const options = { engine: '${engine}', maxUndurableBytes: 256 * 1024, checkpointBytesMin: 1024 * 1024 };
    const db = await open(directory, options);
    const acknowledged = new Map();
    let n = 0, depth = 0, nestedCount = 0;
    const wrote = (key, promise) => {
      const own = ++n;
      promise.then(() => acknowledged.set(key, Math.max(own, acknowledged.get(key) ?? 0)), () => {});
    };
    const nestedWrite = () => {
      if (depth > 0 || nestedCount >= 6000) return;
      depth++;
      const key = 'nested:' + (nestedCount++ % 50);
      try { ${nested} } catch (error) { if (error.code === undefined && !(error instanceof TypeError)) throw error; }
      depth--;
    };
    const hook = createHook({ ${hook} }).enable();
    const value = (text) => ({ n: n + 1, text });
    for (let round = 0; round < 12; round++) {
      const key = (at) => 'k:' + (at % 400) + ':' + round;
      for (let at = 0; at < 900; at++) wrote(key(at), db.put(key(at), value('x'.repeat(at % 200))));
      const operations = Array.from({ length: 100 }, (_, at) => ({ type: 'put', key: 'b:' + round + ':' + at, value: value('y'.repeat(500)) }));
      const batch = db.batch(operations);
      for (const { key } of operations) wrote(key, batch);
      if (round % 3 === 1) db.flushSync();
      await batch;
    }
    await db.flush();
    hook.disable();
    const memory = new Map([...db.entries()].map(([key, { n }]) => [key, n]));
    for (const key of memory.keys()) if (db.get(key).n !== memory.get(key)) throw new Error('the indexes disagree');
    const { lastLsn } = db;
    await db.close();
    const again = await open(directory);
    const lost = [...acknowledged.keys()].filter((key) => !again.has(key));
    const differing = [...memory].filter(([key, n]) => again.get(key)?.n !== n);
    console.log(JSON.stringify({ lost, differing, size: again.size === memory.size, lsn: again.lastLsn === lastLsn, nested: nestedCount > 100 }));
    process.exit(0);
  `;
}

const GOOD = { lost: [], differing: [], size: true, lsn: true, nested: true };
const NESTED_PUT = 'wrote(key, db.put(key, { n: n + 1, text: "z".repeat(nestedCount % 300) }));';
const NESTED_BATCH =
  'wrote(key, db.batch([{ type: "put", key, value: { n: n + 1, text: "" } }, { type: "delete", key: "none" }]));';
const NESTED_FLUSH = `${NESTED_PUT} if (nestedCount % 20 === 0) db.flushSync(); if (nestedCount % 50 === 0) db.snapshot();`;

describe.each(['fs', 'auto'])('on the engine %s, a hook that writes', (engine) => {
  it.each([
    ['when a promise is made', 'init(id, type) { if (type === "PROMISE") nestedWrite(); }', NESTED_PUT],
    ['when anything is made', 'init() { nestedWrite(); }', NESTED_PUT],
    ['when a promise is settled', 'promiseResolve() { nestedWrite(); }', NESTED_PUT],
    [
      'batches when anything is made or settled',
      'init() { nestedWrite(); }, promiseResolve() { nestedWrite(); }',
      NESTED_BATCH,
    ],
    [
      'and drains when anything is made or settled',
      'init() { nestedWrite(); }, promiseResolve() { nestedWrite(); }',
      NESTED_FLUSH,
    ],
    ['before each callback', 'before() { nestedWrite(); }', NESTED_PUT],
  ])('%s loses nothing', async (_, hook, nested) => {
    expect(await resultOf(hookProgram(engine, hook, nested))).toEqual(GOOD);
  });
});

describe.each(['fs', 'auto'])(
  'on the engine %s, a batch that is on its way to the disk while its keys are linked',
  (engine) => {
    it.each([
      ['writes to its keys', '', []],
      [
        'reads of them',
        "seen.push(db.get('k').slice(0, 5), db.size, db.count(), db.snapshot().size);",
        ['batch', 2, 2, 2],
      ],
    ])('is linked before whatever a hook %s', async (_, look, seen) => {
      const result = await resultOf(`
      import { createHook } from 'node:async_hooks';
      import { open } from 'keelson';
      const db = await open(process.argv[1], { engine: '${engine}' });
      await db.put('k', 'first');
      const seen = [];
      let isIn = false, isOn = false;
      createHook({
        init() {
          if (isIn || !isOn || db.lastLsn < 60_000) return;
          isIn = true;
          ${look}
          db.put('k', 'nested');
          isOn = false;
          isIn = false;
        },
      }).enable();
      isOn = true;
      const batch = db.batch([{ type: 'put', key: 'k', value: 'batch' + 'x'.repeat(60_000) }, { type: 'put', key: 'l', value: 1 }]);
      isOn = false;
      await batch;
      const memory = db.get('k');
      await db.close();
      const again = await open(process.argv[1]);
      console.log(JSON.stringify({ seen, memory, disk: again.get('k') }));
      process.exit(0);
    `);
      expect(result).toEqual({ seen, memory: 'nested', disk: 'nested' });
    });
  },
);

describe('an encoder', () => {
  /** Encodes as JSON, and does something else first. */
  function encoding(also: (value: unknown) => void): CustomValueEncoding<unknown> {
    return {
      name: 'hostile-json',
      encode(value) {
        also(value);
        return Buffer.from(JSON.stringify(value));
      },
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
    };
  }

  async function openWith(also: (value: unknown) => void): Promise<Store<string, unknown>> {
    return open<unknown>(here.at('db'), { valueEncoding: encoding(also) });
  }

  it('that writes to the store is nested before the write it encodes for', async () => {
    let isNested = false;
    const db: Store<string, unknown> = await openWith((value) => {
      if (isNested) return;
      isNested = true;
      db.put('nested', [value]);
      db.batch([{ type: 'put', key: 'nested-2', value: 2 }]);
      db.delete('old');
      isNested = false;
    });
    db.put('old', 0);
    await db.put('a', 1);
    await db.batch([
      { type: 'put', key: 'b', value: 2 },
      { type: 'put', key: 'c', value: 3 },
    ]);
    const expected = [...db.entries()];
    expect(db.getEntry('a')!.version).toBeGreaterThan(0);
    expect(db.getEntry('nested')!.version).toBeLessThan(db.getEntry('c')!.version);
    await db.close();
    const again = await openWith(() => {});
    expect([...again.entries()]).toEqual(expected);
    await again.close();
  });

  // The delete was left out, because the key was absent when the batch was read. Then the encoder put it there.
  it('that writes to the keys of its batch is nested before it: the batch is read again', async () => {
    let isNested = false;
    let count = 0;
    let countMax = 1;
    const db: Store<string, unknown> = await openWith(() => {
      if (isNested || count === countMax) return;
      isNested = true;
      db.put('a', ++count);
      db.put('b', count);
      isNested = false;
    });
    await db.batch([
      { type: 'delete', key: 'a' },
      { type: 'clear', limit: 1 },
      { type: 'put', key: 'c', value: 1 },
    ]);
    expect([...db.entries()]).toEqual([['c', 1]]);
    await db.clear();
    countMax = Number.POSITIVE_INFINITY;
    const { lastLsn } = db;
    const never = () =>
      db.batch([
        { type: 'put', key: 'd', value: 1 },
        { type: 'delete', key: 'a' },
      ]);
    expect(never).toThrow(
      /^operations: expected values that do not write to the store, .* Write before the batch$/,
    );
    expect([[...db.entries()], count]).toEqual([
      [
        ['a', 4],
        ['b', 4],
      ],
      4,
    ]);
    expect(db.lastLsn).toBeGreaterThan(lastLsn);
    // Without a look at the store, no write of an encoder matters.
    await db.batch([{ type: 'put', key: 'd', value: 1 }]);
    expect(db.get('d')).toBe(1);
    await db.close();
  });

  it('that closes the store has its write refused', async () => {
    let shallClose = false;
    const db: Store<string, unknown> = await openWith(() => {
      if (shallClose) db.close();
    });
    await db.put('a', 1);
    shallClose = true;
    expect(() => db.put('a', 2)).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
    await db.close();
    const again = await openWith(() => {});
    expect(again.get('a')).toBe(1);
    await again.close();
  });

  it('that throws leaves no trace, and the next write is right', async () => {
    let shallThrow = false;
    const db = await openWith(() => {
      if (shallThrow) throw new Error('from the encoder');
    });
    await db.put('a', 1);
    shallThrow = true;
    const put = { type: 'put', key: 'a', value: 2 } as const;
    expect(() => db.put('a', 2)).toThrow('from the encoder');
    expect(() => db.batch([{ type: 'delete', key: 'a' }, put])).toThrow('from the encoder');
    shallThrow = false;
    expect(db.get('a')).toBe(1);
    await db.put('b', 3);
    expect([...db.entries()]).toEqual([
      ['a', 1],
      ['b', 3],
    ]);
    await db.close();
  });

  it('is told of its value once when a Proxy in it writes meanwhile', async () => {
    const db = await open<unknown>(here.at('db'));
    const proxy = new Proxy(
      { x: 1, y: 'two' },
      {
        get(target, name, receiver) {
          db.put('nested', { y: 'other', x: 2, z: [3] });
          return Reflect.get(target, name, receiver);
        },
      },
    );
    await db.put('a', { proxy, after: 'text' });
    expect(db.get('a')).toEqual({ proxy: { x: 1, y: 'two' }, after: 'text' });
    expect(db.get('nested')).toEqual({ y: 'other', x: 2, z: [3] });
    await db.close();
  });
});

describe('schedulers that are faked for one put', () => {
  it.each([['nextTick'], ['queueMicrotask'], ['setImmediate'], ['setTimeout']])(
    '%s: it and later ones become durable',
    async (name) => {
      const result = await resultOf(`
      import { open } from 'keelson';
      const db = await open(process.argv[1]);
      const holder = '${name}' === 'nextTick' ? process : globalThis;
      const real = holder['${name}'];
      holder['${name}'] = () => {};
      const during = db.put('a', 1);
      await during;
      holder['${name}'] = real;
      await db.put('b', 2);
      await db.checkpoint();
      await db.close();
      console.log(JSON.stringify([typeof (await during)]));
    `);
      expect(result).toEqual(['number']);
    },
  );

  // Each commit is timed. An error of the clock poisoned the store, or hung it when the commit was durable already.
  it('performance.now: what throws in its place stops no commit', async () => {
    const result = await resultOf(`
      import { open } from 'keelson';
      const db = await open(process.argv[1]);
      performance.now = () => {
        throw new Error('no time');
      };
      await db.put('a', 1);
      await db.close();
      console.log(JSON.stringify(['closed']));
    `);
    expect(result).toEqual(['closed']);
  });
});
