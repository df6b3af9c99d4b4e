// Secondary indexes: what their reads show, what is unique, and what a wrong function does.

import { describe, expect, test } from 'vitest';
import type { IndexDefinitions, IndexFactory, TuplePart } from '../../src/index.js';
import { msgpack } from '../../src/index.js';
import { Random } from '../../src/testing/random.js';
import { World } from './transaction-tools.js';

interface User {
  readonly name?: string;
  readonly email?: string;
  readonly age?: number;
  readonly tags?: readonly string[];
}

const USERS = { valueEncoding: msgpack<User>() };

/** The namespace of users with three indexes. */
function usersOf({ db }: World) {
  return db.namespace('users', {
    ...USERS,
    indexes: (index) => ({
      byEmail: index.unique((user) => user.email),
      byAge: index((user) => (user.age === undefined ? undefined : [user.age, user.name ?? ''])),
      byTag: index.many((user) => user.tags ?? []),
    }),
  });
}

/** A namespace with indexes of any values. */
async function namespaceWith<I extends IndexDefinitions>(
  indexes: (index: IndexFactory<string, unknown>) => I,
) {
  const world = await World.open();
  return { world, values: world.db.namespace('values', { valueEncoding: msgpack<unknown>(), indexes }) };
}

/** Returns what a function throws. */
function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

const ADA = { name: 'Ada', email: 'ada@example.com', age: 36, tags: ['admin', 'math'] };
const BOB = { name: 'Bob', email: 'bob@example.com', age: 17, tags: ['math', 'math'] };
const CLEO = { name: 'Cleo', age: 36 };

async function threeUsers() {
  const world = await World.open();
  const users = usersOf(world);
  users.put('a', ADA);
  users.put('b', BOB);
  users.put('c', CLEO);
  return { world, users };
}

