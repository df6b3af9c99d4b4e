// Every link from one page of ours to another leads somewhere, down to the heading.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorOf, headings, linkTargets, markdownFiles, ROOT, readText } from './markdown.js';

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
