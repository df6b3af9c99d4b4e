// docs/ARCHITECTURE.md names every file there is, and every limit by the name and in the file it has.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, readText, tableRows } from './markdown.js';

const text = readText('docs/ARCHITECTURE.md');

describe('docs/ARCHITECTURE.md', () => {
  test('has a line for every source file, and for none that is gone', () => {
    const names = fs.readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const files = names.filter((name) => name.endsWith('.ts')).map((name) => `src/${name}`);
    const listed = tableRows(text, ['file', 'what it owns']).map(([file]) => file);
    expect(listed.toSorted()).toEqual(files.toSorted());
  });

  test('names limits that are in the files it says', () => {
    const limits = tableRows(text, ['limit', 'value', 'file']);
    expect(limits.length).toBeGreaterThan(20);
    const absent = limits.filter(([name, , file]) => !readText(`src/${file}`).includes(name!));
    expect(absent).toEqual([]);
  });
});
