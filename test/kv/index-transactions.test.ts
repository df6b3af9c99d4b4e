// Secondary indexes in transactions and snapshots: what their reads show, what conflicts, and when they are not ready.

import { describe, expect, test } from 'vitest';
import { msgpack } from '../../src/index.js';
import { NOTHING_HELD, World } from './transaction-tools.js';

interface User {
  readonly email?: string;
  readonly age?: number;
}

const OPTIONS = { valueEncoding: msgpack<User>() };

async function opened(options: object = {}) {
  const world = await World.open(options);
  return { world, db: world.db, users: declared(world) };
}

function declared({ db }: World) {
  return db.namespace('users', {
    ...OPTIONS,
    indexes: (index) => ({
      byEmail: index.unique((user) => user.email),
      byAge: index((user) => user.age),
    }),
  });
}

const UNIQUE = expect.objectContaining({ code: 'KEELSON_UNIQUE' });
const CONFLICT = expect.objectContaining({ code: 'KEELSON_CONFLICT' });
const NOT_READY = expect.objectContaining({ code: 'KEELSON_NOT_READY' });

describe('index reads of a transaction', () => {
  test.each(['synchronous', 'asynchronous'])('show its own writes when it is %s', async (kind) => {
    const { db, users } = await opened();
    users.put('a', { email: 'a@x', age: 1 });
    users.put('b', { email: 'b@x', age: 2 });
    users.put('c', { email: 'c@x', age: 3 });
    const seen: unknown[] = [];
    await db.transaction((tx) => {
      const inTx = tx.in(users);
      const { byEmail, byAge } = inTx.indexes;
      const look = () => {
        seen.push([...byAge.entries()].map(([age, key]) => `${age}${key}`).join(' '));
        expect(byAge.count()).toBe([...byAge.keys()].length);
        expect([...byAge.keys({ reverse: true })].reverse()).toEqual([...byAge.keys()]);
        for (const [at, [age, key, user]] of [...byAge.entries()].entries()) {
          expect(byAge.nth(at)).toEqual([age, key, user]);
          expect(inTx.get(key)).toEqual(user);
        }
      };
      const run = () => {
        look();
        inTx.put('a', { email: 'new@x', age: 5 });
        look();
        expect([byEmail.getKey('a@x'), byEmail.getKey('new@x')]).toEqual([undefined, 'a']);
        inTx.put('d', { age: 0 });
        inTx.delete('b');
        look();
        expect(byAge.rank(5)).toBe(2);
        tx.nested((inner) => {
          inner.in(users).clear({ gte: 'c' });
          expect([...inner.in(users).indexes.byAge.keys()]).toEqual(['a']);
          inner.in(users).put('c', { email: 'a@x', age: 9 });
          expect(inner.in(users).indexes.byEmail.get('a@x')).toEqual({ email: 'a@x', age: 9 });
          look();
        });
        try {
          tx.nested((inner) => {
            inner.in(users).clear();
            look();
            inner.in(users).put('z', { age: 7 });
            look();
            throw new Error('undo');
          });
        } catch {
          look();
        }
      };
      if (kind === 'synchronous') return run();
      return Promise.resolve().then(run);
    });
    expect(seen).toEqual(['1a 2b 3c', '2b 3c 5a', '0d 3c 5a', '5a 9c', '', '7z', '5a 9c']);
    expect([...users.indexes.byAge.entries()].map(([age, key]) => `${age}${key}`)).toEqual(['5a', '9c']);
    expect(users.indexes.byEmail.getKey('a@x')).toBe('c');
  });

  test('of doubles show the one that was put last, and the commit refuses them', async () => {
    const { world, db, users } = await opened();
    users.put('m', { email: 'same' });
    const before = world.content;
    const seen: unknown[] = [];
    const run = () =>
      db.transaction((tx) => {
        const { byEmail } = tx.in(users).indexes;
        tx.in(users).put('z', { email: 'same', age: 1 });
        seen.push(byEmail.getKey('same'), byEmail.get('same'));
        tx.in(users).put('a', { email: 'same', age: 2 });
        seen.push(byEmail.getKey('same'));
        tx.in(users).put('z', { email: 'same', age: 3 });
        seen.push(byEmail.get('same'));
      });
    expect(run).toThrow(UNIQUE);
    expect(seen).toEqual(['z', { email: 'same', age: 1 }, 'a', { email: 'same', age: 3 }]);
    expect(world.content).toEqual(before);
    await db.transaction((tx) => {
      tx.in(users).put('z', { email: 'same' });
      tx.in(users).delete('m');
    });
    expect(users.indexes.byEmail.getKey('same')).toBe('z');
  });

  test('show the state of the view, whatever others write meanwhile', async () => {
    const { db, users } = await opened();
    users.put('a', { email: 'a@x', age: 1 });
    users.put('b', { email: 'b@x', age: 2 });
    const seen: unknown[] = [];
    await db
      .transaction(async (tx) => {
        await null;
        users.put('a', { email: 'changed', age: 8 });
        users.delete('b');
        users.put('c', { email: 'a@x', age: 1 });
        const { byEmail, byAge } = tx.in(users).indexes;
        seen.push(byEmail.getKey('a@x'), byEmail.get('b@x'), byEmail.getKey('changed'), [...byAge.keys()]);
        tx.in(users).delete('a');
        seen.push(byEmail.getKey('a@x'), [...byAge.entries()]);
        tx.in(users).clear({ lt: 'b' });
        seen.push([...byAge.keys()]);
        tx.in(users).clear();
        seen.push(byAge.count());
        throw new Error('enough');
      })
      .catch(() => {});
    expect(seen).toEqual([
      'a',
      { email: 'b@x', age: 2 },
      undefined,
      ['a', 'b'],
      undefined,
      [[2, 'b', { email: 'b@x', age: 2 }]],
      ['b'],
      0,
    ]);
  });

  test('of a part at the commit show live state under the writes', async () => {
    const { db, users } = await opened();
    users.put('a', { age: 1 });
    const seen: unknown[] = [];
    await db.transaction(async (tx) => {
      tx.in(users).put('b', { age: 2 });
      seen.push([...tx.in(users).indexes.byAge.keys()]);
      await null;
      users.put('c', { age: 0 });
      tx.atCommit((last) => {
        seen.push([...last.in(users).indexes.byAge.keys()]);
      });
      tx.in(users).put('d', { age: -1 });
    });
    // The range that was read has changed, so the function runs again.
    expect(seen).toEqual(
      [
        ['a', 'b'],
        ['c', 'a', 'b'],
        ['d', 'c', 'a', 'b'],
      ].map((keys) => keys),
    );
  });

  test('throw a put that a function refuses, and the transaction goes on without it', async () => {
    const world = await World.open();
    const values = world.db.namespace('values', {
      valueEncoding: msgpack<number>(),
      indexes: (index) => ({ by: index((value) => (value === 3 ? Number.NaN : value)) }),
    });
    await world.db.transaction((tx) => {
      tx.in(values).put('a', 1);
      expect(() => tx.in(values).put('b', 3)).toThrow(/the index 'by' .*, result/);
      expect(tx.in(values).has('b')).toBe(false);
      expect([...tx.in(values).indexes.by.keys()]).toEqual(['a']);
    });
    expect([...values.entries()]).toEqual([['a', 1]]);
  });

  test('of an index that is declared in the function show what was put before', async () => {
    const { db } = await World.open();
    const plain = db.namespace('n', { valueEncoding: msgpack<number>() });
    await db.transaction((tx) => {
      tx.in(plain).put('a', 2);
      const indexed = db.namespace('n', {
        valueEncoding: msgpack<number>(),
        indexes: (index) => ({ by: index((value) => value) }),
      });
      tx.in(indexed).put('b', 1);
      expect([...tx.in(indexed).indexes.by.keys()]).toEqual(['b', 'a']);
    });
    const { indexes } = db.namespace('n') as unknown as { indexes: { by: { keys(): Iterable<string> } } };
    expect([...indexes.by.keys()]).toEqual(['b', 'a']);
  });
});

