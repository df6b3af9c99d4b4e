// docs/ARCHITECTURE.md tells what the sources tell. Its lists are generated, and what its prose names is in the sources.
//
// KEELSON_WRITE_DOCS=1 writes the lists.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSources, type Source } from '../source-files.js';
import { architectureParts } from './architecture-page.js';
import { generatedPart, IS_WRITING, writeGeneratedPart } from './generated.js';
import { codeSpans, proseOf, ROOT, readText } from './markdown.js';
import { foldersOf, summaryOf } from './source-facts.js';

const PAGE = 'docs/ARCHITECTURE.md';
const WRITE = `KEELSON_WRITE_DOCS=1 npx vitest run ${path.relative(ROOT, import.meta.filename)}`;

describe(PAGE, () => {
  test.each(Object.entries(architectureParts()))(`has the ${'%s'} of the sources`, (name, text) => {
    if (IS_WRITING) writeGeneratedPart(PAGE, name, text);
    expect(generatedPart(readText(PAGE), name), `written by: ${WRITE}`).toBe(text);
  });

  test('says by which command its lists are written', () => {
    expect(readText(PAGE)).toContain(`\`${WRITE}\``);
  });

  test('names classes, functions and constants that are there', () => {
    const code = [...readSources().map(({ text }) => text), ...nativeTexts()].join('\n');
    const words = new Set(code.match(/[\w$]+/g));
    const prose = proseOf(readText(PAGE)).replace(/<!-- \w+: [\s\S]*?<!-- end of \w+ -->/g, '');
    const identifiers = codeSpans(prose).flatMap(identifiersIn);
    expect(identifiers.length).toBeGreaterThan(50);
    expect(identifiers.filter((word) => !words.has(word))).toEqual([]);
  });
});

/** The words of a code span that is a name: `Journal.append`, `LogFile.submit`, `TAIL_KEYS_MAX`. */
function identifiersIn(span: string): string[] {
  return /^#?[A-Za-z]\w*(\.#?[A-Za-z]\w*)*(\(\))?$/.test(span) && /[A-Z]/.test(span)
    ? span.replace(/[#()]/g, '').split('.')
    : [];
}

function nativeTexts(): string[] {
  const files = fs.readdirSync(path.join(ROOT, 'native'), { recursive: true, encoding: 'utf8' });
  return files
    .filter((name) => /^(core\/)?[\w-]+\.(cc|h)$/.test(name))
    .map((name) => readText(path.join('native', name)));
}

describe('the facts of the sources', () => {
  const source = (path: string, text: string): Source => ({ path, text });

  test('put a folder behind those that it imports', () => {
    const folders = foldersOf([
      source('src/kv/read/a.ts', "import '../write/b.js';"),
      source('src/kv/write/b.ts', "import type { C } from '../c.js'; import './d.js';"),
      source('src/kv/c.ts', "import fs from 'node:fs';"),
    ]);
    expect(folders.map(({ path, imports }) => [path, imports])).toEqual([
      ['src/kv', []],
      ['src/kv/write', ['src/kv']],
      ['src/kv/read', ['src/kv/write']],
    ]);
  });

  test('say of a file what the first sentence of its first comment says', () => {
    const text = '// Owns a thing: that of\n// a.ts. Pure.\n//\n// More.\n\n// Other.\n';
    expect(summaryOf(source('src/a.ts', text))).toEqual({
      sentence: 'Owns a thing: that of a.ts',
      isPure: true,
    });
    expect(() => summaryOf(source('src/a.ts', 'export {};'))).toThrow('does not start with a comment');
  });
});
