// The README and the guide keep their word: every example in them type-checks, runs, and prints what its `// →` comments
// say. The examples run on the sources, not on the build, so that a stale build can neither hide nor cause a failure.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { format } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { typeErrors, withSources } from './doors.js';
import { codeBlocks, markdownFiles, promisedOutput, ROOT, readText } from './markdown.js';

const readme = readText('README.md');
/** Pages without examples. The first two show commands: see command.test.ts and test/cli. */
const WITHOUT_EXAMPLES = ['docs/guide/command.md', 'docs/guide/inspect.md', 'docs/guide/choosing.md'];

/** Files of other programs, which nothing here can run. */
const OTHER_LANGUAGES = ['ini', 'dockerfile'];

const pages = [
  'README.md',
  ...markdownFiles().filter((file) => file.startsWith('docs/guide/') && !WITHOUT_EXAMPLES.includes(file)),
];
const blocks = pages.flatMap((page) => codeBlocks(readText(page)).map((block) => ({ page, ...block })));
const examples = blocks.filter(({ language }) => language === 'ts');

const startedIn = process.cwd();
let folder: string;

beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-examples-')));
  // Some examples use packages that Keelson is an adapter for.
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
});

afterAll(() => {
  process.chdir(startedIn);
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Runs an example in a directory of its own and returns the lines it prints. */
async function run(name: string, text: string): Promise<string[]> {
  const workingDirectory = path.join(folder, name);
  fs.mkdirSync(workingDirectory);
  const file = path.join(folder, `${name}.ts`);
  fs.writeFileSync(file, withSources(text));
  const printed: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    printed.push(format(...values).trim());
  });
  process.chdir(workingDirectory);
  try {
    await import(/* @vite-ignore */ file);
  } finally {
    process.chdir(startedIn);
    log.mockRestore();
  }
  return printed;
}

describe('the README', () => {
  test('starts with its name, its promise and the two commands', () => {
    const start = readme.split('\n').slice(0, 20).join('\n');
    expect(start).toMatch(/^# Keelson\n/);
    expect(start).toContain('npm ci && npm run demo');
    expect(start).toContain('npm ci && npm test');
  });
});

describe('the README and the guide', () => {
  test.each(pages)('have examples in %s', (page) => {
    expect(examples.some((example) => example.page === page)).toBe(true);
  });

  test('have no block of code that is not run, and no example without a result', () => {
    const others = blocks.filter(({ language }) => language !== 'ts');
    expect(others.filter(({ language }) => !OTHER_LANGUAGES.includes(language))).toEqual([]);
    expect(examples.filter(({ text }) => promisedOutput(text).length === 0)).toEqual([]);
  });

  test('have examples that type-check under the strict settings of the project', async () => {
    const checked = path.join(folder, 'types');
    fs.mkdirSync(checked);
    for (const { page, line, text } of examples)
      fs.writeFileSync(path.join(checked, `${nameOf(page, line)}.ts`), `${text}\nexport {};\n`);
    const errors = await typeErrors(checked);
    expect(errors).toBe('');
  });

  test.each(examples)(
    'have an example in $page at line $line that prints what it says',
    async ({ page, text, line }) => {
      expect(await run(nameOf(page, line), text)).toEqual(promisedOutput(text));
    },
  );
});

/** The name of an example, which its file and its directory have. */
function nameOf(page: string, line: number): string {
  return `${path.basename(page, '.md')}-${line}`;
}

describe('an example that does not keep its word', () => {
  test('is seen', async () => {
    const text = 'console.log(1 + 1); // → 3';
    expect(await run('wrong', text)).not.toEqual(promisedOutput(text));
  });

  test('fails when it throws', async () => {
    await expect(run('throwing', "throw new TypeError('as promised');")).rejects.toThrow('as promised');
  });
});