describe('an asynchronous transaction that has read an index', () => {
  type Opened = Awaited<ReturnType<typeof opened>>;
  type Tx = Parameters<Parameters<Opened['db']['transaction']>[0]>[0];
  const bothEnds = async (
    read: (tx: Tx, opened: Opened) => unknown,
    write: (opened: Opened) => unknown,
    options?: object,
  ): Promise<number> => {
    const here = await opened(options);
    const { db, users, world } = here;
    for (let n = 0; n < 10; n++) users.put(`u${n}`, { email: `e${n}`, age: n });
    let attempts = 0;
    await db.transaction(async (tx) => {
      attempts = tx.attempt;
      read(tx, here);
      tx.put('x', attempts);
      await null;
      if (attempts === 1) write(here);
    });
    expect(world.held).toEqual(NOTHING_HELD);
    return attempts;
  };

  test.each<[string, number, (tx: Tx, opened: Opened) => unknown, (opened: Opened) => unknown]>([
    [
      'a value that nobody had, which another takes',
      2,
      (tx, { users }) => tx.in(users).indexes.byEmail.get('new'),
      ({ users }) => users.put('other', { email: 'new' }),
    ],
    [
      'a value that nobody had, while another value is taken',
      1,
      (tx, { users }) => tx.in(users).indexes.byEmail.get('new'),
      ({ users }) => users.put('other', { email: 'newer' }),
    ],
    [
      'the value of an entry that changes otherwise',
      2,
      (tx, { users }) => tx.in(users).indexes.byEmail.get('e1'),
      ({ users }) => users.put('u1', { email: 'e1', age: 100 }),
    ],
    [
      'the key of an entry that changes otherwise',
      1,
      (tx, { users }) => tx.in(users).indexes.byEmail.getKey('e1'),
      ({ users }) => users.put('u1', { email: 'e1', age: 100 }),
    ],
    [
      'a range that an entry leaves',
      2,
      (tx, { users }) => [...tx.in(users).indexes.byAge.keys({ gte: 3, lt: 5 })],
      ({ users }) => users.put('u3', { age: 20 }),
    ],
    [
      'a range that an entry enters',
      2,
      (tx, { users }) => tx.in(users).indexes.byAge.count({ gte: 3, lt: 5 }),
      ({ users }) => users.put('u9', { age: 4 }),
    ],
    [
      'a range beside which entries move',
      1,
      (tx, { users }) => [...tx.in(users).indexes.byAge.keys({ gte: 3, lt: 5 })],
      ({ users }) => users.put('u9', { age: 7 }),
    ],
    [
      'a range up to where it stopped',
      1,
      (tx, { users }) => tx.in(users).indexes.byAge.keys().next(),
      ({ users }) => users.put('u9', { age: 1 }),
    ],
    [
      'keys of a range in which a value changes',
      1,
      (tx, { users }) => [...tx.in(users).indexes.byAge.keys()],
      ({ users }) => users.put('u5', { email: 'other', age: 5 }),
    ],
    [
      'values of a range in which a value changes',
      2,
      (tx, { users }) => [...tx.in(users).indexes.byAge.values({ gte: 5, lte: 5 })],
      ({ users }) => users.put('u5', { email: 'other', age: 5 }),
    ],
    [
      'a rank below which an entry is deleted',
      2,
      (tx, { users }) => tx.in(users).indexes.byAge.rank(5),
      ({ users }) => users.delete('u2'),
    ],
    [
      'a rank above which an entry is deleted',
      1,
      (tx, { users }) => tx.in(users).indexes.byAge.rank(5),
      ({ users }) => users.delete('u7'),
    ],
    [
      'a place above which an entry is deleted',
      1,
      (tx, { users }) => tx.in(users).indexes.byAge.nth(5),
      ({ users }) => users.delete('u7'),
    ],
    [
      'a place below which an entry comes',
      2,
      (tx, { users }) => tx.in(users).indexes.byAge.nth(5),
      ({ users }) => users.put('new', { age: -1 }),
    ],
    [
      'a range of which a part is cleared',
      2,
      (tx, { users }) => tx.in(users).indexes.byAge.count({ gte: 3, lt: 5 }),
      ({ users }) => users.clear({ gte: 'u4' }),
    ],
    [
      'a range beside a part that is cleared',
      1,
      (tx, { users }) => tx.in(users).indexes.byAge.count({ gte: 3, lt: 5 }),
      ({ users }) => users.clear({ gte: 'u5' }),
    ],
    [
      'a range while all is cleared',
      2,
      (tx, { users }) => tx.in(users).indexes.byAge.count({ gte: 3, lt: 5 }),
      ({ users }) => users.clear(),
    ],
  ])('conflicts by what was changed of %s: %d attempts', async (_, attempts, read, write) => {
    expect(await bothEnds(read, write)).toBe(attempts);
  });

  test.each([
    ['in the range', 2, 4],
    ['beside it', 1, 7],
  ])('compares views when more was written than the log holds, %s', async (_, attempts, age) => {
    const much = ({ users, db }: Opened) => {
      for (let n = 0; n < 20_000; n++) db.put(`k${n}`, n, { durability: 'memory' });
      users.put('u9', { age });
    };
    const read = (tx: Tx, { users }: Opened) => tx.in(users).indexes.byAge.count({ gte: 3, lt: 5 });
    expect(await bothEnds(read, much)).toBe(attempts);
  });

  test('ends with a conflict that names the index', async () => {
    const { db, users } = await opened();
    const run = db.transaction(
      async (tx) => {
        tx.in(users).indexes.byAge.count();
        tx.put('x', 1);
        await null;
        users.put(`u${tx.attempt}`, { age: 1 });
      },
      { maxAttempts: 2 },
    );
    await expect(run).rejects.toEqual(CONFLICT);
    await expect(run).rejects.toThrow(/the index 'byAge' of the namespace "users"/);
  });
});

