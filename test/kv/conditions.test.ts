// Conditions: a write that expects a version of a key, and a batch with checks. Nothing is written when one does not hold.

import { beforeEach, describe, expect, test } from 'vitest';
import type { Namespace, Store } from '../../src/kv/index.js';
import { failure, typeError, World } from './transaction-tools.js';

let world: World;
let db: Store<string, unknown>;
let jobs: Namespace<string, unknown>;
/** The version of the key a. */
let version: number;

beforeEach(async () => {
  world = await World.open();
  db = world.db;
  jobs = db.namespace('jobs');
  await jobs.put('a', 'job');
  version = await db.put('a', 1);
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

describe('a put or delete with ifVersion', () => {
  test('is made when the key has that version, and 0 means that it is absent', async () => {
    const next = await db.put('a', 2, { ifVersion: version });
    expect(next).toBeGreaterThan(version);
    await db.put('b', 1, { ifVersion: 0 });
    await db.delete('a', { ifVersion: next });
    await db.delete('a', { ifVersion: 0 });
    expect([...db.entries()]).toEqual([['b', 1]]);
    await jobs.put('a', 'done', { ifVersion: jobs.getEntry('a')!.version, durability: 'memory' });
    await jobs.delete('b', { ifVersion: 0 });
    expect([...jobs.entries()]).toEqual([['a', 'done']]);
  });

  test('that is not met is KEELSON_CONFLICT at once, which says what the key has, and nothing is written', () => {
    refused(
      () => db.put('a', 2, { ifVersion: 0 }),
      failure(
        'KEELSON_CONFLICT',
        new RegExp(
          `^Nothing was written: the key "a" has version ${version}, and the write expects that it is absent\\. Read the key again, and decide anew what to write$`,
        ),
      ),
    );
    refused(
      () => db.put('b', 2, { ifVersion: version }),
      failure(
        'KEELSON_CONFLICT',
        new RegExp(`the key "b" is absent, and the write expects version ${version}\\.`),
      ),
    );
    refused(
      () => db.delete('a', { ifVersion: version - 1 }),
      failure('KEELSON_CONFLICT', /the key "a" has version/),
    );
    refused(() => db.delete('b', { ifVersion: 3 }), failure('KEELSON_CONFLICT', /the key "b" is absent/));
    refused(
      () => jobs.put('a', 2, { ifVersion: version }),
      failure('KEELSON_CONFLICT', /the key "a" of the namespace "jobs" has version \d+, and/),
    );
  });

  test('has the facts of the conflict', () => {
    const factsOf = (call: () => unknown): unknown => {
      try {
        return call();
      } catch (error) {
        return (error as { facts: unknown }).facts;
      }
    };
    expect(factsOf(() => db.put('a', 1, { ifVersion: 0 }))).toEqual({
      namespace: '',
      key: 'a',
      lsn: version,
    });
    expect(factsOf(() => jobs.delete('b', { ifVersion: 1 }))).toEqual({ namespace: 'jobs', key: 'b' });
  });

  test('of a key shows no more of it than a message may hold', () => {
    const key = `${'long '.repeat(1000)}end`;
    refused(() => db.delete(key, { ifVersion: 1 }), failure('KEELSON_CONFLICT', /^.{40,140}…/));
  });

  test('sees the puts that are not linked yet, in order', async () => {
    for (let n = 0; n < 10; n++) db.put('a', n);
    const before = db.getEntry('a')!.version;
    db.put('a', 'unlinked');
    refused(() => db.put('a', 0, { ifVersion: before }), failure('KEELSON_CONFLICT'));
    await db.put('a', 'met', { ifVersion: db.lastLsn });
    expect(db.get('a')).toBe('met');
  });

  // A version of an absent key is undefined, and must not become an unconditional write.
  test.each([[undefined], [null], [-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY], ['7'], [7n]])(
    'of %s is a TypeError',
    (ifVersion) => {
      const error = typeError(
        /^options\.ifVersion: expected a version, which is an integer of 0 or more, got .*\. For a key that must be absent, give 0$/,
      );
      for (const call of [
        () => db.put('a', 2, { ifVersion } as never),
        () => db.delete('a', { ifVersion } as never),
        () => jobs.put('a', 2, { ifVersion } as never),
        () => db.put('b', 2, { ifVersion: db.getEntry('b')?.version } as never),
      ])
        refused(
          call,
          ifVersion === undefined || call.toString().includes('getEntry') ? typeError(/ifVersion/) : error,
        );
    },
  );

  // Only an own property was looked at, so that an inherited condition was silently none.
  test('may be inherited', () => {
    const options = Object.create({ ifVersion: 0 });
    refused(() => db.put('a', 2, options), failure('KEELSON_CONFLICT'));
    refused(
      () => db.delete('a', Object.create({ ifVersion: undefined })),
      typeError(/^options\.ifVersion: expected a version/),
    );
  });

  test('refuses unknown options by name', () => {
    for (const [call, known] of [
      [() => db.put('a', 1, { ifversion: 1 } as never), 'durability, ifVersion, ttl, expiresAt'],
      [() => db.delete('a', { version: 1 } as never), 'durability, ifVersion'],
      [() => db.clear({}, { ifVersion: 1 } as never), 'durability'],
      [() => db.batch([], { ifVersion: 1 } as never), 'durability'],
      [() => db.drop(jobs, { ifVersion: 1 } as never), 'durability'],
    ] as const)
      refused(call, typeError(new RegExp(`^options: unknown option '\\w+'; known (is|are) ${known}$`)));
    refused(() => db.put('a', 1, 7 as never), typeError(/^options: expected an object, got the number 7$/));
    refused(
      () => db.put('a', 1, { durability: 'soon' as never }),
      typeError(/^options\.durability: expected 'disk' or 'memory'/),
    );
  });
});

describe('a batch with checks', () => {
  const check = (key: string, expected: number, namespace?: typeof jobs) => ({
    type: 'check' as const,
    key,
    version: expected,
    ...(namespace && { namespace }),
  });

  test('is written when all hold, in all namespaces and wherever they stand', async () => {
    await db.batch([
      { type: 'put', key: 'a', value: 2 },
      check('a', version),
      check('b', 0),
      { type: 'delete', key: 'a', namespace: jobs },
      check('a', jobs.getEntry('a')!.version, jobs),
    ]);
    expect([[...db.entries()], jobs.size]).toEqual([[['a', 2]], 0]);
  });

  test('is judged against what was there before it, and before anything is written', () => {
    refused(
      () => db.batch([{ type: 'put', key: 'b', value: 1 }, check('b', 0), check('a', version + 1)]),
      failure('KEELSON_CONFLICT', /the key "a" has version/),
    );
    refused(
      () =>
        db.batch([
          { type: 'clear' },
          check('b', 0),
          check('b', version, jobs),
          { type: 'put', key: 'c', value: 1 },
        ]),
      failure('KEELSON_CONFLICT', /the key "b" of the namespace "jobs" is absent/),
    );
  });

  test('of checks only writes nothing, and resolves when the state that it has checked is durable', async () => {
    const before = world.content;
    const last = db.put('a', 2);
    const { lastLsn } = db;
    expect(await db.batch([check('a', lastLsn)])).toBe(lastLsn);
    expect([db.durableLsn, await last]).toEqual([lastLsn, lastLsn]);
    expect(before).not.toEqual(world.content);
    refused(() => db.batch([check('a', 1)]), failure('KEELSON_CONFLICT'));
  });

  test('names the place of a wrong operation, and writes nothing', () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [
        { type: 'check', key: 'a' },
        /^operations\[1\]\.version: expected a version, which is an integer of 0 or more, got undefined\. Give the version of getEntry\(\), or 0 for an absent key$/,
      ],
      [{ type: 'check', key: 'a', version: '1' }, /^operations\[1\]\.version: .*got the string "1"/],
      [{ type: 'check', key: 7, version: 1 }, /^operations\[1\]\.key: expected a string, got the number 7/],
      [
        { type: 'check', key: 'a', version: 1, value: 2 },
        /^operations\[1\]: unknown field 'value' of a check; known are type, namespace, key, version\. Leave it out; a condition is an operation of its own/,
      ],
      [
        { type: 'put', key: 'a', value: 1, ifVersion: 1 },
        /^operations\[1\]: unknown field 'ifVersion' of a put; known are type, namespace, key, value/,
      ],
      [
        { type: 'update', key: 'a' },
        /^operations\[1\]\.type: expected 'put', 'delete', 'touch', 'check' or 'clear', got the string "update"$/,
      ],
      [{ key: 'a' }, /^operations\[1\]\.type: .*, got undefined$/],
      [
        { type: 'clear', limit: -1 },
        /^operations\[1\]\.limit: expected an integer of 0 or more, or Infinity, got the number -1$/,
      ],
      [
        { type: 'clear', offset: 1 },
        /^operations\[1\]: unknown field 'offset' of a clear; known are type, namespace, gt, gte, lt, lte, prefix, reverse, limit/,
      ],
      [{ type: 'delete', key: '\uD800' }, /^operations\[1\]\.key: expected a string without lone surrogates/],
      [
        { type: 'delete', key: 'a', namespace: 'jobs' },
        /^operations\[1\]\.namespace: expected a namespace, as db\.namespace\(name\) returns it, got the string "jobs"$/,
      ],
      [
        { type: 'delete', key: 'a', namespace: null },
        /^operations\[1\]\.namespace: expected a namespace, .* got null$/,
      ],
      [
        { type: 'delete', key: 'a', namespace: db },
        /^operations\[1\]\.namespace: expected a namespace, .* got a Store\. For the entries of the store itself, leave the namespace out/,
      ],
    ];
    for (const [operation, message] of wrong)
      refused(() => db.batch([{ type: 'put', key: 'x', value: 1 }, operation] as never), typeError(message));
    for (const operations of [undefined, {}, 'put', new Set()])
      refused(() => db.batch(operations as never), typeError(/^operations: expected an array, got /));
  });
});

