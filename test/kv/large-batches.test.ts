// A large batch is on its way to the disk when batch() returns; a small one waits for the rest of its turn.

import { afterEach, expect, test } from 'vitest';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { FaultyStorage } from '../journal/faulty-storage.js';
import { useDirectory } from '../journal/helpers.js';

const here = useDirectory();
const ended: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

test.each([
  ['large', 1000, 1],
  ['small', 10, 0],
])('a %s batch is submitted within the call so many times: %i operations, %i', async (_, count, expected) => {
  const faulty = new FaultyStorage();
  const store = await openStoreOn(faulty.storage, here.path, resolveStoreOptions({}));
  ended.push(() => store.close());
  await store.put('first', 1);
  const operations = Array.from(
    { length: count },
    (_, n) => ({ type: 'put', key: `k${n}`, value: 'x'.repeat(60) }) as const,
  );
  const before = faulty.count('submit');
  const durable = store.batch(operations);
  expect(faulty.count('submit') - before).toBe(expected);
  expect(store.size).toBe(count + 1);
  await durable;
  expect(faulty.count('submit') - before).toBe(1);
});
