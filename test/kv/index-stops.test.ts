// JavaScript that is stopped inside of an index function, by a timeout of node:vm (a REPL's Ctrl-C is the same). No `finally`
// runs then, but no entry is half written: the store goes on.
//
// A stop in the call that declares an index left a namespace whose handle never got the index: reads of it found nothing,
// and another declaration was refused.

import vm from 'node:vm';
import { expect, test } from 'vitest';
import { type IndexDefinition, msgpack, type Namespace } from '../../src/index.js';
import { World } from './transaction-tools.js';

interface User {
  readonly age: number;
}
type Users = Namespace<string, User, { readonly byAge: IndexDefinition<boolean> }>;

/** The value for which an index function does not come back, while `isArmed`. */
const ENDLESS = 13;
/** A busy machine must come to the function meanwhile. */
const TIMEOUT_MS = 250;

class Trap {
  isArmed = true;

  readonly ageOf = ({ age }: User): number => {
    while (this.isArmed && age === ENDLESS);
    return age;
  };
}

function declare({ db }: World, trap: Trap, isUnique: boolean): Users {
  return db.namespace('users', {
    valueEncoding: msgpack<User>(),
    indexes: (index) => ({ byAge: isUnique ? index.unique(trap.ageOf) : index(trap.ageOf) }),
  });
}

/** Makes a call that never ends, and stops it. */
async function stopIn(call: () => unknown): Promise<void> {
  const stopped = () => vm.runInNewContext('call()', { call }, { timeout: TIMEOUT_MS });
  expect(stopped).toThrow(expect.objectContaining({ code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' }));
  // The guard of index functions is left in a microtask.
  await Promise.resolve();
}

const content = (users: Users) => [...users.indexes.byAge.entries()].map(([age, key]) => [age, key]);

test.each([false, true])(
  'a put that is stopped in the function writes nothing (unique: %s)',
  async (isUnique) => {
    const world = await World.open();
    const trap = new Trap();
    const users = declare(world, trap, isUnique);
    await users.put('a', { age: 1 });
    await stopIn(() => users.put('b', { age: ENDLESS }));
    await stopIn(() => users.put('a', { age: ENDLESS }));
    await stopIn(() =>
      users.batch([
        { type: 'put', key: 'c', value: { age: 3 } },
        { type: 'put', key: 'd', value: { age: ENDLESS } },
      ]),
    );
    expect(world.db.poisoned).toBeNull();
    expect(content(users)).toEqual([[1, 'a']]);
    expect(users.size).toBe(1);
    trap.isArmed = false;
    await users.put('b', { age: ENDLESS });
    await users.put('a', { age: 2 });
    expect(content(users)).toEqual([
      [2, 'a'],
      [ENDLESS, 'b'],
    ]);
  },
);

test('an overwrite that is stopped while the old value is compared writes nothing', async () => {
  const world = await World.open();
  const trap = new Trap();
  trap.isArmed = false;
  const users = declare(world, trap, false);
  await users.put('a', { age: ENDLESS });
  trap.isArmed = true;
  await stopIn(() => users.put('a', { age: 1 }));
  expect(users.get('a')).toEqual({ age: ENDLESS });
  expect(content(users)).toEqual([[ENDLESS, 'a']]);
  trap.isArmed = false;
  await users.put('a', { age: 1 });
  expect(content(users)).toEqual([[1, 'a']]);
});

test('a transaction that is stopped in the function writes nothing', async () => {
  const world = await World.open();
  const trap = new Trap();
  const users = declare(world, trap, false);
  await users.put('a', { age: 1 });
  await stopIn(() =>
    world.db.transaction((tx) => {
      tx.in(users).put('a', { age: 2 });
      tx.in(users).put('b', { age: ENDLESS });
      return [...tx.in(users).indexes.byAge.keys()];
    }),
  );
  expect(content(users)).toEqual([[1, 'a']]);
  trap.isArmed = false;
  await world.db.transaction((tx) => {
    tx.in(users).put('b', { age: ENDLESS });
  });
  expect(content(users)).toEqual([
    [1, 'a'],
    [ENDLESS, 'b'],
  ]);
});

test.each([false, true])(
  'a declaration that is stopped in the function is built later (unique: %s)',
  async (isUnique) => {
    const world = await World.open();
    const plain = world.db.namespace('users', { valueEncoding: msgpack<User>() });
    const count = 3 * ENDLESS;
    for (let age = 0; age < count; age++) plain.put(`user-${age}`, { age });
    const trap = new Trap();
    await stopIn(() => declare(world, trap, isUnique));
    trap.isArmed = false;
    const users = world.db.namespace('users') as Users;
    expect(await users.ready).toBe(users);
    expect(content(users)).toEqual(Array.from({ length: count }, (_, age) => [age, `user-${age}`]));
    await users.put('user-x', { age: count });
    users.delete('user-0');
    expect(users.indexes.byAge.count()).toBe(count);
  },
);
