// What the types of namespaces, transactions, snapshots and conditions promise.

import { expectTypeOf, it } from 'vitest';
import {
  type BatchOperation,
  type ConditionalOptions,
  type CustomValueEncoding,
  type IndexedReads,
  json,
  type Lsn,
  msgpack,
  type Namespace,
  type NamespaceOperation,
  type NoIndexes,
  type PutOptions,
  type Snapshot,
  type Store,
  type Transaction,
  type TransactionCollection,
  type TransactionOptions,
  type Tuple,
  tuple,
} from '../../src/index.js';

interface User {
  readonly name: string;
}

interface Job {
  readonly at: number;
}

declare const db: Store<string, User>;
declare const jobs: Namespace<[string, number], Job>;
declare const users: Namespace<string, User>;
declare const points: CustomValueEncoding<{ readonly x: number }>;

/** Nothing is called: a test is what the compiler finds. */
function unused(check: () => unknown): void {
  expectTypeOf(check).toBeFunction();
}

it('types a namespace by its encodings', () => {
  unused(() => {
    expectTypeOf(db.namespace('n')).toEqualTypeOf<Namespace<string, unknown>>();
    expectTypeOf(db.namespace('n', {})).toEqualTypeOf<Namespace<string, unknown>>();
    expectTypeOf(db.namespace('n', { keyEncoding: 'bytes' })).toEqualTypeOf<Namespace<Uint8Array, unknown>>();
    expectTypeOf(db.namespace('n', { keyEncoding: 'tuple' })).toEqualTypeOf<Namespace<Tuple, unknown>>();
    expectTypeOf(db.namespace('n', { valueEncoding: 'utf8' })).toEqualTypeOf<Namespace<string, string>>();
    expectTypeOf(db.namespace('n', { valueEncoding: json<User>() })).toEqualTypeOf<Namespace<string, User>>();
    expectTypeOf(db.namespace('n', { valueEncoding: points })).toEqualTypeOf<
      Namespace<string, { readonly x: number }>
    >();
    expectTypeOf(
      db.namespace('n', { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<Job>() }),
    ).toEqualTypeOf<Namespace<[string, number], Job>>();
  });
});

it('types a namespace by the types that are given, or by the variable that takes it', () => {
  unused(() => {
    expectTypeOf(db.namespace<User>('n')).toEqualTypeOf<Namespace<string, User>>();
    expectTypeOf(db.namespace<User>('n', { valueEncoding: 'json' })).toEqualTypeOf<Namespace<string, User>>();
    expectTypeOf(db.namespace<User>('n', { keyEncoding: 'bytes' })).toEqualTypeOf<
      Namespace<Uint8Array, User>
    >();
    expectTypeOf(db.namespace<User>('n', { keyEncoding: 'tuple' })).toEqualTypeOf<Namespace<Tuple, User>>();
    expectTypeOf(db.namespace<Job, [string, number]>('n', { keyEncoding: tuple() })).toEqualTypeOf<
      Namespace<[string, number], Job>
    >();
    const users: Namespace<string, User> = db.namespace('n');
    const pairs: Namespace<[string, number], Job> = db.namespace('n', {
      keyEncoding: tuple<[string, number]>(),
    });
    return [users, pairs];
  });
});

it('refuses wrong options of a namespace at the option', () => {
  unused(() => {
    db.namespace('n', {
      // @ts-expect-error no such encoding
      keyEncoding: 'latin1',
    });
    db.namespace('n', {
      // @ts-expect-error no such encoding
      valueEncoding: 'xml',
    });
    db.namespace('n', {
      keyEncoding: 'bytes',
      // @ts-expect-error no such option
      create: false,
    });
    db.namespace<User>('n', {
      // @ts-expect-error values of another type
      valueEncoding: json<Job>(),
    });
    db.namespace<Job, [string, number]>('n', {
      // @ts-expect-error keys of another type
      keyEncoding: tuple<[number]>(),
    });
    // @ts-expect-error no name
    db.namespace();
    // @ts-expect-error a name is a string
    db.drop(7);
    // @ts-expect-error no such option
    db.drop('n', { ifVersion: 1 });
  });
});

