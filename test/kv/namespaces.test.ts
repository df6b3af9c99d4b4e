// Namespaces: keys, values and encodings of their own in the journal of one store; created by their first write, dropped as
// a whole.

import { beforeEach, describe, expect, test } from 'vitest';
import {
  type CustomValueEncoding,
  json,
  msgpack,
  type Namespace,
  type Store,
  type Tuple,
  tuple,
} from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';
import { failure, gate, typeError, World } from './transaction-tools.js';

let world: World;
let db: Store<string, unknown>;

beforeEach(async () => {
  world = await World.open();
  db = world.db;
});

/** Makes a call that must be refused, and checks that it has changed nothing. */
function refused(call: () => unknown, error: unknown): void {
  const before = world.content;
  let thrown: unknown = null;
  try {
    call();
  } catch (caught) {
    thrown = caught;
  }
  expect(thrown).toEqual(error);
  expect(world.content).toEqual(before);
}

async function reopen(options: object = {}): Promise<void> {
  world = await world.reopened(options);
  db = world.db;
}

const dropped = (name: string) =>
  failure(
    'KEELSON_DROPPED',
    new RegExp(
      `^The namespace ${JSON.stringify(name)} was dropped\\. Get the namespace again with db\\.namespace\\(name\\): `,
    ),
  );

const points: CustomValueEncoding<{ x: number }> = {
  name: 'point',
  encode: ({ x }) => Uint8Array.of(x),
  decode: ([x]) => ({ x: x! }),
};

describe('a namespace', () => {
  test('has keys, values and a size of its own', async () => {
    const [one, two] = [
      db.namespace('one'),
      db.namespace<number>('two', { keyEncoding: 'bytes', valueEncoding: 'json' }),
    ];
    await Promise.all([
      db.put('a', 'store'),
      one.put('a', 'one'),
      one.put('b', 'one'),
      two.put(Uint8Array.of(97), 2),
    ]);
    expect([db, one, two].map(({ size }) => size)).toEqual([1, 2, 1]);
    expect([db.get('a'), one.get('a'), two.get(Uint8Array.of(97))]).toEqual(['store', 'one', 2]);
    await one.clear();
    expect([db, one, two].map(({ size }) => size)).toEqual([1, 0, 1]);
    await reopen();
    expect([db.get('a'), db.namespace('one').size, db.namespaces()]).toEqual(['store', 0, ['one', 'two']]);
    await db.close();
  });

  test('is created by its first write, in the record of that write', async () => {
    const jobs = db.namespace('jobs');
    const { lastLsn } = db;
    expect([jobs.size, jobs.get('a'), [...jobs.keys()], jobs.has('a'), jobs.count(), jobs.nth(0)]).toEqual([
      0,
      undefined,
      [],
      false,
      0,
      undefined,
    ]);
    await jobs.delete('a');
    await jobs.clear();
    await jobs.batch([]);
    expect([db.lastLsn, db.namespaces()]).toEqual([lastLsn, []]);
    const { records } = db.stats().journal!;
    await jobs.put('a', 1);
    expect([db.stats().journal!.records - records, db.namespaces()]).toEqual([1, ['jobs']]);
    await reopen();
    expect(db.namespaces()).toEqual(['jobs']);
    await db.close();
  });

  test('of which nothing was written is gone with its life', async () => {
    db.namespace('declared', { keyEncoding: 'bytes' });
    await db.namespace('written').put('a', 1);
    await reopen();
    expect(db.namespaces()).toEqual(['written']);
    expect(db.namespace('declared', { keyEncoding: 'utf8' }).size).toBe(0);
    await db.close();
  });

  test('whose first put throws is not created, and no later record says so', async () => {
    const jobs = db.namespace('jobs');
    const bad = { ok: 1, bad: Symbol('no') };
    refused(() => jobs.put('a', bad), typeError(/bad/));
    refused(
      () =>
        db.batch([
          { type: 'put', key: 'a', value: 1, namespace: jobs },
          { type: 'put', key: 'b', value: bad },
        ]),
      typeError(/bad/),
    );
    expect(() =>
      db.transaction((tx) => {
        tx.in(jobs).put('a', 1);
        throw new Error('no');
      }),
    ).toThrow('no');
    await db.put('a', 1);
    await reopen();
    expect(db.namespaces()).toEqual([]);
    await db.close();
  });

  test('that two transactions create is created once, and has what both have put', async () => {
    const jobs = db.namespace('jobs');
    const goesOn = gate();
    const running = ['a', 'b', 'c'].map((key) =>
      db.transaction(async (tx) => {
        tx.in(jobs).put(key, key);
        await goesOn.promise;
      }),
    );
    await jobs.put('first', 1);
    const snapshot = db.snapshot();
    goesOn.open();
    await Promise.all(running);
    expect([...snapshot.in(jobs).keys()]).toEqual(['first']);
    expect([...jobs.keys()]).toEqual(['a', 'b', 'c', 'first']);
    await reopen();
    expect([...db.namespace('jobs').keys()]).toEqual(['a', 'b', 'c', 'first']);
    await db.checkpoint();
    await reopen();
    expect([...db.namespace('jobs').keys()]).toEqual(['a', 'b', 'c', 'first']);
    await db.close();
  });

  test('is the same handle for the same name, until it is dropped', async () => {
    const jobs = db.namespace('jobs');
    expect(db.namespace('jobs', {})).toBe(jobs);
    expect(db.namespace('jobs', { keyEncoding: 'utf8', valueEncoding: msgpack() })).toBe(jobs);
    expect(jobs.name).toBe('jobs');
    await jobs.put('a', 1);
    expect(db.namespace('jobs')).toBe(jobs);
    await db.drop(jobs);
    expect(db.namespace('jobs')).not.toBe(jobs);
    await db.close();
  });

  test('tells its figures', async () => {
    const jobs = db.namespace('jobs');
    expect(jobs.stats()).toMatchObject({ entries: 0, lastLsn: 0 });
    expect(jobs.stats().memoryBytes).toBeLessThanOrEqual(2048);
    const lsn = await jobs.put('a', 1);
    await db.put('a', 1);
    expect(jobs.stats()).toMatchObject({ entries: 1, lastLsn: lsn });
    expect(jobs.stats().memoryBytes).toBeLessThanOrEqual(4096);
    await reopen();
    expect(db.namespace('jobs').stats()).toMatchObject({ entries: 1, lastLsn: lsn });
    await db.close();
    for (const use of [
      () => db.namespace('jobs'),
      () => db.namespaces(),
      () => jobs.stats(),
      () => jobs.get('a'),
      () => jobs.put('a', 1),
      () => db.drop(jobs),
    ])
      expect(use).toThrow(failure('KEELSON_CLOSED') as Error);
  });
});

