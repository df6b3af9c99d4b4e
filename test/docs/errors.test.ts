// docs/ERRORS.md and the table of codes are the same list, and no code is in it for show.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { KEELSON_ERROR_CODES } from '../../src/errors.js';
import { headings, ROOT, readText } from './markdown.js';

/** All sources, without the table itself. */
function sourcesWithoutTable(): string {
  const folder = path.join(ROOT, 'src');
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const texts = names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => fs.readFileSync(path.join(folder, name), 'utf8'));
  return texts
    .join('\n')
    .replace(/KEELSON_ERROR_CODES = \[[^\]]*\]/, '')
    .replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
}

describe('the error codes', () => {
  test('each have a heading in docs/ERRORS.md, in their order, and no heading is anything else', () => {
    expect(headings(readText('docs/ERRORS.md'), 2)).toEqual(KEELSON_ERROR_CODES);
  });

  test.each(KEELSON_ERROR_CODES)('%s is used in the sources', (code) => {
    expect(sourcesWithoutTable()).toContain(`'${code}'`);
  });

  test('that the sources use are all in the table', () => {
    const used = new Set([...sourcesWithoutTable().matchAll(/'(KEELSON_[A-Z_]+)'/g)].map(([, code]) => code));
    // The one name of that form that is an environment variable.
    used.delete('KEELSON_ENGINE');
    expect([...used].sort()).toEqual([...KEELSON_ERROR_CODES].sort());
  });
});
