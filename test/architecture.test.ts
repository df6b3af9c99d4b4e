// The plan of the house, enforced: which floor may import which, who touches the disk, and what a package install
// may do. docs/ARCHITECTURE.md explains it. The rules are a function of sources, so that they are tried on wrong ones
// too: a rule that cannot fail would enforce nothing.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  importsOf,
  nodesBelow,
  parse,
  readSources,
  type Source,
  type SyntaxNode,
  targetOf,
} from './source-files.js';

const ROOT = path.resolve(import.meta.dirname, '..');

type Floor = 'public door' | Folder | 'leaves';
type Folder = (typeof FOLDERS)[number];

const FOLDERS = [
  'cli',
  'level',
  'keyv',
  'langgraph',
  'session',
  'unstorage',
  'doors',
  'replica',
  'kv',
  'journal',
  'storage',
  'testing',
] as const;

/** The adapters for interfaces of others use the store as their users do. */
const ADAPTER = { kv: ['src/kv/index.ts'], doors: null, leaves: null };

/** Of another floor, only what is listed here may be imported: some files, its doors, or (null) all of it. */
const MAY_IMPORT: Readonly<Record<Floor, Readonly<Partial<Record<Floor, readonly string[] | null>>>>> = {
  'public door': { kv: ['src/kv/index.ts'], leaves: ['src/node-version.ts'] },
  // The command opens any store, and shows what headers and namespaces say.
  cli: { kv: ['src/kv/index.ts', 'src/kv/internal.ts'], leaves: null },
  // KeelsonLevel uses the inner door for speed.
  level: { kv: ['src/kv/index.ts', 'src/kv/internal.ts'], leaves: null },
  keyv: ADAPTER,
  langgraph: ADAPTER,
  session: ADAPTER,
  unstorage: ADAPTER,
  doors: { kv: ['src/kv/index.ts'], leaves: null },
  replica: { kv: ['src/kv/index.ts', 'src/kv/internal.ts'], leaves: null },
  kv: {
    journal: ['src/journal/index.ts', 'src/journal/internal.ts'],
    storage: ['src/storage/index.ts'],
    leaves: null,
  },
  journal: { storage: ['src/storage/index.ts'], leaves: null },
  storage: { leaves: null },
  // The simulated disk is an engine, so it knows the inside of the storage floor.
  testing: {
    kv: ['src/kv/index.ts', 'src/kv/internal.ts'],
    journal: ['src/journal/index.ts'],
    storage: null,
    leaves: null,
  },
  leaves: {},
};

/** The rooms of a floor: each may import those before it, and what stands on the floor itself, its face, all of them. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  kv: [
    'encoding',
    'entries',
    'read',
    'write',
    'transactions',
    'watch',
    'feed',
    'replay',
    'replication',
    'image',
    'copy',
    'repair',
  ],
  journal: ['format', 'directory', 'segments', 'commit', 'recovery', 'repair', 'read'],
};

const SYSTEM_MODULES = ['fs', 'node:fs', 'fs/promises', 'node:fs/promises', 'net', 'node:net'];

/** What is wrong with these sources, a sentence each. */
function violationsOf(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => [
    ...importsOf(source).flatMap((specifier) => importViolation(source.path, specifier) ?? []),
    ...(hasTopLevelAwait(parse(source)) ? [`${source.path} uses top-level await`] : []),
  ]);
}

/** The files that import each other in a circle, types included: one of each circle, with the way round. */
function circlesOf(sources: readonly Source[]): string[] {
  const targets = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source).flatMap((name) => targetOf(source.path, name) ?? []),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' → '));
    if (way.includes(file) || done.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return circles;
}