describe('the name of a namespace', () => {
  test('may be anything of 1 to 255 bytes of well-formed UTF-8', async () => {
    const names = [
      '__proto__',
      'constructor',
      'a/b',
      '\0',
      ' ',
      '0',
      'ü€😀',
      'x'.repeat(255),
      '😀'.repeat(63),
      '..',
    ];
    for (const name of names) await db.namespace(name).put('name', name);
    await reopen();
    expect(db.namespaces()).toEqual(names);
    for (const name of names) expect([...db.namespace(name).entries()]).toEqual([['name', name]]);
    for (const name of names) await db.drop(name);
    expect(db.namespaces()).toEqual([]);
    await db.close();
  });

  test.each([
    [undefined, /^name: expected a string of 1 to 255 bytes, got undefined/],
    [null, /^name: .* got null/],
    [7, /^name: .* got the number 7/],
    ['', /^name: expected a string of 1 to 255 bytes, got the string ""/],
    ['x'.repeat(256), /^name: expected a string of 1 to 255 bytes, got the string "x+…"/],
    ['😀'.repeat(64), /^name: expected a string of 1 to 255 bytes/],
    ['\uD800', /^name: expected a string without lone surrogates, got .*\. Mend it with toWellFormed\(\)/],
  ])('%j is refused', async (name, message) => {
    refused(() => db.namespace(name as never), typeError(message));
    if (typeof name === 'string') refused(() => db.drop(name), typeError(message));
    await db.close();
  });
});