describe('a clear with a limit', () => {
  beforeEach(async () => {
    await db.batch(['b', 'c', 'd', 'e'].map((key) => ({ type: 'put', key, value: 0 })));
  });

  test('deletes the lowest keys of its range, or with `reverse` the highest, as one write', async () => {
    const before = db.lastLsn;
    await db.clear({ gte: 'b', limit: 2 });
    expect([...db.keys()]).toEqual(['a', 'd', 'e']);
    await db.clear({ lt: 'e', reverse: true, limit: 1 });
    expect([...db.keys()]).toEqual(['a', 'e']);
    await jobs.clear({ limit: 10 });
    expect(jobs.size).toBe(0);
    const again = await world.reopened();
    expect([[...again.db.keys()], again.db.namespace('jobs').size]).toEqual([['a', 'e'], 0]);
    expect(again.db.lastLsn).toBeGreaterThan(before);
  });

  test('of no keys writes nothing', async () => {
    const { lastLsn } = db;
    for (const range of [{ limit: 0 }, { gt: 'x', limit: 5 }, { gt: 'x' }, { gt: 'd', lt: 'b' }])
      expect(await db.clear(range)).toBe(lastLsn);
    expect(db.lastLsn).toBe(lastLsn);
  });

  test('in a batch takes the keys under the operations before it', async () => {
    await db.batch([
      { type: 'put', key: 'aa', value: 1 },
      { type: 'delete', key: 'b' },
      { type: 'clear', gt: 'a', limit: 2 },
      { type: 'put', key: 'c', value: 1 },
      { type: 'clear', reverse: true, limit: 1 },
    ]);
    const expected = ['a', 'c', 'd'];
    expect([...db.keys()]).toEqual(expected);
    const again = await world.reopened();
    expect([...again.db.keys()]).toEqual(expected);
  });

  test('takes no offset, and names a wrong option', () => {
    refused(
      () => db.clear({ offset: 1 } as never),
      typeError(/^range: unknown option 'offset'; known are gt, gte, lt, lte, prefix, reverse, limit$/),
    );
    refused(
      () => db.clear({ limit: 1.5 }),
      typeError(/^range\.limit: expected an integer of 0 or more, or Infinity, got the number 1\.5$/),
    );
    refused(
      () => db.clear({ reverse: 1 as never }),
      typeError(/^range\.reverse: expected a boolean, got the number 1$/),
    );
    refused(() => db.clear({ gt: 'a', gte: 'b' }), typeError(/^range: expected gt or gte, got both$/));
  });
});

describe('a delete of an absent key', () => {
  test('writes nothing, in a batch too', async () => {
    const { lastLsn } = db;
    await db.delete('b');
    await db.batch([
      { type: 'delete', key: 'b' },
      { type: 'delete', key: 'b', namespace: db.namespace('never written') },
    ]);
    expect([db.lastLsn, db.namespaces()]).toEqual([lastLsn, ['jobs']]);
    await db.batch([
      { type: 'delete', key: 'a' },
      { type: 'delete', key: 'a' },
      { type: 'put', key: 'a', value: 3 },
    ]);
    expect(db.get('a')).toBe(3);
  });
});
