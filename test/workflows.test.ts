// The workflows of the forge: nothing that can change under us runs, and none holds more rights than it needs.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };

const FOLDER = path.resolve(import.meta.dirname, '../.github/workflows');
const FILES = fs.readdirSync(FOLDER);

const unpinned = (text: string) =>
  [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)]
    .map(([, action]) => action!)
    .filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action));

describe.each(FILES)('the workflow %s', (file) => {
  const text = fs.readFileSync(path.join(FOLDER, file), 'utf8');

  test('pins each action by the hash of a commit', () => {
    expect(text).toContain('uses: ');
    expect(unpinned(text)).toEqual([]);
  });

  test('may only read what is not said', () => {
    expect(text).toContain('\npermissions:\n  contents: read\n');
  });

  test('runs scripts of the package that are there', () => {
    const scripts = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script!);
    expect(Object.keys(packageJson.scripts)).toEqual(expect.arrayContaining(scripts));
  });

  test('says that it was never run', () => {
    expect(text).toContain('# Not yet run');
  });
});

test('an action that is pinned by a tag is seen', () => {
  expect(unpinned('      - uses: actions/checkout@v4')).toEqual(['actions/checkout@v4']);
});