it('types the reads and writes of a namespace, also in a transaction and in a snapshot', () => {
  unused(() => {
    expectTypeOf(jobs.get(['a', 1])).toEqualTypeOf<Job | undefined>();
    expectTypeOf(jobs.keys({ prefix: ['a'] })).toEqualTypeOf<IteratorObject<[string, number], undefined>>();
    expectTypeOf(jobs.put(['a', 1], { at: 1 })).resolves.toEqualTypeOf<Lsn>();
    expectTypeOf(db.drop(jobs)).resolves.toEqualTypeOf<Lsn>();
    expectTypeOf(db.namespaces()).toEqualTypeOf<string[]>();
    const before = db.snapshot();
    expectTypeOf(before).toEqualTypeOf<Snapshot<string, User>>();
    expectTypeOf(before.in(jobs)).toEqualTypeOf<IndexedReads<[string, number], Job, NoIndexes>>();
    // @ts-expect-error a snapshot takes no writes
    before.put;
    // @ts-expect-error nor its namespaces
    before.in(jobs).put;
    // @ts-expect-error a name is no namespace
    before.in('jobs');
    // @ts-expect-error a key of another type
    jobs.get('a');
    // @ts-expect-error a value of another type
    jobs.put(['a', 1], { name: 'Ada' });
    db.transaction((tx) => {
      expectTypeOf(tx).toEqualTypeOf<Transaction<string, User>>();
      expectTypeOf(tx.get('a')).toEqualTypeOf<User | undefined>();
      expectTypeOf(tx.put('a', { name: 'Ada' })).toEqualTypeOf<void>();
      expectTypeOf(tx.in(jobs)).toEqualTypeOf<TransactionCollection<[string, number], Job>>();
      expectTypeOf(tx.in(jobs).nth(0)).toEqualTypeOf<[[string, number], Job] | undefined>();
      expectTypeOf(tx.lsn).toEqualTypeOf<Lsn | null>();
      expectTypeOf(tx.nested((inner) => inner.size)).toEqualTypeOf<number>();
      expectTypeOf(tx.nested(async (inner) => inner.get('a'))).toEqualTypeOf<Promise<User | undefined>>();
      tx.atCommit((last) => void last.put('a', { name: 'Ada' }));
      // @ts-expect-error a part at the commit returns no promise
      tx.atCommit(async () => {});
      // @ts-expect-error a value of another type
      tx.put('a', { at: 1 });
      // @ts-expect-error a value of another type
      tx.in(jobs).put(['a', 1], { name: 'Ada' });
      // @ts-expect-error a key of another type
      tx.in(jobs).delete('a');
      // @ts-expect-error a put of a transaction has no condition
      tx.put('a', { name: 'Ada' }, { ifVersion: 1 });
      // @ts-expect-error a clear of a transaction has no limit
      tx.clear({ limit: 1 });
      // @ts-expect-error the store itself is no namespace
      tx.in(db);
    });
  });
});