describe('the options of a namespace', () => {
  test.each([
    [7, /^namespace options: expected an object, got the number 7/],
    [null, /^namespace options: expected an object, got null/],
    [['utf8'], /^namespace options: expected an object, got an array/],
    [
      { keyencoding: 'utf8' },
      /^namespace: unknown option 'keyencoding'; known are keyEncoding, valueEncoding, indexes$/,
    ],
    [{ indexes: {} }, /^namespace option 'indexes': expected a function, got an object/],
    [{ keyEncoding: 'latin1' }, /^namespace option 'keyEncoding': expected .*got the string "latin1"/],
    [{ valueEncoding: 'xml' }, /^namespace option 'valueEncoding': expected .*got the string "xml"/],
    [
      { valueEncoding: { name: 'json', encode() {}, decode() {} } },
      /namespace option 'valueEncoding'.*: expected a name that is not that of a built-in/,
    ],
    [
      { valueEncoding: { name: 'own' } },
      /namespace option 'valueEncoding'.*encode: expected a function, got undefined/,
    ],
  ])('%j are refused', async (options, message) => {
    refused(() => db.namespace('jobs', options as never), typeError(message));
    expect(db.namespace('jobs', { keyEncoding: 'bytes' }).size).toBe(0);
    await db.close();
  });

  // The name was looked up before the options were read. Two namespaces of one name were made, and one could not be reached.
  test('may be foreign code that asks for the same name, and there is still one namespace of it', async () => {
    const options = {
      get valueEncoding() {
        void db.namespace('jobs').put('first', 1);
        return 'msgpack';
      },
    };
    const jobs = db.namespace('jobs', options as never);
    expect(jobs).toBe(db.namespace('jobs'));
    expect([db.namespaces(), jobs.size]).toEqual([['jobs'], 1]);
    await reopen();
    expect([db.namespaces(), db.namespace('jobs').size]).toEqual([['jobs'], 1]);
  });

  test('are fixed by the first call of a life, whether or not anything is written', async () => {
    db.namespace('jobs', { keyEncoding: tuple<[number]>(), valueEncoding: json() });
    const askedFor = failure(
      'KEELSON_ENCODING_MISMATCH',
      /^The namespace "jobs" was first asked for with tuple keys and json values; it was asked for with \w+ keys and \w+ values\. Leave keyEncoding and valueEncoding out, or give the same; db\.drop\(name\) forgets what was asked for$/,
    );
    const mismatch = failure(
      'KEELSON_ENCODING_MISMATCH',
      /^The namespace "jobs" has tuple keys and json values; it was asked for with \w+ keys and \w+ values\. Leave keyEncoding and valueEncoding out, or give those that it has$/,
    );
    for (const options of [
      { keyEncoding: 'utf8' },
      { valueEncoding: 'msgpack' },
      { keyEncoding: 'bytes', valueEncoding: 'utf8' },
    ])
      refused(() => db.namespace('jobs', options as never), askedFor);
    const jobs = db.namespace('jobs') as unknown as Namespace<Tuple, unknown>;
    await jobs.put([1], 1);
    await reopen();
    for (const options of [{ keyEncoding: 'utf8' }, { valueEncoding: 'msgpack' }])
      refused(() => db.namespace('jobs', options as never), mismatch);
    expect([...db.namespace('jobs', { keyEncoding: 'tuple', valueEncoding: 'json' }).entries()]).toEqual([
      [[1], 1],
    ]);
    await db.checkpoint();
    await reopen();
    refused(() => db.namespace('jobs', { keyEncoding: 'utf8' }), mismatch);
    await db.close();
  });

  test('may be others once the namespace was dropped, with new ids and without the old entries', async () => {
    await db.namespace('jobs').put('a', 1);
    await db.drop('jobs');
    const again = db.namespace('jobs', { keyEncoding: 'bytes', valueEncoding: 'bytes' });
    expect(again.size).toBe(0);
    await again.put(Uint8Array.of(1), Uint8Array.of(2));
    await reopen();
    expect([...db.namespace('jobs', { keyEncoding: 'bytes', valueEncoding: 'bytes' }).keys()]).toEqual([
      Uint8Array.of(1),
    ]);
    await db.close();
  });

  test('name an encoding of the caller, which later lives must know', async () => {
    await db.namespace('points', { valueEncoding: points }).put('a', { x: 7 });
    expect(db.namespace('points').get('a')).toEqual({ x: 7 });
    await reopen();
    refused(
      () => db.namespace('points'),
      failure(
        'KEELSON_ENCODING_MISMATCH',
        /^The namespace "points" has values in an encoding of your own that is named "point"\. Give it as valueEncoding, or in the option encodings of open\(\)$/,
      ),
    );
    expect(db.namespace('points', { valueEncoding: points }).get('a')).toEqual({ x: 7 });
    await reopen({ encodings: [points] });
    expect(db.namespace('points').get('a')).toEqual({ x: 7 });
    await db.close();
  });
});

