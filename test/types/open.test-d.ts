// What the types promise: the encodings decide what keys and values are.

import { expectTypeOf, it } from 'vitest';
import {
  type BatchOperation,
  type CustomValueEncoding,
  type Entry,
  json,
  type KeyEncoding,
  type KeyOf,
  type KeyType,
  type Lsn,
  msgpack,
  type Namespace,
  open,
  type PrefixOf,
  type Snapshot,
  type Store,
  type Transaction,
  type Tuple,
  tuple,
  type ValueOf,
  type ValueType,
  type VersionedValue,
} from '../../src/index.js';
import { type Journal, openJournal } from '../../src/journal/index.js';
import type { LocalLog } from '../../src/journal/internal.js';
import type { Replica, ReplicaNamespace } from '../../src/replica/index.js';

interface User {
  readonly name: string;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

declare const points: CustomValueEncoding<Point>;

it('takes strings and unknown values where a type of the store is named alone', () => {
  expectTypeOf<Store>().toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf<Snapshot>().toEqualTypeOf<Snapshot<string, unknown>>();
  expectTypeOf<Namespace>().toEqualTypeOf<Namespace<string, unknown>>();
  expectTypeOf<Transaction>().toEqualTypeOf<Transaction<string, unknown>>();
  expectTypeOf<BatchOperation>().toEqualTypeOf<BatchOperation<string, unknown>>();
});

it('types the namespaces of a replica as those of a store', () => {
  const check = (replica: Replica) => {
    expectTypeOf(replica.namespace('n')).toEqualTypeOf<ReplicaNamespace>();
    expectTypeOf(replica.namespace<User>('n')).toEqualTypeOf<ReplicaNamespace<string, User>>();
    expectTypeOf(replica.namespace('n', { valueEncoding: json<User>() })).toEqualTypeOf<
      ReplicaNamespace<string, User>
    >();
    expectTypeOf(replica.namespace('n').ready).resolves.toEqualTypeOf<ReplicaNamespace>();
  };
  expectTypeOf(check).toBeFunction();
});

it('types a store by its encodings', () => {
  expectTypeOf(open('d')).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', {})).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', { create: false })).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', { keyEncoding: 'utf8' })).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', { keyEncoding: 'bytes' })).resolves.toEqualTypeOf<Store<Uint8Array, unknown>>();
  expectTypeOf(open('d', { keyEncoding: 'tuple' })).resolves.toEqualTypeOf<Store<Tuple, unknown>>();
  expectTypeOf(open('d', { keyEncoding: tuple() })).resolves.toEqualTypeOf<Store<Tuple, unknown>>();
  expectTypeOf(open('d', { valueEncoding: 'msgpack' })).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', { valueEncoding: 'json' })).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', { valueEncoding: 'utf8' })).resolves.toEqualTypeOf<Store<string, string>>();
  expectTypeOf(open('d', { valueEncoding: 'bytes' })).resolves.toEqualTypeOf<Store<string, Uint8Array>>();
  expectTypeOf(open('d', { valueEncoding: msgpack<User>() })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open('d', { valueEncoding: json<User>() })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open('d', { valueEncoding: msgpack() })).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open('d', { valueEncoding: points })).resolves.toEqualTypeOf<Store<string, Point>>();
  expectTypeOf(open('d', { keyEncoding: 'bytes', valueEncoding: 'utf8' })).resolves.toEqualTypeOf<
    Store<Uint8Array, string>
  >();
  expectTypeOf(open('d', { keyEncoding: 'bytes', valueEncoding: 'bytes' })).resolves.toEqualTypeOf<
    Store<Uint8Array, Uint8Array>
  >();
  expectTypeOf(open('d', { keyEncoding: 'bytes', valueEncoding: points })).resolves.toEqualTypeOf<
    Store<Uint8Array, Point>
  >();
  expectTypeOf(
    open('d', { valueEncoding: msgpack<User>(), keyEncoding: tuple<[string, number]>() }),
  ).resolves.toEqualTypeOf<Store<[string, number], User>>();
  expectTypeOf(
    open('d', { keyEncoding: tuple<[string, number]>(), valueEncoding: points }),
  ).resolves.toEqualTypeOf<Store<[string, number], Point>>();
  const inline = {
    name: 'date',
    encode: (date: Date) => Buffer.from(date.toISOString()),
    decode: (bytes: Uint8Array) => new Date(Buffer.from(bytes).toString()),
  };
  expectTypeOf(open('d', { valueEncoding: inline })).resolves.toEqualTypeOf<Store<string, Date>>();
});