it('types the result of a transaction', () => {
  unused(() => {
    expectTypeOf(db.transaction(() => 7)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(db.transaction(async () => 7)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(db.transaction(() => {})).toEqualTypeOf<Promise<void>>();
    expectTypeOf(db.transaction((tx) => tx.get('a'))).toEqualTypeOf<Promise<User | undefined>>();
    expectTypeOf(db.transaction(async (tx) => [...tx.entries()])).toEqualTypeOf<Promise<[string, User][]>>();
    expectTypeOf(db.transaction((tx) => (tx.attempt > 1 ? Promise.resolve('late') : tx.size))).toEqualTypeOf<
      Promise<string | number>
    >();
    expectTypeOf<TransactionOptions['signal']>().toEqualTypeOf<AbortSignal | undefined>();
    db.transaction(() => 7, {
      durability: 'memory',
      maxAttempts: 3,
      timeoutMs: 10,
      signal: AbortSignal.timeout(9),
    });
    db.transaction(() => 7, {
      maxAttempts: 3,
      // @ts-expect-error no such option
      retries: 3,
    });
    db.transaction(() => 7, {
      // @ts-expect-error an option of another type
      timeoutMs: '10',
    });
    db.transaction(() => 7, {
      // @ts-expect-error a controller is no signal
      signal: new AbortController(),
    });
    // @ts-expect-error a transaction needs a function
    db.transaction();
  });
});

it('types conditions', () => {
  unused(() => {
    const options: PutOptions = { ifVersion: 0, durability: 'memory' };
    expectTypeOf<ConditionalOptions>().toExtend<PutOptions>();
    db.put('a', { name: 'Ada' }, options);
    db.delete('a', { ifVersion: db.lastLsn });
    const entry = db.getEntry('a');
    if (entry !== undefined) db.put('a', { name: 'Ada' }, { ifVersion: entry.version });
    // @ts-expect-error the version of an absent key is undefined, and no condition
    db.put('a', { name: 'Ada' }, { ifVersion: entry?.version });
    // @ts-expect-error a clear has no condition
    db.clear({}, { ifVersion: 1 });
    // @ts-expect-error a batch has checks instead
    db.batch([], { ifVersion: 1 });
    db.put(
      'a',
      { name: 'Ada' },
      {
        // @ts-expect-error no such option
        timeToLive: 7,
      },
    );
  });
});

it('types the operations of a batch, in other namespaces too', () => {
  unused(() => {
    const operations: BatchOperation<string, User>[] = [
      { type: 'put', key: 'a', value: { name: 'Ada' } },
      { type: 'delete', key: 'a' },
      { type: 'check', key: 'a', version: 0 },
      { type: 'clear', prefix: 'a', limit: 3, reverse: true },
      { type: 'put', key: ['a', 1], value: { at: 1 }, namespace: jobs },
      { type: 'check', key: ['a', 1], version: 7, namespace: jobs },
      { type: 'clear', prefix: ['a'], namespace: jobs },
    ];
    db.batch(operations);
    jobs.batch([
      { type: 'put', key: ['a', 1], value: { at: 1 } },
      { type: 'put', key: 'a', value: { name: 'Ada' }, namespace: db.namespace<User>('users') },
    ]);
    db.batch(['a', 'b'].map((key) => ({ type: 'put', key, value: { name: key }, namespace: users })));
    const keys = ['a', 'b'].map((key): NamespaceOperation<typeof jobs> => {
      return { type: 'delete', key: [key, 1], namespace: jobs };
    });
    db.batch([...keys, { type: 'delete', key: 'a' }]);
    // @ts-expect-error a key of the store, not of the namespace
    db.batch([{ type: 'put', key: 'a', value: { at: 1 }, namespace: jobs }]);
    // @ts-expect-error a value of the store, not of the namespace
    db.batch([{ type: 'put', key: ['a', 1], value: { name: 'Ada' }, namespace: jobs }]);
    // @ts-expect-error a bound of the store, not of the namespace
    db.batch([{ type: 'clear', prefix: 'a', namespace: jobs }]);
    db.batch([
      { type: 'delete', key: 'a', namespace: users },
      // @ts-expect-error a key of the one namespace with the other
      { type: 'delete', key: 'a', namespace: jobs },
    ]);
    // @ts-expect-error no such field
    db.batch([{ type: 'delete', key: 'a', namespace: users, version: 7 }]);
    // @ts-expect-error a value of another type
    db.batch([{ type: 'put', key: 'a', value: { at: 1 } }]);
    // @ts-expect-error a key of another type
    jobs.batch([{ type: 'delete', key: 'a' }]);
    // @ts-expect-error a check has a version
    db.batch([{ type: 'check', key: 'a' }]);
    // @ts-expect-error an offset means nothing to a clear
    db.batch([{ type: 'clear', offset: 3 }]);
    // @ts-expect-error no such operation
    db.batch([{ type: 'drop', key: 'a' }]);
    // @ts-expect-error a name is no namespace
    db.batch([{ type: 'delete', key: 'a', namespace: 'jobs' }]);
    // @ts-expect-error the store itself is no namespace
    db.batch([{ type: 'delete', key: 'a', namespace: db }]);
  });
});

it('types the id of the store and of nextId()', () => {
  unused(() => {
    expectTypeOf(db.id).toEqualTypeOf<string>();
    expectTypeOf(db.nextId()).toEqualTypeOf<number>();
    expectTypeOf(db.lastLsn).toEqualTypeOf<Lsn>();
    expectTypeOf(db.durableLsn).toEqualTypeOf<Lsn>();
  });
});
