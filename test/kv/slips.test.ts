// What users put in the wrong place: the error says what to write instead, and nothing is written.

import { describe, expect, test } from 'vitest';
import { json, msgpack, tuple } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';

/** Stores of all kinds of keys and values, without types, and a namespace. */
async function untyped() {
  const memory = inMemory();
  const db = (await memory.open('/utf8')) as never as Untyped;
  const bytes = (await memory.open('/bytes', {
    keyEncoding: 'bytes',
    valueEncoding: 'bytes',
  })) as never as Untyped;
  const tuples = (await memory.open('/tuple', {
    keyEncoding: tuple(),
    valueEncoding: json(),
  })) as never as Untyped;
  const texts = (await memory.open('/text', { valueEncoding: 'utf8' })) as never as Untyped;
  const options = { indexes: (index: (fn: unknown) => unknown) => ({ byAge: index(() => undefined) }) };
  return { db, bytes, tuples, texts, users: db['namespace']('users', options) as Untyped };
}

// biome-ignore lint/suspicious/noExplicitAny: JavaScript users have no compiler.
type Untyped = { readonly [name: string]: any };

describe('in the place of a key', () => {
  test('a namespace is told to be that of tx.in()', async () => {
    const { db, bytes, tuples, users } = await untyped();
    const misplaced =
      /^(key|range): expected .*, got a Namespace\. In a transaction write tx\.in\(namespace\)\.get/;
    for (const store of [db, bytes, tuples]) {
      expect(() => store['get'](users, 'a')).toThrow(misplaced);
      expect(() => store['put'](users, 'a', { ttl: 7, other: 1 })).toThrow(misplaced);
      expect(() => store['touch'](users, 'a', { ttl: 7 })).toThrow(misplaced);
      expect(() => store['delete'](users, 'a')).toThrow(misplaced);
      expect(() => store['keys'](users)).toThrow(misplaced);
    }
    await db['transaction']((tx: Untyped) => {
      expect(() => tx['get'](users, 'a')).toThrow(misplaced);
      expect(() => tx['put'](users, 'a', { b: 1 })).toThrow(misplaced);
      expect(() => tx['touch'](users, 'a', { ttl: 7 })).toThrow(misplaced);
      expect(() => tx['delete'](users, 'a')).toThrow(misplaced);
      expect(() => tx['entries'](users)).toThrow(misplaced);
    });
    expect([db['size'], users['size']]).toEqual([0, 0]);
  });

  test('a promise is to be awaited', async () => {
    const { db, bytes, tuples } = await untyped();
    for (const store of [db, bytes, tuples])
      expect(() => store['get'](Promise.resolve('a'))).toThrow(
        /^key: expected .*, got a Promise\. Await it$/,
      );
    expect(() => tuples['get'](['a', Promise.resolve(7)])).toThrow(/^key\[1\]: .* got a Promise\. Await it$/);
  });

  test('nothing is told without advice that does not fit', async () => {
    const { db, bytes } = await untyped();
    expect(() => db['get']()).toThrow(/^key: expected a string, got undefined$/);
    expect(() => bytes['get']()).toThrow(/^key: expected a Uint8Array, got undefined$/);
  });
});

describe('in the place of a value', () => {
  test('a promise is to be awaited, also where it would be stored as {}', async () => {
    const { db, bytes, tuples, texts } = await untyped();
    const awaited = /^value: expected .*, got a Promise\. Await it/;
    expect(() => db['put']('a', Promise.resolve(1))).toThrow(awaited);
    expect(() => bytes['put'](Uint8Array.of(1), Promise.resolve(1))).toThrow(awaited);
    expect(() => tuples['put'](['a'], Promise.resolve(1))).toThrow(awaited);
    expect(() => texts['put']('a', Promise.resolve(1))).toThrow(awaited);
    expect(tuples['size']).toBe(0);
    await tuples['put'](['a'], {});
    expect(tuples['get'](['a'])).toEqual({});
  });

  test('nothing is told to be missing', async () => {
    const { db, bytes, tuples, texts } = await untyped();
    expect(() => db['put']('a')).toThrow(
      /^value: .* got undefined\. Store null in its place, or delete the key$/,
    );
    expect(() => tuples['put'](['a'])).toThrow(
      /^value: .* got undefined\. Store null in its place, or delete/,
    );
    const second = /^value: .* got undefined\. Give a value as the second argument, or delete the key$/;
    expect(() => texts['put']('a')).toThrow(second);
    expect(() => bytes['put'](Uint8Array.of(1))).toThrow(second);
  });
});

test('a string in the place of a range is told to be a prefix', async () => {
  const { db, users } = await untyped();
  expect(() => db['keys']('user:')).toThrow(
    /^range: expected an object, got the string "user:"\. .*\{ prefix \}/,
  );
  expect(() => db['clear']('user:')).toThrow(/\{ prefix \}/);
  expect(() => users['indexes'].byAge.keys('a')).toThrow(/^range: .*\. .* index value, give \{ equals \}$/);
  expect(() => db['touch']('a')).toThrow(/^expiry: expected an object with ttl or expiresAt, got undefined$/);
});

test('an encoding in the wrong place is told where it belongs', async () => {
  const { db } = await untyped();
  const told =
    /^namespace options: expected an object, got .*\. Say what it is for: \{ keyEncoding: tuple\(\) \}/;
  for (const options of [tuple(), msgpack(), 'json', () => ({})])
    expect(() => db['namespace']('n', options)).toThrow(told);
  const first =
    /^name: expected a string .*\. Give the name first, and then the options: db\.namespace\(name, options\)$/;
  expect(() => db['namespace']({ keyEncoding: 'bytes' })).toThrow(first);
  expect(() => db['namespace']()).toThrow(/^name: expected a string of 1 to 255 bytes, got undefined$/);
  const call = /got a function\. Call it, as in tuple\(\) or msgpack\(\)$/;
  expect(() => db['namespace']('n', { keyEncoding: tuple })).toThrow(call);
  expect(() => db['namespace']('n', { valueEncoding: msgpack })).toThrow(call);
});