describe('reads', () => {
  test('find entries by the value of a unique index', async () => {
    const { users } = await threeUsers();
    expect(users.indexes.byEmail.get('ada@example.com')).toEqual(ADA);
    expect(users.indexes.byEmail.getKey('bob@example.com')).toBe('b');
    expect(users.indexes.byEmail.get('ada@example.co')).toBeUndefined();
    expect(users.indexes.byEmail.getKey('')).toBeUndefined();
    expect(users.indexes.byEmail.count()).toBe(2);
  });

  test('are in the order of index values, and then of keys', async () => {
    const { users } = await threeUsers();
    const { byAge, byTag } = users.indexes;
    expect([...byAge.entries()]).toEqual([
      [[17, 'Bob'], 'b', BOB],
      [[36, 'Ada'], 'a', ADA],
      [[36, 'Cleo'], 'c', CLEO],
    ]);
    expect([...byTag.entries()].map(([tag, key]) => [tag, key])).toEqual([
      ['admin', 'a'],
      ['math', 'a'],
      ['math', 'b'],
    ]);
    expect([...byAge.keys({ reverse: true, offset: 1, limit: 1 })]).toEqual(['a']);
    expect([...byAge.values({ limit: 1 })]).toEqual([BOB]);
  });

  test('take bounds on either side of all entries of a value', async () => {
    const { users } = await threeUsers();
    const { byTag, byAge } = users.indexes;
    expect([...byTag.keys({ gt: 'admin' })]).toEqual(['a', 'b']);
    expect([...byTag.keys({ gte: 'math', lte: 'math' })]).toEqual(['a', 'b']);
    expect([...byTag.keys({ equals: 'math', reverse: true })]).toEqual(['b', 'a']);
    expect([...byTag.keys({ equals: 'mat' })]).toEqual([]);
    expect(byTag.count({ equals: 'math' })).toBe(2);
    expect(byAge.count({ equals: [36, 'Ada'], gt: undefined })).toBe(1);
    expect([...byTag.keys({ lt: 'math' })]).toEqual(['a']);
    expect([...byTag.keys({ lte: 'math' })]).toEqual(['a', 'a', 'b']);
    expect([...byTag.keys({ gt: 'math' })]).toEqual([]);
    expect([...byAge.keys({ prefix: [36] })]).toEqual(['a', 'c']);
    expect([...byAge.keys({ prefix: [36], gt: [36, 'Ada'] })]).toEqual(['c']);
    expect([...byAge.keys({ prefix: [] })]).toEqual(['b', 'a', 'c']);
    expect([...byAge.keys({ gt: [17] })]).toEqual(['b', 'a', 'c']);
    expect([...byAge.keys({ lte: [36] })]).toEqual(['b']);
  });

  test('count, and find places', async () => {
    const { users } = await threeUsers();
    const { byTag, byAge } = users.indexes;
    expect(byTag.count({ gte: 'math', lte: 'math' })).toBe(2);
    expect(byTag.rank('math')).toBe(1);
    expect(byTag.rank('zebra')).toBe(3);
    expect(byAge.nth(0)).toEqual([[17, 'Bob'], 'b', BOB]);
    expect(byAge.nth(-1)).toEqual([[36, 'Cleo'], 'c', CLEO]);
    expect(byAge.nth(3)).toBeUndefined();
    expect(byAge.nth(-4)).toBeUndefined();
  });

  test('show the moment of the call', async () => {
    const { users } = await threeUsers();
    const entries = users.indexes.byTag.entries();
    users.put('a', { tags: ['new'] });
    users.delete('b');
    users.clear();
    expect([...entries]).toEqual([
      ['admin', 'a', ADA],
      ['math', 'a', ADA],
      ['math', 'b', BOB],
    ]);
  });

  // A checkpoint, whose view has no indexes, froze the namespace for older views, too.
  test('of a snapshot go on beside a checkpoint', async () => {
    const { world, users } = await threeUsers();
    const snapshot = world.db.snapshot();
    await world.db.checkpoint();
    users.put('d', { name: 'Dora', age: 36 });
    expect([...snapshot.in(users).indexes.byAge.keys()]).toEqual(['b', 'a', 'c']);
    snapshot.close();
  });

  // A key that begins with FF was once read as a part of the value before it, and "a" was taken for "a" with a zero behind:
  // reads gave keys that nobody had put, and a unique index refused other values.
  test.each([
    ['strings', ['a', 'a\0', 'a\0b']],
    ['bytes', [Uint8Array.of(1), Uint8Array.of(1, 0), Uint8Array.of(1, 0, 255)]],
    ['arrays', [['a'], ['a', null], ['a\0']]],
  ])(
    'tell %s from those that begin so, whatever their keys are',
    async (_, ascending: readonly TuplePart[]) => {
      const { db } = await World.open();
      const values = db.namespace('values', {
        keyEncoding: 'bytes',
        valueEncoding: msgpack<TuplePart>(),
        indexes: (index) => ({ by: index.unique((value) => value) }),
      });
      const texts = db.namespace('texts', {
        valueEncoding: msgpack<TuplePart>(),
        indexes: (index) => ({ by: index((value) => value) }),
      });
      for (const [at, value] of ascending.entries()) {
        for (const other of ascending.slice(at)) expect(values.indexes.by.getKey(other)).toBe(undefined);
        values.put(Uint8Array.of(255, at), value);
        texts.put(`\u00ff${at}`, value);
      }
      for (const [at, value] of ascending.entries()) {
        expect(values.indexes.by.getKey(value)).toEqual(Uint8Array.of(255, at));
        expect(values.indexes.by.count({ gt: value })).toBe(2 - at);
        expect(values.indexes.by.count({ lte: value })).toBe(at + 1);
        expect([...texts.indexes.by.entries({ gte: value, lte: value })]).toEqual([
          [value, `\u00ff${at}`, value],
        ]);
      }
    },
  );

  test('refuse wrong values and ranges by name', async () => {
    const { users } = await threeUsers();
    const { byAge, byEmail } = users.indexes;
    expect(() => byEmail.get(undefined as never)).toThrow(/^index: expected .* got undefined/);
    expect(() => byEmail.getKey(new Date() as never)).toThrow(/^index: expected .* got a Date/);
    expect(() => byAge.rank(Number.NaN as never)).toThrow(/^index: expected a number that has an order/);
    expect(() => byAge.nth(0.5)).toThrow(/^at: expected an integer/);
    expect(() => byAge.count({ prefix: 36 as never })).toThrow(/^range\.prefix: expected an array/);
    const both = /^range: expected equals or other bounds, got both/;
    expect(() => byAge.keys({ equals: [36, 'Ada'], prefix: [36] })).toThrow(both);
    expect(() => byAge.count({ equals: [36, 'Ada'], lt: [40] })).toThrow(both);
    expect(() => byAge.count({ equals: Number.NaN as never })).toThrow(/^range\.equals: expected a number/);
    expect(() => byAge.keys({ gt: [1], gte: [1] })).toThrow(/^range: expected gt or gte, got both/);
    expect(() => byAge.count({ limit: 1 } as never)).toThrow(/^range: unknown option 'limit'/);
    expect(() => byEmail.get('a'.repeat(65_536))).toThrow(
      expect.objectContaining({ code: 'KEELSON_KEY_TOO_LARGE' }),
    );
  });
});

