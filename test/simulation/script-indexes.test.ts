// Simulated scripts whose namespaces have indexes: the model judges every read of them, and what a unique one refuses.

import { expect, test } from 'vitest';
import type { Namespace } from '../../src/kv/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { crashScript } from './script-crashes.js';
import { timesMet } from './script-encounters.js';
import { generateScript } from './script-generator.js';
import { checkIndexes, haveDoubles, SCRIPT_INDEXES } from './script-indexes.js';
import { openTinyStore } from './store-workload.js';

const REFUSED = 'a value that another entry has in a unique index';

test('scripts with indexes find them whole after crashes, and are refused doubles', {
  timeout: 60_000,
}, async () => {
  const scripts = Array.from({ length: 40 }, (_, seed) => generateScript(seed, { trouble: 'none' }));
  const before = timesMet(REFUSED);
  for (const script of scripts.filter(({ isIndexed }) => isIndexed).slice(0, 6))
    await crashScript(script, { statesMax: 1 });
  expect(timesMet(REFUSED)).toBeGreaterThan(before);
});

test('a mark belongs to one value at most, and values without one are no doubles', () => {
  expect(haveDoubles(['#1 #1', { text: '#2 ' }, { is: 1 }, { is: 1 }])).toBe(false);
  expect(haveDoubles(['#1 #1', { text: '#1 ' }])).toBe(true);
});

test('an index that differs from the entries in one value is seen', async () => {
  const db = await openTinyStore(new SimulatedDisk({ seed: 1, directories: ['/data'] }).life());
  const options = { valueEncoding: 'json', indexes: SCRIPT_INDEXES } as never;
  const space = db.namespace('people', options) as unknown as Namespace<string, string>;
  await space.put('a', '#1 #1');
  await space.put('b', '#2 #2');
  const state = (b: string) => [['a', '#1 #1', 1] as const, ['b', b, 2] as const];
  checkIndexes(space as never, state('#2 #2'));
  expect(() => checkIndexes(space as never, state('#3 #3'))).toThrow('the index bySize');
  expect(() => checkIndexes(space as never, state('#2 #2').slice(1))).toThrow('the index bySize');
  await db.close();
});
