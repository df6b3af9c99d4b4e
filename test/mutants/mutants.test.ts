// The table of mutants says what is there: it must not rot while the code goes on. Killing them is `npm run mutants`.

import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTANTS, occurrences } from './mutants.js';

const MUTANTS_MIN = 40;

describe('the mutants', () => {
  it(`are ${MUTANTS_MIN} or more, each under a name of its own`, () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(MUTANTS_MIN);
  });

  it.each(MUTANTS)('$name: every text to be changed stands in production code, once', ({ edits }) => {
    expect(edits.length).toBeGreaterThan(0);
    for (const { file, find, replace } of edits) {
      expect(file).toMatch(/^(src\/.*\.[tj]s|native\/.*\.cc)$/);
      expect(occurrences(fs.readFileSync(file, 'utf8'), find), `${file}: ${find}`).toBe(1);
      expect(replace).not.toBe(find);
    }
  });

  it.each(MUTANTS)('$name: the tests that must see it are there', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(0);
    for (const file of tests) {
      expect(file).toMatch(/^test\/.*\.test\.ts$/);
      expect(fs.existsSync(file), file).toBe(true);
    }
  });
});
