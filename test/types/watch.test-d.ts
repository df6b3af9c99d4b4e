// The types of watches: of keys and values in states, and of what is refused.

import { expectTypeOf, test } from 'vitest';
import {
  type ChangeGroup,
  type ClosableIterator,
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
  expectTypeOf(db.watch('a')).toEqualTypeOf<ClosableIterator<KeyState<{ readonly name: string }>>>();
  expectTypeOf<KeyState<Login>>().toEqualTypeOf<{
    readonly lsn: Lsn;
    readonly entry: VersionedValue<Login> | undefined;
  }>();
  // @ts-expect-error: not a key of this store
  db.watch(7);
});

test('a watch of a range has states with keys and values of its types', () => {
  type State = RangeState<[user: string, id: number], Login>;
  expectTypeOf(logins().watchRange({ prefix: ['ann'] })).toEqualTypeOf<ClosableIterator<State>>();
  expectTypeOf<State['changed']>().toEqualTypeOf<readonly [user: string, id: number][] | null>();
  expectTypeOf<ReturnType<State['entries']>>().toExtend<Iterable<[[user: string, id: number], Login]>>();
  // @ts-expect-error: the order is an option of entries()
  db.watchRange({ reverse: true });
  // @ts-expect-error: no durability
  db.watch('a', { durability: 'ram' });
});

test('a step of a watch or a feed has a value of its type, or undefined at the end', async () => {
  const check = async () => {
    expectTypeOf((await db.watch('a').next()).value).toEqualTypeOf<
      KeyState<{ readonly name: string }> | undefined
    >();
    expectTypeOf((await db.changes().next()).value).toEqualTypeOf<ChangeGroup | undefined>();
    const feed = logins().changes();
    expectTypeOf(feed).toExtend<AsyncIterableIterator<ChangeGroup<[user: string, id: number], Login>>>();
    const step = await feed.next();
    if (step.done !== true) expectTypeOf(step.value.lsn).toEqualTypeOf<Lsn>();
    expectTypeOf((await feed.return()).value).toEqualTypeOf<
      ChangeGroup<[user: string, id: number], Login> | undefined
    >();
    await using states = db.watchRange();
    for await (const { changed } of states) expectTypeOf(changed).toEqualTypeOf<readonly string[] | null>();
  };
  expectTypeOf(check).toBeFunction();
});
