// The types of watches: of keys and values in states, and of what is refused.

import { expectTypeOf, test } from 'vitest';
import {
  type KeyState,
  type Lsn,
  msgpack,
  type RangeState,
  type Store,
  tuple,
  type VersionedValue,
} from '../../src/kv/index.js';

declare const db: Store<string, { readonly name: string }>;

interface Login {
  readonly from: string;
}

const logins = () =>
  db.namespace('logins', {
    keyEncoding: tuple<[user: string, id: number]>(),
    valueEncoding: msgpack<Login>(),
  });

test('a watch of a key has states with entries of the type of values', () => {
  expectTypeOf(db.watch('a')).toEqualTypeOf<AsyncIterableIterator<KeyState<{ readonly name: string }>>>();
  expectTypeOf<KeyState<Login>>().toEqualTypeOf<{
    readonly lsn: Lsn;
    readonly entry: VersionedValue<Login> | undefined;
  }>();
  // @ts-expect-error: not a key of this store
  db.watch(7);
});

test('a watch of a range has states with keys and values of its types', () => {
  type State = RangeState<[user: string, id: number], Login>;
  expectTypeOf(logins().watchRange({ prefix: ['ann'] })).toEqualTypeOf<AsyncIterableIterator<State>>();
  expectTypeOf<State['changed']>().toEqualTypeOf<readonly [user: string, id: number][] | null>();
  expectTypeOf<ReturnType<State['entries']>>().toExtend<Iterable<[[user: string, id: number], Login]>>();
  // @ts-expect-error: the order is an option of entries()
  db.watchRange({ reverse: true });
  // @ts-expect-error: no durability
  db.watch('a', { durability: 'ram' });
});
