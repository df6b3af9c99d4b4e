// The examples in docstrings type-check and run, each in a program that declares what the example leaves out.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Example, publicSymbols } from './declarations.js';
import { DOORS, typeErrors, withSources } from './doors.js';
import { SCOPE, VARIANTS } from './example-scope.js';
import { ROOT } from './markdown.js';

interface Closable {
  close(): unknown;
}

/** Turns of the event loop after which an example that still runs waits for what only the end of its store brings. */
const TURNS_MAX = 2000;

const DIST = path.join(ROOT, 'dist');
const symbols = publicSymbols();
const examples = symbols.flatMap((symbol, at) =>
  symbol.examples.map((example) => ({ ...example, name: `example-${at}` })),
);
const startedIn = process.cwd();
let folder: string;

beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-docstrings-')));
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
});

afterAll(() => {
  process.chdir(startedIn);
  fs.rmSync(folder, { recursive: true, force: true });
});

/** The names that a door exports. */
function namesOf(door: string): string[] {
  const file = `${door.slice('keelson'.length)}/index.d.ts`;
  const text = fs.readFileSync(path.join(DIST, door === 'keelson' ? 'kv/index.d.ts' : file), 'utf8');
  const exported = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) =>
    list!.split(','),
  );
  const listed = exported
    .map((name) => name.replace(/^\s*type /, '').trim())
    .filter((name) => !name.includes(' as '));
  const declared = [...text.matchAll(/^export declare function (\w+)/gm)].map(([, name]) => name!);
  return [...new Set([...listed, ...declared])].filter((name) => name !== '');
}

const doors = Object.keys(DOORS).filter((door) => door !== 'keelson/testing/in-memory');
const exportsOf = new Map(doors.map((door) => [door, namesOf(door)]));

/** True when code uses a name and does not declare it: as a variable, in a pattern or as a parameter. */
function uses(code: string, name: string): boolean {
  const declarations =
    /(?:const|let|class|interface|type) (\{[^{}=]*\}|\[[^\]=]*\]|\w+)|\(([^()]*)\)(?:: [^=]*)? =>/g;
  const declared = [...code.matchAll(declarations)].flatMap(([, pattern, parameters]) =>
    [...(pattern ?? parameters ?? '').matchAll(/(\w+)\??(?=[:,\s\]}]|$)/g)].map(
      ([, declaredName]) => declaredName,
    ),
  );
  const isUsed = new RegExp(`(?<![\\w'-])(?<!(?<!\\.\\.)\\.)${name}(?![\\w'-]|\\??:)`).test(code);
  return isUsed && !declared.includes(name);
}

/** The whole program of an example. */
function programOf({ text, file }: Example): string {
  const variants = VARIANTS.filter(([part]) => `${file}: ${text}`.includes(part));
  const codeOf = new Map([
    ...Object.entries(SCOPE),
    ...variants.map(([, name, code]) => [name, code] as const),
  ]);
  const body = isInTransaction(text) ? `await db.transaction((tx) => {\n${text}\n});` : text;
  const scope: string[] = [];
  const taken = new Set<string>();
  const take = (used: string) => {
    for (const [name, code] of codeOf) {
      if (taken.has(name) || !(/\W/.test(name) ? used.includes(name) : uses(used, name))) continue;
      taken.add(name);
      take(code);
      scope.push(code);
    }
  };
  take(body);
  const program = `${scope.join('\n')}\n(globalThis as any).hasBegun = true;\n{\n${body}\n}`;
  const imports: string[] = [];
  const imported = new Set(taken);
  // Two doors export a name: the one that the example belongs to goes first.
  const own = (door: string) => Number(door === `keelson/${file.split('/')[0]}`);
  for (const door of doors.toSorted((a, b) => own(b) - own(a))) {
    const names = exportsOf
      .get(door)!
      .filter((name) => !imported.has(name) && new RegExp(`(?<![.\\w'])${name}\\b`).test(program));
    for (const name of names) imported.add(name);
    if (names.length > 0) imports.push(`import { ${names.join(', ')} } from '${door}';`);
  }
  const closing =
    'const closeAtEnd = <T extends { close(): unknown }>(one: T): T => ((globalThis as any).closedAtEnd.push(one), one);';
  return `${imports.join('\n')}\n${closing}\n${program}\nexport {};\n`;
}

function isInTransaction(text: string): boolean {
  return uses(text, 'tx') && !/\(tx\)/.test(text);
}

/** Runs a program. One that waits for changes ends when its stores are closed. */
async function run(name: string, program: string): Promise<void> {
  const workingDirectory = path.join(folder, name);
  fs.mkdirSync(workingDirectory);
  const file = path.join(folder, `${name}.ts`);
  fs.writeFileSync(file, withSources(program));
  const opened: Closable[] = [];
  const shared = globalThis as { closedAtEnd?: Closable[]; hasBegun?: boolean };
  shared.closedAtEnd = opened;
  shared.hasBegun = false;
  const silent = (['log', 'warn', 'error'] as const).map((level) =>
    vi.spyOn(console, level).mockReturnValue(),
  );
  const listeners = process.listeners('exit');
  process.chdir(workingDirectory);
  let isDone = false;
  const done = import(/* @vite-ignore */ file);
  const noticed = () => {
    isDone = true;
  };
  done.then(noticed, noticed);
  try {
    if (isLive(program)) {
      for (let turns = 0; turns < TURNS_MAX && !isDone; turns += shared.hasBegun ? 1 : 0) await turn();
      await closeAll(opened);
    }
    await done;
    for (const listener of process.listeners('exit').filter((one) => !listeners.includes(one))) {
      process.removeListener('exit', listener);
      listener(0);
    }
    await closeAll(opened);
  } finally {
    process.chdir(startedIn);
    for (const spy of silent) spy.mockRestore();
  }
}

/** True for an example that waits for changes, without an end of its own. */
function isLive(program: string): boolean {
  return /for await .*\.(?:changes|watch|watchRange|follow)\(/.test(program);
}

async function closeAll(opened: Closable[]): Promise<void> {
  for (const one of opened.splice(0).toReversed()) await one.close();
}

describe('the examples in docstrings', () => {
  test('type-check under the strict settings of the project', { timeout: 120_000 }, async () => {
    const checked = path.join(folder, 'types');
    fs.mkdirSync(checked);
    const places = new Map<string, string>();
    for (const example of examples) {
      const file = `${example.name}-${places.size}.ts`;
      places.set(file, `${example.file}: ${example.symbol}`);
      fs.writeFileSync(path.join(checked, file), programOf(example));
    }
    const errors = await typeErrors(checked, {
      noUnusedLocals: false,
      noUnusedParameters: false,
      verbatimModuleSyntax: false,
    });
    const told = errors.replace(
      /^(?:.*\/)?(example-\S+?\.ts)/gm,
      (_, file: string) => places.get(file) ?? file,
    );
    expect(told).toBe('');
  });

  test.each(examples.map((example, at) => ({ ...example, at })))(
    'run: $symbol in $file',
    { timeout: 60_000 },
    async ({ at, ...example }) => {
      await run(`example-${at}`, programOf(example));
    },
  );
});

test('an example that does not run is seen', async () => {
  const program = programOf({ symbol: 'get', file: 'kv/store', text: 'db.get(7 as any);' });
  await expect(run('wrong', program)).rejects.toThrow(TypeError);
});