describe('writes', () => {
  test('move entries in their indexes', async () => {
    const { users } = await threeUsers();
    users.put('b', { ...BOB, email: 'bobby@example.com', age: 18 });
    expect(users.indexes.byEmail.getKey('bob@example.com')).toBeUndefined();
    expect(users.indexes.byEmail.getKey('bobby@example.com')).toBe('b');
    expect([...users.indexes.byAge.entries()].map(([age]) => age)).toEqual([
      [18, 'Bob'],
      [36, 'Ada'],
      [36, 'Cleo'],
    ]);
    users.put('b', {});
    expect(users.indexes.byAge.count()).toBe(2);
    expect(users.indexes.byTag.count()).toBe(2);
  });

  test('remove entries from their indexes', async () => {
    const { users } = await threeUsers();
    users.delete('a');
    expect([...users.indexes.byTag.keys()]).toEqual(['b']);
    users.clear({ gte: 'b', lt: 'c' });
    expect([...users.indexes.byTag.keys()]).toEqual([]);
    expect([...users.indexes.byAge.keys()]).toEqual(['c']);
    users.clear();
    expect(users.indexes.byAge.count()).toBe(0);
    users.put('a', ADA);
    expect(users.indexes.byEmail.getKey('ada@example.com')).toBe('a');
  });

  test('of a batch are in the indexes as they are in the store', async () => {
    const { world, users } = await threeUsers();
    world.db.batch([
      { type: 'put', key: 'total', value: 3 },
      { type: 'put', namespace: users, key: 'd', value: { email: 'dora@example.com', tags: ['math'] } },
      { type: 'put', namespace: users, key: 'd', value: { email: 'dora@example.org', tags: ['art'] } },
      { type: 'delete', namespace: users, key: 'a' },
      { type: 'clear', namespace: users, gte: 'c', lt: 'd', limit: 1 },
    ]);
    expect([...users.indexes.byEmail.keys()]).toEqual(['b', 'd']);
    expect([...users.indexes.byTag.entries()].map(([tag, key]) => [tag, key])).toEqual([
      ['art', 'd'],
      ['math', 'b'],
    ]);
    expect(users.indexes.byEmail.getKey('dora@example.com')).toBeUndefined();
    expect([...users.indexes.byAge.keys()]).toEqual(['b']);
  });
});

