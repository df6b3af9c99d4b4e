// docs/ERRORS.md and the table of codes are the same list, and no code is in it for show.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { KEELSON_ERROR_CODES, NEXT_STEPS } from '../../src/errors.js';
import { errorMessages, messageTable } from './error-messages.js';
import { headings, ROOT, readText } from './markdown.js';

const DOCUMENT = 'docs/ERRORS.md';
const TABLE_HEADING = 'Every message';

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
  test('each have a heading in docs/ERRORS.md, in their order, and the table of messages follows', () => {
    expect(headings(readText(DOCUMENT), 2)).toEqual([...KEELSON_ERROR_CODES, TABLE_HEADING]);
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

test('the facts of an error are all in the table of its fields', () => {
  const declaration =
    readText('src/errors.ts').split('export interface KeelsonErrorFacts {')[1]?.split('\n}')[0] ?? '';
  const facts = [...declaration.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name);
  const [row] = readText(DOCUMENT).match(/^\| `facts` .*$/m) ?? [''];
  expect(facts).not.toEqual([]);
  expect([...row.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual(['facts', ...facts]);
});

describe('the messages', () => {
  const messages = errorMessages();

  test('are told in docs/ERRORS.md as the sources have them', () => {
    const table = messageTable();
    if (process.env['KEELSON_WRITE_DOCS'] !== undefined) writeTable(table);
    expect(readText(DOCUMENT).split('\n').filter(isTableRow).join('\n')).toContain(table);
  });

  test.each(KEELSON_ERROR_CODES)('of %s are there, and each ends with what to do', (code) => {
    const ofCode = messages.filter((message) => message.code === code);
    expect(ofCode).not.toEqual([]);
    for (const { what, next } of ofCode) {
      expect(what).not.toMatch(/[.\s]$/);
      expect(next).toMatch(/^[A-Z].*[^.\s]$/);
    }
  });

  test.each(KEELSON_ERROR_CODES)('of %s have a step that is a sentence without its full stop', (code) => {
    expect(NEXT_STEPS[code]).toMatch(/^[A-Z].*[^.\s]$/);
  });

  test('of misuse say what was expected, or what is known, or what to do', () => {
    for (const { code, what, next } of messages.filter(({ code }) => code.endsWith('Error'))) {
      if (next === '') expect(what, code).toMatch(/expected |known (are|is) | not /);
    }
  });
});

function isTableRow(line: string): boolean {
  return line.startsWith('|');
}

function writeTable(table: string): void {
  const [before, after] = readText(DOCUMENT).split(`## ${TABLE_HEADING}\n`) as [string, string];
  const introduction = after.slice(0, after.search(/^\|/m));
  fs.writeFileSync(path.join(ROOT, DOCUMENT), `${before}## ${TABLE_HEADING}\n${introduction}${table}\n`);
}
