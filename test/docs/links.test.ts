// Every link from one page of ours to another leads somewhere, down to the heading, and every file that a page names is there.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorOf, codeSpans, headings, linkTargets, markdownFiles, ROOT, readText } from './markdown.js';

const files = markdownFiles();

/** The links of a page that lead nowhere. */
function brokenLinks(file: string, markdown: string): string[] {
  return linkTargets(markdown).filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(file, target));
}

function leadsSomewhere(file: string, target: string): boolean {
  const [name, anchor] = target.split('#') as [string, string | undefined];
  const linked = name === '' ? file : path.join(path.dirname(file), name);
  if (!fs.existsSync(path.join(ROOT, linked))) return false;
  return anchor === undefined || headings(readText(linked)).map(anchorOf).includes(anchor);
}

describe('relative links', () => {
  test('are looked at in the pages there are', () => {
    expect(files).toEqual(expect.arrayContaining(['README.md', 'docs/ARCHITECTURE.md']));
    expect(linkTargets(readText('README.md')).length).toBeGreaterThan(5);
  });

  test.each(files)('of %s lead somewhere', (file) => {
    expect(brokenLinks(file, readText(file))).toEqual([]);
  });

  test('that lead nowhere are seen', () => {
    const markdown = '[a](docs/NOWHERE.md) [b](README.md#nowhere) [c](#nowhere) [d](LICENSE) `[e](f.md)`';
    expect(brokenLinks('README.md', markdown)).toEqual(['docs/NOWHERE.md', 'README.md#nowhere', '#nowhere']);
  });
});

/** The paths in code spans, from the root of the project, without patterns and what a run makes. */
function namedPaths(markdown: string): string[] {
  return codeSpans(markdown).filter((span) => /^(bench|docs|examples|native|src|test)\/[\w./-]*$/.test(span));
}

describe('files of the project', () => {
  test.each(files)('that %s names are there', (file) => {
    const absent = namedPaths(readText(file)).filter((name) => !fs.existsSync(path.join(ROOT, name)));
    expect(absent).toEqual([]);
  });

  test('are found in code spans', () => {
    expect(namedPaths('`src/gone.ts`, src/a.ts, `test/x/` and `src/*.ts`')).toEqual([
      'src/gone.ts',
      'test/x/',
    ]);
  });
});