describe('unique indexes under concurrent transactions', () => {
  test('let one of many take a value', async () => {
    const { db, users } = await opened();
    const take = (key: string) =>
      db.transaction(async (tx) => {
        await null;
        tx.in(users).put(key, { email: 'wanted' });
        await null;
      });
    const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map(take));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    for (const result of results.slice(1)) expect(result).toMatchObject({ reason: UNIQUE });
    expect(users.indexes.byEmail.getKey('wanted')).toBe('a');
  });

  test('let those that look first find the one that has it', async () => {
    const { db, users } = await opened();
    const take = (key: string) =>
      db.transaction(async (tx) => {
        await null;
        const has = tx.in(users).indexes.byEmail.getKey('wanted');
        if (has !== undefined) return has;
        tx.in(users).put(key, { email: 'wanted' });
        return key;
      });
    expect(await Promise.all(['a', 'b', 'c', 'd'].map(take))).toEqual(['a', 'a', 'a', 'a']);
  });

  test('let two entries swap values', async () => {
    const { db, users } = await opened();
    users.put('a', { email: '1' });
    users.put('b', { email: '2' });
    await db.transaction(async (tx) => {
      await null;
      const [a, b] = tx.in(users).getMany(['a', 'b']);
      tx.in(users).put('a', b!);
      tx.in(users).put('b', a!);
    });
    expect([users.indexes.byEmail.getKey('1'), users.indexes.byEmail.getKey('2')]).toEqual(['b', 'a']);
  });
});