it('types a store by the types that are given', () => {
  expectTypeOf(open<User>('d')).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open<User>('d', { create: false })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open<User>('d', { keyEncoding: 'utf8' })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open<User>('d', { valueEncoding: 'json' })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open<User>('d', { keyEncoding: 'bytes' })).resolves.toEqualTypeOf<Store<Uint8Array, User>>();
  expectTypeOf(open<User>('d', { keyEncoding: 'tuple', valueEncoding: 'json' })).resolves.toEqualTypeOf<
    Store<Tuple, User>
  >();
  expectTypeOf(open<string>('d', { valueEncoding: 'utf8' })).resolves.toEqualTypeOf<Store<string, string>>();
  expectTypeOf(open<Point>('d', { valueEncoding: points })).resolves.toEqualTypeOf<Store<string, Point>>();
  expectTypeOf(open<User, [string, number]>('d', { keyEncoding: tuple() })).resolves.toEqualTypeOf<
    Store<[string, number], User>
  >();
});

it('types a store by the type of the variable that takes it', () => {
  const check = async () => {
    const users: Store<string, User> = await open('d', { create: false });
    const bytes: Store<Uint8Array, User> = await open('d', { keyEncoding: 'bytes' });
    const pairs: Store<[string, number], User> = await open('d', { keyEncoding: tuple<[string, number]>() });
    return [users, bytes, pairs];
  };
  expectTypeOf(check).toBeFunction();
});

it('gives the type of keys and values of any encoding', () => {
  expectTypeOf<KeyOf<KeyEncoding>>().toEqualTypeOf<string>();
  expectTypeOf<KeyOf<'utf8'>>().toEqualTypeOf<string>();
  expectTypeOf<KeyOf<'bytes'>>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<KeyOf<'tuple'>>().toEqualTypeOf<Tuple>();
  expectTypeOf<KeyOf<KeyType<[bigint]>>>().toEqualTypeOf<[bigint]>();
  expectTypeOf<ValueOf<'msgpack'>>().toEqualTypeOf<unknown>();
  expectTypeOf<ValueOf<'utf8'>>().toEqualTypeOf<string>();
  expectTypeOf<ValueOf<ValueType<User>>>().toEqualTypeOf<User>();
  expectTypeOf<ValueOf<typeof points>>().toEqualTypeOf<Point>();
});

it('takes the first parts of a tuple as a bound', () => {
  expectTypeOf<PrefixOf<string>>().toEqualTypeOf<string>();
  expectTypeOf<PrefixOf<Uint8Array>>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<PrefixOf<Tuple>>().toEqualTypeOf<Tuple>();
  const check = (db: Store<[string, number], User>) => {
    expectTypeOf(db.keys({ prefix: [] })).toEqualTypeOf<IteratorObject<[string, number], undefined>>();
    db.keys({ prefix: ['user'] });
    db.keys({ gte: ['user', 7], lt: ['user', 9] });
    db.count({ gt: ['user'] });
    db.clear({ prefix: ['user'] });
    db.batch([{ type: 'clear', prefix: ['user'] }]);
    // @ts-expect-error a part of another type
    db.keys({ prefix: [7] });
    // @ts-expect-error a part too many
    db.keys({ prefix: ['user', 7, 1] });
    // @ts-expect-error a string is no tuple
    db.keys({ prefix: 'user' });
    // @ts-expect-error a key is a whole tuple
    db.get(['user']);
    // @ts-expect-error a part of another type
    db.put(['user', '7'], { name: 'Ada' });
  };
  expectTypeOf(check).toBeFunction();
});