describe('a unique index', () => {
  test('refuses a second entry with a value, and nothing is written', async () => {
    const { world, users } = await threeUsers();
    const before = world.content;
    const error = thrownBy(() => users.put('d', { email: 'ada@example.com' }));
    expect(error).toMatchObject({
      code: 'KEELSON_UNIQUE',
      facts: { namespace: 'users', index: 'byEmail', key: 'd', holder: 'a', value: 'ada@example.com' },
    });
    expect((error as Error).message).toMatch(/the key "d" .* the key 'a' .* 'ada@example\.com' .* 'byEmail'/);
    expect(world.content).toEqual(before);
    expect(users.indexes.byEmail.getKey('ada@example.com')).toBe('a');
  });

  test('refuses a double on either side of its key, and takes values that begin alike', async () => {
    const { users } = await threeUsers();
    for (const email of ['ada@example.co', 'ada@example.com.au', 'b']) users.put(`b ${email}`, { email });
    for (const key of ['', 'B', 'a0', 'b0', 'z'])
      for (const email of [ADA.email, BOB.email, 'b'])
        expect(() => users.put(key, { email })).toThrow(expect.objectContaining({ code: 'KEELSON_UNIQUE' }));
    expect(users.indexes.byEmail.count()).toBe(5);
  });

  test('lets an entry keep its value, and another one take it afterwards', async () => {
    const { users } = await threeUsers();
    users.put('a', { ...ADA, age: 37 });
    users.delete('a');
    users.put('d', { email: 'ada@example.com' });
    expect(users.indexes.byEmail.getKey('ada@example.com')).toBe('d');
  });

  test('is judged on the net result of a batch', async () => {
    const { users } = await threeUsers();
    users.batch([
      { type: 'put', key: 'a', value: { email: 'bob@example.com' } },
      { type: 'put', key: 'b', value: { email: 'ada@example.com' } },
    ]);
    expect(users.indexes.byEmail.getKey('ada@example.com')).toBe('b');
    users.batch([
      { type: 'put', key: 'x', value: { email: 'ada@example.com' } },
      { type: 'delete', key: 'b' },
      { type: 'put', key: 'y', value: { email: 'bob@example.com' } },
      { type: 'put', key: 'y', value: { email: 'y@example.com' } },
    ]);
    expect([...users.indexes.byEmail.entries()].map(([email, key]) => [email, key])).toEqual([
      ['ada@example.com', 'x'],
      ['bob@example.com', 'a'],
      ['y@example.com', 'y'],
    ]);
    users.batch([
      { type: 'put', key: 'z', value: { email: 'bob@example.com' } },
      { type: 'clear', lt: 'x' },
    ]);
    expect(users.indexes.byEmail.getKey('bob@example.com')).toBe('z');
  });

  test.each([
    ['two puts', [put('d', 'same'), put('e', 'same')]],
    [
      'a put before the clear of another key',
      [put('d', 'ada@example.com'), { type: 'clear', gte: 'b', lt: 'd' }],
    ],
    ['a put of a key that was cleared first', [{ type: 'clear' }, put('d', 'same'), put('e', 'same')]],
    ['a delete that comes too late', [put('e', 'same'), put('d', 'same'), { type: 'delete', key: 'a' }]],
    // A touch once counted as if it took the value from the entry.
    ['a touch of the entry that has it', [{ type: 'touch', key: 'a', ttl: 50 }, put('d', 'ada@example.com')]],
    ['a touch afterwards', [put('d', 'ada@example.com'), { type: 'touch', key: 'a', ttl: 50 }]],
  ])('refuses doubles by %s', async (_, operations) => {
    const { world, users } = await threeUsers();
    const before = world.content;
    expect(() => users.batch(operations as never)).toThrow(
      expect.objectContaining({ code: 'KEELSON_UNIQUE' }),
    );
    expect(world.content).toEqual(before);
  });
});

function put(key: string, email: string): object {
  return { type: 'put', key, value: { email } };
}