function importViolation(from: string, specifier: string): string | null {
  const floor = floorOf(from);
  if (floor === null) return `${from} is on no floor`;
  if (SYSTEM_MODULES.includes(specifier)) {
    // A dump and the page of inspect are files of the command, and none of a store.
    const isOwn =
      specifier === 'node:fs' && ['src/cli/text-files.ts', 'src/cli/inspect/page-files.ts'].includes(from);
    return isOwn || ((specifier === 'node:fs' || specifier === 'node:net') && floor === 'storage')
      ? null
      : `${from} imports ${specifier}`;
  }
  const to = targetOf(from, specifier);
  if (to === null) return null;
  const target = floorOf(to);
  if (target === null) return `${from} imports ${to}, which is on no floor`;
  if (target === floor) return roomViolation(from, to);
  const allowed = MAY_IMPORT[floor][target];
  if (allowed === undefined) return `${from} (${floor}) imports ${to} (${target})`;
  return allowed === null || allowed.includes(to) ? null : `${from} imports ${to}, which is not a door`;
}

function roomViolation(from: string, to: string): string | null {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === -1 || target === -1) return `${room === -1 ? from : to} is in no room`;
  return target > room ? `${from} imports ${to}, which is in a room above it` : null;
}

/** Which of the rooms of its floor a file is in; the number behind the last for the face, -1 for none. */
function roomOf(file: string): number {
  const [, floor, ...rest] = file.split('/');
  const rooms = ROOMS[floor!];
  if (rooms === undefined) return 0;
  return rest.length === 1 ? rooms.length : rooms.indexOf(rest[0]!);
}

function floorOf(file: string): Floor | null {
  if (file === 'src/index.ts') return 'public door';
  const [source, ...rest] = file.split('/');
  if (source !== 'src') return null;
  if (rest.length === 1) return 'leaves';
  return FOLDERS.find((folder) => folder === rest[0]) ?? null;
}

const FUNCTIONS = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'];

function hasTopLevelAwait(program: SyntaxNode): boolean {
  return [...nodesBelow(program, ({ type }) => !FUNCTIONS.includes(type))].some(
    (node) => node.type === 'AwaitExpression' || node['await'] === true || node['kind'] === 'await using',
  );
}