describe('keys of another kind than those of the namespace', () => {
  test('are refused by every read and write, with nothing changed', async () => {
    const texts = db.namespace('texts');
    const bytes = db.namespace('bytes', { keyEncoding: 'bytes' });
    const tuples = db.namespace('tuples', { keyEncoding: 'tuple' });
    const hole = new Array(1) as never;
    const wrong: readonly (readonly [Namespace<never, never>, unknown, RegExp])[] = [
      [texts as never, 7, /^key: expected a string, got the number 7/],
      [texts as never, undefined, /^key: expected a string, got undefined/],
      [texts as never, Uint8Array.of(1), /^key: expected a string, got an? /],
      [texts as never, 'a\uDC00', /^key: expected a string without lone surrogates/],
      [bytes as never, 'a', /^key: expected a Uint8Array, got the string "a"/],
      [bytes as never, [1], /^key: expected a Uint8Array, got an array/],
      [tuples as never, 'a', /^key: expected an array, .*got the string "a"/],
      [tuples as never, [Number.NaN], /^key\[0\]: expected a number .*NaN/],
      [tuples as never, ['a', undefined], /^key\[1\]: expected null, .*got undefined/],
      [tuples as never, hole, /^key\[0\]: expected null, .*got undefined/],
      [tuples as never, [new Date(0)], /^key\[0\]: expected null, .*got a Date/],
      [tuples as never, ['\uD800'], /^key\[0\]: expected a string without lone surrogates/],
      [tuples as never, [[[{}]]], /^key\[0\]\[0\]\[0\]: expected null, /],
    ];
    for (const [namespace, key, message] of wrong) {
      for (const call of [
        () => namespace.put(key as never, 1 as never),
        () => namespace.delete(key as never),
        () => namespace.get(key as never),
        () => namespace.has(key as never),
        () => namespace.rank(key as never),
        () => db.transaction((tx) => tx.in(namespace).put(key as never, 1 as never)),
        () => db.transaction((tx) => tx.in(namespace).get(key as never)),
        () =>
          db
            .snapshot()
            .in(namespace)
            .get(key as never),
      ])
        refused(call, typeError(message));
    }
    expect(db.namespaces()).toEqual([]);
    await db.close();
  });

  test('and those that are too long are KEELSON_KEY_TOO_LARGE, with nothing changed', async () => {
    const tuples = db.namespace('tuples', { keyEncoding: 'tuple' });
    const long = 'k'.repeat(65_537);
    const tooLarge = failure('KEELSON_KEY_TOO_LARGE');
    for (const call of [
      () => db.namespace('texts').put(long, 1),
      () => db.namespace('bytes', { keyEncoding: 'bytes' }).put(Buffer.from(long), 1),
      () => tuples.put([long], 1),
      () => tuples.put(Array(40_000).fill(1), 1),
      () => db.transaction((tx) => tx.in(tuples).put(['a', long], 1)),
      () => db.batch([{ type: 'put', key: [long], value: 1, namespace: tuples }]),
    ])
      refused(call, tooLarge);
    // 65,536 bytes are a key, and a bound may have one more.
    await tuples.put(['k'.repeat(65_534)], 1);
    expect([...tuples.keys({ gte: ['k'] })]).toEqual([['k'.repeat(65_534)]]);
    await db.close();
  });
});

