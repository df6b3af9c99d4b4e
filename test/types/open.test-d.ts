// What the types promise: the encodings decide what keys and values are.

import { expectTypeOf, it } from 'vitest';
import {
  type CustomValueEncoding,
  type Entry,
  type Lsn,
  open,
  type Snapshot,
  type Store,
  type VersionedValue,
} from '../../src/index.js';
import { type Journal, openJournal } from '../../src/journal/index.js';
import type { LocalLog } from '../../src/journal/internal.js';

interface User {
  readonly name: string;
}

declare const points: CustomValueEncoding<{ x: number; y: number }>;

it('types a store by its value type and its encodings', () => {
  expectTypeOf(open<User>('d')).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open<User>('d', { valueEncoding: 'json' })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open<User>('d', { create: false })).resolves.toEqualTypeOf<Store<string, User>>();
  expectTypeOf(open('d')).resolves.toEqualTypeOf<Store<string, unknown>>();
  expectTypeOf(open<User>('d', { keyEncoding: 'bytes' })).resolves.toEqualTypeOf<Store<Uint8Array, User>>();
  expectTypeOf(open('d', { valueEncoding: 'utf8' })).resolves.toEqualTypeOf<Store<string, string>>();
  expectTypeOf(open('d', { valueEncoding: 'bytes' })).resolves.toEqualTypeOf<Store<string, Uint8Array>>();
  expectTypeOf(open('d', { keyEncoding: 'bytes', valueEncoding: 'utf8' })).resolves.toEqualTypeOf<
    Store<Uint8Array, string>
  >();
  expectTypeOf(open('d', { keyEncoding: 'bytes', valueEncoding: 'bytes' })).resolves.toEqualTypeOf<
    Store<Uint8Array, Uint8Array>
  >();
  expectTypeOf(open('d', { valueEncoding: points })).resolves.toEqualTypeOf<
    Store<string, { x: number; y: number }>
  >();
  expectTypeOf(open('d', { keyEncoding: 'bytes', valueEncoding: points })).resolves.toEqualTypeOf<
    Store<Uint8Array, { x: number; y: number }>
  >();
});

it('refuses wrong keys, values, options and batches at compile time', () => {
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
    // @ts-expect-error no such encoding
    open('d', { valueEncoding: 'xml' });
    // @ts-expect-error no such option
    open('d', { durability: 'disk' });
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
