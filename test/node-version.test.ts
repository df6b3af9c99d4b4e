// An older Node.js is told in one sentence. test/package/ runs one.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { isSupported } from '../src/node-version.js';

test.each([
  ['18.20.8', false],
  ['20.18.3', false],
  ['20.19.0', true],
  ['20.20.2', true],
  ['21.7.3', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['23.0.0', true],
  ['24.0.0-nightly', true],
  ['100.0.0', true],
])('Node.js %s is supported: %s', (version, expected) => {
  expect(isSupported(version)).toBe(expected);
});

test('package.json says the same', () => {
  const { engines } = JSON.parse(
    fs.readFileSync(path.resolve(import.meta.dirname, '../package.json'), 'utf8'),
  );
  expect(engines).toEqual({ node: '^20.19 || >=22.12' });
});