describe('a function', () => {
  test.each([
    ['NaN', () => Number.NaN, /the index 'by' of the namespace "values", result: expected a number that/],
    ['a promise', () => Promise.reject(new Error('late')), /expected null, .* got a Promise/],
    ['a Date', () => new Date(0), /got a Date/],
    ['an object', () => ({}), /got an object/],
    [
      'an array with a hole',
      () => new Array(2),
      /the index 'by' of the namespace "values", result\[0\]: .* undefined/,
    ],
    ['a lone surrogate', () => '\ud800', /without lone surrogates/],
  ])('that returns %s is refused with nothing changed', async (_, fn, message) => {
    const { world, values } = await namespaceWith((index) => ({ by: index(fn as never) }));
    const before = world.content;
    expect(() => values.put('a', 1)).toThrow(TypeError);
    expect(() => values.put('a', 1)).toThrow(message);
    expect(world.content).toEqual(before);
  });

  test('that returns 65,537 bytes is refused with nothing changed', async () => {
    const { world, values } = await namespaceWith((index) => ({ by: index((value) => value as string) }));
    // A string has a tag before it and an end behind it.
    values.put('longest', 'x'.repeat(65_534));
    const before = world.content;
    const error = thrownBy(() => values.put('longer', 'x'.repeat(65_535)));
    expect(error).toMatchObject({
      code: 'KEELSON_KEY_TOO_LARGE',
      message: expect.stringContaining("the index 'by'"),
    });
    expect(world.content).toEqual(before);
  });

  test('of many that returns no array is refused', async () => {
    const { values } = await namespaceWith((index) => ({ by: index.many((value) => value as never) }));
    expect(() => values.put('a', undefined)).toThrow();
    expect(() => values.put('a', 'text')).toThrow(/expected an array of index values/);
    expect(() => values.put('a', [1, {}])).toThrow(/"values", result\[1\]: expected .* got an object/);
    // The promise once rejected where nobody handled it, which ends a process.
    const promises = namespaceWith((index) => ({
      by: index.many(() => [1, Promise.reject(new Error('late'))] as never),
    }));
    await expect(promises.then(async (of) => of.values.put('a', 1))).rejects.toThrow(
      /"values", result\[1\]: .* got a Promise/,
    );
    values.put('a', [3, 1, 3, 2, 1]);
    expect([...values.indexes.by.entries()].map(([value]) => value)).toEqual([1, 2, 3]);
  });

  test('that throws, throws out of the put with nothing changed', async () => {
    const failure = new Error('no such user');
    const { world, values } = await namespaceWith((index) => ({
      by: index((value) => {
        if (value === 'bad') throw failure;
        return value as string;
      }),
    }));
    const before = world.content;
    expect(thrownBy(() => values.put('a', 'bad'))).toBe(failure);
    expect(thrownBy(() => values.batch([{ type: 'put', key: 'a', value: 'bad' }]))).toBe(failure);
    expect(world.content).toEqual(before);
    values.put('a', 'good');
    expect([...values.indexes.by.keys()]).toEqual(['a']);
  });

  test('that returns something else for an entry than before is found out when the entry is replaced', async () => {
    let salt = 0;
    const { world, values } = await namespaceWith((index) => ({ by: index(() => salt) }));
    values.put('a', 1);
    salt = 1;
    const before = world.content;
    expect(() => values.put('a', 2)).toThrow(TypeError);
    expect(() => values.put('a', 2)).toThrow(
      /the index 'by' of the namespace "values": expected a function that always/,
    );
    expect(world.content).toEqual(before);
    // A delete needs no function.
    values.delete('a');
    expect(values.indexes.by.count()).toBe(0);
  });

  test('that returns something else is found out by one of many puts, once there were many', async () => {
    let salt = 0;
    const { world, values } = await namespaceWith((index) => ({ by: index(() => salt) }));
    for (let n = 0; n < 1024; n++) values.put('a', n);
    const refused: number[] = [];
    for (let n = 0; n < 200; n++) {
      salt = n;
      try {
        values.put('a', n);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
        refused.push(n);
      }
    }
    expect(refused).toEqual([64, 128, 192]);
    // What is removed is what was put there.
    expect([...values.indexes.by.entries()]).toEqual([[199, 'a', 199]]);
    expect(world.db.poisoned).toBeNull();
  });

  test('sees the decoded stored value and the key', async () => {
    const seen: unknown[] = [];
    const { values } = await namespaceWith((index) => ({
      by: index((value, key) => {
        seen.push([value, key]);
        return key;
      }),
    }));
    const given = { inner: { n: 1 } };
    values.put('a', given);
    expect(seen).toEqual([[given, 'a']]);
    expect((seen[0] as unknown[])[0]).not.toBe(given);
  });

  test('must not write', async () => {
    const { world, values } = await namespaceWith((index) => ({
      by: index((value) => {
        if (value === 'put') world.db.put('x', 1);
        if (value === 'drop') world.db.drop('values');
        if (value === 'transaction') world.db.transaction((tx) => tx.put('x', 1));
        return value as string;
      }),
    }));
    const before = world.content;
    for (const value of ['put', 'drop', 'transaction'])
      expect(() => values.put('a', value)).toThrow(/An index function runs/);
    expect(world.content).toEqual(before);
    values.put('a', 'nothing');
    world.db.put('x', 2);
    expect(values.get('a')).toBe('nothing');
  });

  test('that closes the store ends the put', async () => {
    const { world, values } = await namespaceWith((index) => ({
      by: index(() => {
        void world.db.close();
        return 1;
      }),
    }));
    expect(() => values.put('a', 1)).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });
});