it('refuses wrong keys, values and batches at compile time', () => {
  const check = (db: Store<string, User>, bytes: Store<Uint8Array, string>) => {
    // @ts-expect-error a key of another type
    db.put(1, { name: 'Ada' });
    // @ts-expect-error a value of another type
    db.put('ada', { nom: 'Ada' });
    // @ts-expect-error a string where keys are bytes
    bytes.get('ada');
    // @ts-expect-error no such durability
    db.put('ada', { name: 'Ada' }, { durability: 'maybe' });
    // @ts-expect-error a put without a value
    db.batch([{ type: 'put', key: 'ada' }]);
    // @ts-expect-error a limit means nothing to a count
    db.count({ limit: 3 });
    // @ts-expect-error an offset means nothing to a count
    db.count({ offset: 3 });
    // @ts-expect-error nor to a clear
    db.clear({ offset: 3 });
    // @ts-expect-error a rank is that of a key
    db.rank(3);
    // @ts-expect-error a place is a number
    db.nth('ada');
    // @ts-expect-error one key where many are read
    db.hasMany('ada');
  };
  expectTypeOf(check).toBeFunction();
});

// Each error stands at the option that is wrong.
it('refuses wrong options at compile time', () => {
  const check = () => {
    open('d', {
      create: false,
      // @ts-expect-error no such encoding
      valueEncoding: 'xml',
    });
    open('d', {
      create: false,
      // @ts-expect-error no such encoding
      keyEncoding: 'latin1',
    });
    open('d', {
      create: false,
      // @ts-expect-error no such option
      durability: 'disk',
    });
    open<User>('d', {
      create: false,
      // @ts-expect-error no such option
      durability: 'disk',
    });
    open('d', {
      keyEncoding: tuple<[string, number]>(),
      valueEncoding: msgpack<User>(),
      // @ts-expect-error an option of another type
      waitForLockMs: '1',
    });
    open('d', {
      keyEncoding: 'bytes',
      // @ts-expect-error an option of another type
      create: 1,
    });
    open<User, [string, number]>('d', {
      keyEncoding: tuple(),
      // @ts-expect-error an option of another type
      create: 1,
    });
    open<User>('d', {
      create: false,
      // @ts-expect-error values of another type
      valueEncoding: json<Point>(),
    });
    open<User, [string, number]>('d', {
      // @ts-expect-error keys of another type
      keyEncoding: tuple<[number]>(),
    });
    // @ts-expect-error no part of a tuple
    tuple<[Date]>();
  };
  expectTypeOf(check).toBeFunction();
});

it('types what is read and what a write resolves with', () => {
  const check = (db: Store<string, User>) => {
    expectTypeOf(db.get('ada')).toEqualTypeOf<User | undefined>();
    expectTypeOf(db.getEntry('ada')?.version).toEqualTypeOf<Lsn | undefined>();
    expectTypeOf(db.put('ada', { name: 'Ada' })).resolves.toEqualTypeOf<Lsn>();
    expectTypeOf(db.entries({ prefix: 'a', limit: 2 })).toEqualTypeOf<
      IteratorObject<[string, User], undefined>
    >();
    expectTypeOf(db.getEntries({ offset: 1, reverse: true })).toEqualTypeOf<
      IteratorObject<Entry<string, User>, undefined>
    >();
    expectTypeOf(db.getEntries()).toExtend<IterableIterator<Entry<string, User>>>();
    expectTypeOf<Entry<string, User>>().toEqualTypeOf<{
      readonly key: string;
      readonly value: User;
      readonly version: Lsn;
      readonly expiresAt?: number;
    }>();
    expectTypeOf(db.getEntryMany(['ada'])).toEqualTypeOf<(VersionedValue<User> | undefined)[]>();
    expectTypeOf(db.hasMany(['ada'])).toEqualTypeOf<boolean[]>();
    expectTypeOf(db.rank('ada')).toEqualTypeOf<number>();
    expectTypeOf(db.nth(-1)).toEqualTypeOf<[string, User] | undefined>();
    expectTypeOf(db.snapshot()).toEqualTypeOf<Snapshot<string, User>>();
    expectTypeOf(db.snapshot().nth(0)).toEqualTypeOf<[string, User] | undefined>();
    expectTypeOf<Lsn>().toExtend<number>();
    expectTypeOf<number>().not.toExtend<Lsn>();
  };
  expectTypeOf(check).toBeFunction();
  expectTypeOf(openJournal('d')).resolves.toEqualTypeOf<Journal>();
});

it('promises of a journal nothing that is for its store only', () => {
  type Shared = 'journalId' | 'nextLsn' | 'syncedLsn' | 'poisoned';
  type Waiting = 'commit' | 'syncThrough' | 'syncThroughSync' | 'drained' | 'stats' | 'close';
  expectTypeOf<keyof Journal & keyof LocalLog>().toEqualTypeOf<Shared | Waiting>();
});