describe('a namespace of another store', () => {
  test('is refused everywhere, by a message that says what to do', async () => {
    const other = await inMemory().open('/other');
    const foreign = other.namespace('jobs');
    const expected = (argument: string) =>
      typeError(
        new RegExp(
          `^${argument}: expected a namespace of this store, got one of another store\\. Get it with namespace\\("jobs"\\) of this store$`,
        ),
      );
    refused(
      () => db.batch([{ type: 'put', key: 'a', value: 1, namespace: foreign }]),
      expected('operations\\[0\\]\\.namespace'),
    );
    refused(() => db.drop(foreign), expected('namespace'));
    refused(() => db.snapshot().in(foreign), expected('namespace'));
    refused(() => db.transaction((tx) => void tx.in(foreign)), expected('namespace'));
    await expect(db.transaction(async (tx) => void tx.in(foreign))).rejects.toEqual(expected('namespace'));
    for (const wrong of [undefined, null, {}, 'jobs', 7])
      refused(
        () => db.transaction((tx) => void tx.in(wrong as never)),
        typeError(/^namespace: expected a namespace, as db\.namespace\(name\) returns it, got /),
      );
    await Promise.all([db.close(), other.close()]);
  });
});

describe('a drop', () => {
  let jobs: Namespace<string, unknown>;

  beforeEach(async () => {
    jobs = db.namespace('jobs');
    await jobs.batch(['a', 'b'].map((key) => ({ type: 'put', key, value: key })));
  });

  test('removes all entries at once, and is durable when its promise resolves', async () => {
    const dropping = db.drop(jobs);
    expect(db.namespaces()).toEqual([]);
    expect(await dropping).toBe(db.lastLsn);
    expect(db.durableLsn).toBe(db.lastLsn);
    await reopen();
    expect([db.namespaces(), db.namespace('jobs').size]).toEqual([[], 0]);
    await db.close();
  });

  test('makes every use of its handles KEELSON_DROPPED, with nothing changed', async () => {
    const iteration = jobs.entries();
    iteration.next();
    await db.drop('jobs');
    const again = db.namespace('jobs');
    await again.put('new', 1);
    for (const use of [
      () => jobs.get('a'),
      () => jobs.has('a'),
      () => jobs.getMany(['a']),
      () => jobs.size,
      () => jobs.count(),
      () => jobs.keys(),
      () => jobs.stats(),
      () => jobs.put('a', 1),
      () => jobs.put('a', 1, { ifVersion: 0 }),
      () => jobs.delete('a'),
      () => jobs.clear(),
      () => jobs.batch([]),
      () => db.drop(jobs),
      () => db.batch([{ type: 'put', key: 'a', value: 1, namespace: jobs }]),
      () => db.batch([{ type: 'check', key: 'a', version: 0, namespace: jobs }]),
      () => db.transaction((tx) => tx.in(jobs).get('a')),
      () => db.transaction((tx) => tx.in(jobs).put('a', 1)),
      () => iteration.next(),
    ])
      refused(use, dropped('jobs'));
    expect([jobs.name, [...again.keys()]]).toEqual(['jobs', ['new']]);
    expect(db.namespaces()).toEqual(['jobs']);
    await reopen();
    expect([...db.namespace('jobs').keys()]).toEqual(['new']);
    await db.close();
  });

  test('leaves snapshots what they saw', async () => {
    const before = db.snapshot();
    await db.drop(jobs);
    const after = db.snapshot();
    const again = db.namespace('jobs');
    await again.put('new', 1);
    expect([...before.in(jobs).keys()]).toEqual(['a', 'b']);
    expect([before.in(again).size, after.in(jobs).size, after.in(again).size]).toEqual([0, 0, 0]);
    before.close();
    expect(() => before.in(jobs)).toThrow(failure('KEELSON_CLOSED') as Error);
    await db.close();
  });

  test('of a namespace that was never written, or of a name that nothing has, writes nothing', async () => {
    const { lastLsn } = db;
    const declared = db.namespace('declared', { keyEncoding: 'bytes' });
    expect(await db.drop(declared)).toBe(lastLsn);
    expect(await db.drop('nothing')).toBe(lastLsn);
    expect([db.lastLsn, db.namespaces()]).toEqual([lastLsn, ['jobs']]);
    expect(() => declared.put(Uint8Array.of(1), 1)).toThrow(dropped('declared') as Error);
    expect(db.namespace('declared', { keyEncoding: 'utf8' }).size).toBe(0);
    for (const wrong of [undefined, null, {}, 7, db])
      refused(
        () => db.drop(wrong as never),
        typeError(/^namespace: expected a namespace, as db\.namespace\(name\) returns it, got /),
      );
    await db.close();
  });

  test('sees the puts that are not linked yet', async () => {
    for (let n = 0; n < 10; n++) jobs.put(`${n}`, n);
    await db.drop(jobs);
    expect(db.namespace('jobs').size).toBe(0);
    await reopen();
    expect(db.namespaces()).toEqual([]);
    await db.close();
  });

  test('refuses the commit of a transaction that writes to it, and is a change of all that was read of it', async () => {
    const goesOn = gate();
    const attempts: number[] = [];
    const writing = db.transaction(async (tx) => {
      tx.in(jobs).put('c', 1);
      await goesOn.promise;
    });
    const reading = db.transaction(async (tx) => {
      attempts.push(tx.attempt);
      const names = tx.attempt === 1 ? [...tx.in(jobs).keys()] : [];
      await goesOn.promise;
      tx.put('names', names);
    });
    const atView = db.transaction(async (tx) => {
      await goesOn.promise;
      return tx.in(jobs).size;
    });
    await db.drop(jobs);
    goesOn.open();
    await expect(writing).rejects.toEqual(dropped('jobs'));
    await reading;
    expect([attempts, db.get('names'), await atView]).toEqual([[1, 2], [], 2]);
    await db.close();
  });

  test('never gives an id to another namespace, also when an image holds neither', async () => {
    const idsSeen = new Set<number>(world.schema.spaces.map(({ id }) => id));
    for (let round = 0; round < 3; round++) {
      await db.drop('jobs');
      await db.checkpoint();
      await reopen();
      await db.namespace('jobs').put('a', round);
      const { id } = world.schema.spaces.at(-1)!;
      expect(idsSeen).not.toContain(id);
      idsSeen.add(id);
    }
    await db.close();
  });
});