describe('a snapshot', () => {
  test('keeps its indexes', async () => {
    const { db, users } = await opened();
    users.put('a', { email: 'a@x', age: 1 });
    users.put('b', { email: 'b@x', age: 2 });
    const before = db.snapshot();
    users.put('a', { email: 'new', age: 9 });
    users.delete('b');
    const between = db.snapshot();
    users.clear();
    db.drop(users);
    const inBefore = before.in(users).indexes;
    expect(inBefore.byEmail.get('a@x')).toEqual({ email: 'a@x', age: 1 });
    expect([...inBefore.byAge.entries()].map(([age, key]) => [age, key])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect([...between.in(users).indexes.byAge.entries()]).toEqual([[9, 'a', { email: 'new', age: 9 }]]);
    before.close();
    expect(() => inBefore.byAge.count()).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });

  test('and a transaction have no index that was declared after them', async () => {
    const { db } = await World.open();
    const plain = db.namespace('users', OPTIONS);
    plain.put('a', { email: 'a@x' });
    const before = db.snapshot();
    const transaction = db.transaction(async (tx) => {
      await null;
      const users = db.namespace('users', {
        ...OPTIONS,
        indexes: (index) => ({ byEmail: index.unique((user) => user.email) }),
      });
      expect(() => before.in(users).indexes.byEmail.count()).toThrow(NOT_READY);
      expect(db.snapshot().in(users).indexes.byEmail.count()).toBe(1);
      tx.in(users).put('b', { email: 'b@x' });
      return tx.in(users).indexes.byEmail.count();
    });
    await expect(transaction).rejects.toEqual(NOT_READY);
    expect(db.namespace('users').size).toBe(1);
  });

  test('of a namespace that was not there has empty indexes', async () => {
    const { db, users } = await opened();
    const before = db.snapshot();
    users.put('a', { email: 'a@x' });
    expect(before.in(users).indexes.byEmail.count()).toBe(0);
    expect(before.in(users).indexes.byEmail.get('a@x')).toBeUndefined();
  });
});