/** What only some files may do: the files, and a call or an import that shows it. */
const ONLY_IN: readonly (readonly [what: string, files: readonly string[], pattern: RegExp])[] = [
  ['append to the log of a store', ['src/kv/write/write-path.ts'], /\.claim\(/],
  [
    'change entries',
    ['src/kv/write/change-entries.ts'],
    /\bentries\.(?:stage|link|discard|delete|deleteRange)\(/,
  ],
  ['change indexes', ['src/kv/write/change-entries.ts'], /\bindexes[!?]?\.(?:put|remove)\(/],
  ['freeze entries inside of a change', ['src/kv/entries/space.ts'], /\bentries\.freeze\(/],
  ['freeze spaces inside of a change', ['src/kv/entries/store-view.ts'], /\bspace\.freeze\(/],
  [
    'know shapes',
    [
      'src/kv/encoding/shapes.ts',
      'src/kv/encoding/msgpack/plain-reader.ts',
      'src/kv/encoding/msgpack/plain-writer.ts',
      'src/kv/encoding/msgpack/msgpack-codec.ts',
      'src/kv/entries/definitions.ts',
      'src/kv/entries/schema.ts',
    ],
    /from '[^']*\/shapes\.js'|\bclass Shapes\b/,
  ],
];

/** The files of the store that do something which others are to do. */
function trespassersOf(sources: readonly Source[]): string[] {
  return ONLY_IN.flatMap(([what, files, pattern]) =>
    sources
      .filter(
        ({ path: file, text }) => file.startsWith('src/kv/') && pattern.test(text) && !files.includes(file),
      )
      .map(({ path: file }) => `${file} is not to ${what}`),
  );
}

/** The packages that only a floor is for. A program that does not import its door, or load from them, needs none. */
const PEERS: Readonly<Partial<Record<Floor, readonly string[]>>> = {
  langgraph: ['@langchain/langgraph-checkpoint'],
  level: ['abstract-level'],
  cli: ['classic-level', 'lmdb'],
};

function packagesOf(some: readonly Source[]): string[] {
  const names = some
    .flatMap(importsOf)
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)![0]);
  return [...new Set(names)];
}

function readText(file: string): string {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

const sources = readSources();

describe('the sources', () => {
  test('import only downwards, and other floors only through their doors', () => {
    expect(sources.length).toBeGreaterThan(0);
    expect(violationsOf(sources)).toEqual([]);
  });

  test('import each other in no circle', () => {
    expect(circlesOf(sources)).toEqual([]);
  });

  test('change entries, append to the log and know shapes in the files that are there for it', () => {
    expect(trespassersOf(sources)).toEqual([]);
    for (const [, files, pattern] of ONLY_IN) {
      for (const file of files) expect(readText(file)).toMatch(pattern);
    }
  });

  test('of the public door are the check of the version, and re-exports only', () => {
    const { body } = parse({ path: 'src/index.ts', text: readText('src/index.ts') });
    const kinds = (body as SyntaxNode[]).map(({ type }) => type);
    expect(kinds).toEqual(['ImportDeclaration', 'ExportAllDeclaration']);
  });

  test('import no package that is not a dependency, and an optional peer only behind its door', () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readText('package.json'));
    const floors = new Set(sources.map(({ path: file }) => floorOf(file)!));
    for (const floor of floors) {
      const peers = PEERS[floor] ?? [];
      const packages = packagesOf(sources.filter(({ path: file }) => floorOf(file) === floor));
      expect(packages).toEqual(expect.arrayContaining([...peers]));
      expect([...Object.keys(dependencies), ...peers]).toEqual(expect.arrayContaining(packages));
      for (const peer of peers) {
        expect(peerDependencies).toHaveProperty([peer]);
        expect(peerDependenciesMeta[peer]).toEqual({ optional: true });
      }
    }
  });
});

describe('a violation is seen', () => {
  const violations: readonly (readonly [fact: string, file: string, text: string])[] = [
    ['the journal imports the store', 'src/journal/a.ts', "import { open } from '../kv/index.js';"],
    ['storage imports the journal', 'src/storage/a.ts', "import type { Lsn } from '../journal/index.js';"],
    ['a leaf imports a floor', 'src/a.ts', "export * from './storage/index.js';"],
    ['the store goes round a door of the journal', 'src/kv/a.ts', "import '../journal/journal.js';"],
    ['the store goes round the door of storage', 'src/kv/a.ts', "import '../storage/fs-file.js';"],
    ['the journal goes round the door of storage', 'src/journal/a.ts', "import '../storage/steps.js';"],
    ['the public door reaches past the store', 'src/index.ts', "export * from './journal/index.js';"],
    ['the public door uses what only testing may', 'src/index.ts', "export * from './kv/internal.js';"],
    ['testing uses what only the store may', 'src/testing/a.ts', "import '../journal/internal.js';"],
    ['Level goes round a door of the store', 'src/level/a.ts', "import '../kv/read/raw-reads.js';"],
    ['Level uses the journal', 'src/level/a.ts', "import '../journal/index.js';"],
    ['the store imports Level', 'src/kv/a.ts', "import '../level/index.js';"],
    ['LangGraph goes round the door of the store', 'src/langgraph/a.ts', "import '../kv/internal.js';"],
    ['the store imports LangGraph', 'src/kv/a.ts', "import '../langgraph/index.js';"],
    ['a floor imports the public door', 'src/kv/a.ts', "import { open } from '../index.js';"],
    ['an import of a type looks up', 'src/journal/a.ts', "type S = import('../kv/index.js').Store<1, 2>;"],
    ['an import on demand looks up', 'src/journal/a.ts', "const kv = () => import('../kv/index.js');"],
    ['an adapter goes round the door of the store', 'src/keyv/a.ts', "import '../kv/internal.js';"],
    ['an adapter uses another', 'src/keyv/a.ts', "import '../unstorage/index.js';"],
    ['the store opens files itself', 'src/kv/a.ts', "import fs from 'node:fs';"],
    ['the simulated disk opens files itself', 'src/testing/a.ts', "import { openSync } from 'fs';"],
    ['a command opens files itself', 'src/cli/commands/a.ts', "import fs from 'node:fs';"],
    ['a command goes round the doors of the store', 'src/cli/a.ts', "import '../kv/store.js';"],
    ['the journal listens', 'src/journal/a.ts', "import { createServer } from 'node:net';"],
    ['storage uses the promises of node:fs', 'src/storage/a.ts', "import fs from 'node:fs/promises';"],
    ['a folder is on no floor', 'src/cellar/a.ts', "import '../errors.js';"],
    ['a room of the store imports one above it', 'src/kv/read/a.ts', "import '../write/b.js';"],
    [
      'a room of the journal imports the face',
      'src/journal/commit/a.ts',
      "import type { J } from '../journal.js';",
    ],
    ['a folder of the store is no room', 'src/kv/cellar/a.ts', "import '../read/reads.js';"],
    ['a module awaits while it loads', 'src/kv/a.ts', 'const probed = { engine: await probe() };'],
    ['a module loops while it loads', 'src/kv/a.ts', 'for await (const event of events) handle(event);'],
    ['a module holds what it must await', 'src/kv/a.ts', 'await using lock = take();'],
  ];

  test.each(violations)('%s', (_fact, file, text) => {
    expect(violationsOf([{ path: file, text }])).toHaveLength(1);
  });

  test('and a circle, of types too', () => {
    const circle = [
      { path: 'src/kv/a.ts', text: "import './b.js';" },
      { path: 'src/kv/b.ts', text: "export type { C } from './c.js';" },
      { path: 'src/kv/c.ts', text: "import type { A } from './a.js';" },
    ];
    expect(circlesOf(circle)).toEqual(['src/kv/a.ts → src/kv/b.ts → src/kv/c.ts → src/kv/a.ts']);
  });

  test.each([
    'this.#log.claim(records, bytes);',
    'space.entries.link(key, lsn, handle);',
    "import { Shapes } from '../encoding/shapes.js';",
  ])('and a file that does what another is there for: %s', (text) => {
    expect(trespassersOf([{ path: 'src/kv/image/a.ts', text }])).toHaveLength(1);
  });

  test('and what is allowed is not one', () => {
    const text = `
      import fs from 'node:fs';
      import { KeelsonError } from '../errors.js';
      import { readAll } from './transfer.js';
      // import { open } from '../kv/index.js';
      export const read = async () => { for await (const chunk of chunks()) await use(chunk); };
    `;
    expect(violationsOf([{ path: 'src/storage/a.ts', text }])).toEqual([]);
  });
});

describe('the package', () => {
  const { scripts, exports: doors } = JSON.parse(readText('package.json'));

  test('runs nothing when it is installed', () => {
    // `prepare` is not among them: it runs in a checkout, and never where a tarball is installed.
    const atInstall = ['preinstall', 'install', 'postinstall'];
    expect(Object.keys(scripts).filter((name) => atInstall.includes(name))).toEqual([]);
  });

  test('has no binding.gyp at its root, which npm would build at install time', () => {
    expect(fs.existsSync(path.join(ROOT, 'binding.gyp'))).toBe(false);
  });

  const locked = ['.', 'bench', ...['checkers', 'peers', 'runtimes'].map((name) => `test/package/${name}`)];

  test.each(locked)('is locked by contents, not by the address of a registry: %s', (folder) => {
    const lock = readText(path.join(folder, 'package-lock.json'));
    expect(lock).toContain('"integrity"');
    expect(lock.match(/"resolved": *"https?:.*/g)).toBeNull();
  });

  test('has doors, each made from a source of that name', () => {
    const sourceOf = (door: string) => doors[door].default.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts');
    const names = Object.keys(doors).filter((door) => door !== './package.json');
    expect(names).toEqual(expect.arrayContaining(['.', './journal', './langgraph', './level', './testing']));
    expect(names.map(sourceOf)).toEqual(names.map((door) => `src${door.slice(1)}/index.ts`));
    for (const file of names.map(sourceOf)) expect(sources.map((source) => source.path)).toContain(file);
  });
});