describe('a declaration', () => {
  test('over entries indexes them inside of the call', async () => {
    const world = await World.open();
    const plain = world.db.namespace('users', USERS);
    plain.put('a', ADA);
    plain.put('b', BOB);
    const users = usersOf(world);
    expect([...users.indexes.byTag.keys({ gte: 'math' })]).toEqual(['a', 'b']);
    expect(await users.ready).toBe(users);
    expect(users).toBe(plain);
  });

  test('is made once in a life', async () => {
    const { world, users } = await threeUsers();
    expect(() => usersOf(world)).toThrow(/expected the indexes of "users" to be declared once/);
    expect(world.db.namespace('users')).toBe(users);
    expect(world.db.namespace('users', { indexes: () => ({}) } as never)).toBe(users);
    const next = await world.reopened();
    const again = usersOf(next);
    expect([...again.indexes.byAge.keys()]).toEqual(['b', 'a', 'c']);
  });

  test('is refused when it is none', async () => {
    const { db } = await World.open();
    const declare = (indexes: unknown) => () => db.namespace('n', { indexes } as never);
    expect(declare({})).toThrow(/^namespace option 'indexes': expected a function, got an object/);
    expect(declare(() => null)).toThrow(/the result of namespace option 'indexes': expected an object/);
    expect(declare(() => [])).toThrow(/expected an object of definitions/);
    expect(declare(() => ({ by: { __unique: true } }))).toThrow(
      /the index "by" of namespace option 'indexes'/,
    );
    expect(declare((index: IndexFactory<string, unknown>) => ({ by: index('name' as never) }))).toThrow(
      /the function of index\(\): expected a function/,
    );
    expect(declare((index: IndexFactory<string, unknown>) => ({ by: index.unique(1 as never) }))).toThrow(
      /the function of index\.unique\(\)/,
    );
    expect(declare((index: IndexFactory<string, unknown>) => ({ by: index.many(null as never) }))).toThrow(
      /the function of index\.many\(\)/,
    );
    expect(db.namespace('n').indexes).toEqual({});
  });

  test('takes names with any content', async () => {
    const { values } = await namespaceWith((index) => ({
      ['__proto__']: index((value) => value as number),
      '': index(() => 1),
      'to string': index(() => 2),
    }));
    values.put('a', 7);
    expect(Object.keys(values.indexes)).toEqual(['__proto__', '', 'to string']);
    const [proto] = Object.values(values.indexes);
    expect([...proto!.entries()]).toEqual([[7, 'a', 7]]);
    expect(Object.keys(values.stats().indexes)).toEqual(['__proto__', '', 'to string']);
  });

  test('of a unique index over doubles is given up, and may be made again', async () => {
    const world = await World.open();
    const plain = world.db.namespace('users', USERS);
    plain.put('a', ADA);
    plain.put('b', { ...BOB, email: ADA.email });
    const users = usersOf(world);
    await expect(users.ready).rejects.toMatchObject({
      code: 'KEELSON_UNIQUE',
      facts: { namespace: 'users', index: 'byEmail', key: 'b', holder: 'a', value: ADA.email },
    });
    const error = await users.ready.catch((reason: unknown) => reason);
    expect(thrownBy(() => users.indexes.byEmail.get('x'))).toBe(error);
    expect([...users.indexes.byTag.keys({ gte: 'math' })]).toEqual(['a', 'b']);
    users.put('c', { email: ADA.email, tags: ['math'] });
    expect(users.indexes.byTag.count()).toBe(4);
    users.delete('b');
    users.delete('c');
    const again = usersOf(world);
    expect(again).toBe(users);
    await again.ready;
    expect(again.indexes.byEmail.getKey(ADA.email)).toBe('a');
    expect(() => users.put('d', { email: ADA.email })).toThrow(
      expect.objectContaining({ code: 'KEELSON_UNIQUE' }),
    );
  });

  test('whose function throws for an entry is given up with its error', async () => {
    const { db } = await World.open();
    db.namespace('values').put('a', 1);
    const failure = new Error('no');
    const values = db.namespace('values', {
      indexes: (index) => ({
        bad: index(() => {
          throw failure;
        }),
        good: index(() => 1),
      }),
    });
    await expect(values.ready).rejects.toBe(failure);
    expect(thrownBy(() => values.indexes.bad.count())).toBe(failure);
    expect(values.indexes.good.count()).toBe(1);
    values.put('b', 2);
    expect(values.indexes.good.count()).toBe(2);
  });
});

