// What becomes of a measurement that fails: nobody waits for it, and the report can say why.

import { expect, test } from 'vitest';
import { runMeasurement } from './peers.js';

test('a measurement that fails rejects with its message, on one line', async () => {
  const options = { store: 'none', directory: '/nowhere', values: 'objects', entries: 1 };
  await expect(runMeasurement('get', options)).rejects.toThrow(/^get of none: Cannot [^\n]*'driver'[^\n]*$/);
});

test('a measurement that is run by what is no Node binary rejects', async () => {
  await expect(runMeasurement('get', { store: 'keelson' }, '/nowhere/node')).rejects.toThrow('ENOENT');
});