describe('a batch', () => {
  test('spans namespaces, and is whole or not at all after a power cut', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const memory = inMemory({ seed });
      const store = await memory.open('/s');
      const [one, two] = [store.namespace('one'), store.namespace('two', { keyEncoding: 'tuple' })];
      let acknowledged = 0;
      for (let n = 1; n <= 5; n++)
        store
          .batch([
            { type: 'put', key: 'n', value: n },
            { type: 'put', key: 'n', value: n, namespace: one },
            { type: 'delete', key: [n - 1], namespace: two },
            { type: 'put', key: [n], value: n, namespace: two },
          ])
          .then(
            () => {
              acknowledged = n;
            },
            () => {},
          );
      for (let turn = 0; turn < seed % 7; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (seed % 2 === 0) memory.cutPower();
      else memory.kill();
      const again = await memory.open('/s');
      const n = (again.get('n') as number | undefined) ?? 0;
      expect(n).toBeGreaterThanOrEqual(acknowledged);
      const found = [
        again.namespace('one').get('n') ?? 0,
        [...again.namespace('two', { keyEncoding: 'tuple' }).keys()],
      ];
      expect(found).toEqual([n, n === 0 ? [] : [[n]]]);
      await again.close();
    }
    await db.close();
  });

  test('of a namespace is in that namespace, and may name others', async () => {
    const [one, two] = [db.namespace('one'), db.namespace('two')];
    await one.batch([
      { type: 'put', key: 'a', value: 1 },
      { type: 'put', key: 'b', value: 2, namespace: two },
      { type: 'put', key: 'c', value: 3, namespace: one },
      { type: 'put', key: 'd', value: 4, namespace: undefined as unknown as typeof one },
    ]);
    expect([[...one.keys()], [...two.keys()], db.size]).toEqual([['a', 'c', 'd'], ['b'], 0]);
    await db.close();
  });
});

describe('ids', () => {
  test('grow for ever, in transactions too, and an attempt that is tried again leaves a gap', async () => {
    expect([db.nextId(), db.nextId()]).toEqual([1, 2]);
    const goesOn = gate();
    const drawn: number[] = [];
    const running = db.transaction(async (tx) => {
      tx.get('a');
      drawn.push(db.nextId());
      await goesOn.promise;
      tx.put('id', drawn.at(-1));
      tx.atCommit((last) => void last.put('late', db.nextId()));
    });
    await db.put('a', 1);
    goesOn.open();
    await running;
    expect([drawn, db.get('id'), db.get('late')]).toEqual([[3, 4], 4, 5]);
    await reopen();
    expect(db.nextId()).toBe(6);
    await db.close();
    expect(() => db.nextId()).toThrow(failure('KEELSON_CLOSED') as Error);
  });
});
