// docs/api is made from the docstrings as they are now. Making it takes a documentation generator and a compiler of their own, so
// this test compares digests: of the declarations that the pages were made from, and of the pages.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { IS_WRITING } from './generated.js';
import { ROOT } from './markdown.js';

const PAGES = path.join(ROOT, 'docs/api');
const DIGESTS = path.join(PAGES, 'digests.json');

/** Returns a digest of the names and contents of the files below `directory` whose names end in `suffix`. */
function digestOf(directory: string, suffix: string): string {
  const hash = createHash('sha256');
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((name) => name.endsWith(suffix)).sort()) {
    hash.update(`${name}\0`).update(fs.readFileSync(path.join(directory, name)));
  }
  return hash.digest('hex');
}

const digests = () => ({
  declarations: digestOf(path.join(ROOT, 'dist'), '.d.ts'),
  pages: digestOf(PAGES, '.md'),
});

function writePages(): void {
  execFileSync('npm', ['run', 'docs:api'], { cwd: ROOT, stdio: 'inherit' });
  fs.writeFileSync(DIGESTS, `${JSON.stringify(digests(), null, 2)}\n`);
}

describe('the API reference', () => {
  test('is made from the docstrings of the last build', { timeout: 300_000 }, () => {
    if (IS_WRITING) writePages();
    const made = JSON.parse(fs.readFileSync(DIGESTS, 'utf8')) as object;
    expect(
      digests(),
      'KEELSON_WRITE_DOCS=1 npx vitest run test/docs/api.test.ts, after npm run build',
    ).toEqual(made);
  });

  test('has a page for each door', () => {
    const { exports: doors } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, unknown>;
    };
    for (const door of Object.keys(doors).filter((name) => !name.endsWith('.json')))
      expect(fs.existsSync(path.join(PAGES, `keelson${door.slice(1)}.md`)), door).toBe(true);
  });
});