describe('a build of many entries', () => {
  const COUNT = 5000;

  async function large() {
    const world = await World.open();
    const plain = world.db.namespace('users', USERS);
    plain.batch(
      Array.from({ length: COUNT }, (_, n) => ({
        type: 'put' as const,
        key: `user-${n}`,
        value: { email: `${n}@example.com`, age: n % 10, tags: [`t${n % 7}`] },
      })),
    );
    return { world, users: usersOf(world) };
  }

  test('goes on after the call, and reads of the index and puts beside a unique one wait', async () => {
    const { world, users } = await large();
    const notReady = expect.objectContaining({
      code: 'KEELSON_NOT_READY',
      facts: { namespace: 'users', index: 'byEmail' },
    });
    expect(() => users.indexes.byEmail.count()).toThrow(notReady);
    expect(() => users.indexes.byAge.count()).toThrow(expect.objectContaining({ code: 'KEELSON_NOT_READY' }));
    const before = world.content;
    expect(() => users.put('x', {})).toThrow(notReady);
    expect(() => users.batch([{ type: 'put', key: 'x', value: {} }])).toThrow(notReady);
    expect(world.content).toEqual(before);
    users.delete('user-7');
    users.clear({ prefix: 'user-8', limit: 3 });
    expect(await users.ready).toBe(users);
    expect(users.indexes.byEmail.count()).toBe(COUNT - 4);
    expect(users.indexes.byEmail.getKey('7@example.com')).toBeUndefined();
    users.put('x', { email: 'x' });
    expect(users.indexes.byEmail.getKey('x')).toBe('x');
  });

  test('takes writes meanwhile when no index is unique', async () => {
    const world = await World.open();
    const plain = world.db.namespace<number>('numbers');
    for (let n = 0; n < COUNT; n++) plain.put(`${n}`, n);
    const numbers = world.db.namespace('numbers', {
      valueEncoding: msgpack<number>(),
      indexes: (index) => ({ byValue: index((value) => value) }),
    });
    numbers.put('0', -1);
    numbers.put('a', -2);
    numbers.delete('4999');
    const turn = numbers.ready;
    await turn;
    expect([...numbers.indexes.byValue.entries({ lt: 0 })]).toEqual([
      [-2, 'a', -2],
      [-1, '0', -1],
    ]);
    expect(numbers.indexes.byValue.count()).toBe(COUNT);
    expect(numbers.indexes.byValue.count({ gte: 4998 })).toBe(1);
  });

  test.each([0, 1, 2])('has what a rebuild would have, with writes in every turn (seed %i)', async (seed) => {
    const random = new Random(seed);
    const time = { now: 1000 };
    const world = await World.open({ clock: () => time.now });
    const options = { valueEncoding: msgpack<number>() };
    const plain = world.db.namespace('numbers', options);
    const write = () => {
      const key = `${random.below(2 * COUNT)}`;
      const kind = random.below(8);
      if (kind === 0) plain.delete(key);
      else if (kind === 1) plain.clear({ gte: key, limit: 3 });
      else plain.put(key, random.below(100), kind === 2 ? { ttl: 1 + random.below(40) } : {});
    };
    for (let n = 0; n < 2 * COUNT; n++) plain.put(`${random.below(2 * COUNT)}`, random.below(100));
    for (let n = 0; n < COUNT / 2; n++) write();
    const numbers = world.db.namespace('numbers', {
      ...options,
      indexes: (index) => ({
        byValue: index((value) => value),
        byTens: index.many((value, key) => [value - (value % 10), `${key.length}`]),
      }),
    });
    const build = { isOver: false };
    void numbers.ready.then(() => {
      build.isOver = true;
    });
    while (!build.isOver) {
      for (let left = random.below(4); left > 0; left--) write();
      time.now++;
      await new Promise(setImmediate);
    }
    const rows = [...numbers.entries()].map(([key, value]): [number, string] => [value, key]);
    const byValue = [...numbers.indexes.byValue.entries()].map(([value, key]) => [value, key]);
    expect(byValue).toEqual(rows.sort(([a, one], [b, other]) => a - b || (one < other ? -1 : 1)));
    expect(numbers.indexes.byTens.count()).toBe(2 * rows.length);
    for (const tens of [0, 50])
      expect(numbers.indexes.byTens.count({ gte: tens, lt: tens + 1 })).toBe(
        rows.filter(([value]) => value >= tens && value < tens + 10).length,
      );
  });

  test('ends with the store and with the namespace', async () => {
    const one = await large();
    void one.world.db.close();
    await expect(one.users.ready).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    const other = await large();
    other.world.db.drop('users');
    await expect(other.users.ready).rejects.toMatchObject({ code: 'KEELSON_DROPPED' });
    expect(() => other.users.indexes.byAge.count()).toThrow(
      expect.objectContaining({ code: 'KEELSON_DROPPED' }),
    );
    expect(usersOf(other.world).indexes.byAge.count()).toBe(0);
  });
});

describe('a namespace without indexes', () => {
  test('is ready, and has none', async () => {
    const { db } = await World.open();
    const plain = db.namespace('plain');
    expect(await plain.ready).toBe(plain);
    expect(plain.indexes).toEqual({});
    expect(plain.stats().indexes).toEqual({});
  });
});
