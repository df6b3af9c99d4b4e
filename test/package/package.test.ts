// The packed tarball, installed into an empty project and used as its users use it. What takes longer than this file is
// in package.whole.ts: `npm run test:package`.

import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeBlocks, promisedOutput, readText } from '../docs/markdown.js';
import {
  EXPECTED,
  expectSuccess,
  type Installed,
  installTools,
  PROJECT,
  packAndInstall,
  reportOf,
  run,
  UNREACHABLE_REASON,
} from './package-tools.js';

/** The packages that an installation brings with it. */
const DEPENDENCIES = [
  '@colors/colors',
  '@msgpack/msgpack',
  'ansi-regex',
  'cli-progress',
  'cli-table3',
  'commander',
  'emoji-regex',
  'is-fullwidth-code-point',
  'sorted-btree',
  'string-width',
  'strip-ansi',
];

/** Without an addon. CONTRIBUTING.md says what each part takes. */
const BYTES_MAX = 400_000;

const installed = packAndInstall();
const peers = installed === null ? null : installTools('peers');

afterAll(() => {
  if (installed !== null) fs.rmSync(installed.folder, { recursive: true, force: true });
});

describe.skipIf(peers === null)(
  `the packed tarball${peers === null ? ` (${UNREACHABLE_REASON})` : ''}`,
  () => {
    const here = installed as Installed;
    const tools = peers as string;

    const withNodeTypes = { types: ['node'], typeRoots: [path.join(peers ?? '', 'node_modules/@types')] };

    test('holds the doors, what they import, the pages for users, and nothing else', () => {
      const doors = [
        '',
        'journal',
        'keyv',
        'langgraph',
        'level',
        'replica',
        'session',
        'testing',
        'unstorage',
      ].map((name) => path.join('dist', name, 'index'));
      const entries = [...doors, 'dist/cli/main', 'dist/chunks/keelson-image-thread'];
      // A command is a chunk of its own, which is loaded when it is run.
      const code = reachable(entries.map((name) => `${name}.js`));
      const declarations = reachable(
        doors.map((name) => `${name}.d.ts`),
        (name) => name.replace(/\.js$/, '.d.ts'),
      );
      const pages = ['DURABILITY', 'ERRORS'].map((name) => `docs/${name}.md`);
      const others = ['LICENSE', 'README.md', 'package.json'];
      const page = [
        'icon.svg',
        'index.html',
        'page.css',
        'page.js',
        'uplot.LICENSE',
        'uplot.css',
        'uplot.js',
      ].map((name) => `dist/cli/inspect/page/${name}`);
      expect(here.files).toEqual([...code, ...declarations, ...pages, ...page, ...others].toSorted());
      const shared = reachable(doors.map((name) => `${name}.js`)).filter((name) => name.includes('/chunks/'));
      expect(shared.toSorted()).toEqual(
        ['collection-source', 'journal', 'store'].map((name) => `dist/chunks/${name}.js`),
      );
    });

    test('has code without docstrings, and with readable names', () => {
      const code = here.files.filter((name) => name.endsWith('.js')).map((name) => readText(name));
      expect(code.filter((text) => text.includes('/**'))).toEqual([]);
      expect(code.join('')).toContain('class ImageWorker {');
    });

    test('checks the version of Node.js before all else', () => {
      const doors = here.files.filter((name) => /^dist\/(.*\/)?(index|main)\.js$/.test(name));
      expect(doors).toHaveLength(10);
      for (const door of doors)
        expect(readText(door)).toMatch(/^(#!.*\n)?import "\.{1,2}\/node-version\.js";\n/);
      expect(readText('dist/node-version.js')).not.toContain('import');
    });

    test('stays small', () => {
      const prebuilds = path.join(PROJECT, 'prebuilds');
      const addons = fs.existsSync(prebuilds)
        ? fs
            .readdirSync(prebuilds, { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.node'))
        : [];
      const bytes = addons.map((name) => gzipSync(fs.readFileSync(path.join(prebuilds, name))).length);
      const withAddons = fs.statSync(here.tarball).size;
      expect(withAddons - bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(BYTES_MAX);
    });

    test('runs nothing at install, and brings what it needs', () => {
      const lock = JSON.parse(fs.readFileSync(path.join(here.project, 'package-lock.json'), 'utf8'));
      const { '': _, ...packages } = lock.packages as Record<string, { hasInstallScript?: boolean }>;
      expect(Object.keys(packages).toSorted()).toEqual(
        [...DEPENDENCIES, 'keelson'].toSorted().map((name) => `node_modules/${name}`),
      );
      expect(Object.values(packages).filter(({ hasInstallScript }) => hasInstallScript)).toEqual([]);
    });

    test.each(['import.js', 'require.cjs'])('works by %s', (program) => {
      const report = reportOf(here, process.execPath, [], path.join(here.project, program));
      expect(report).toMatchObject(EXPECTED);
      expect(report.engine).toBe('fs');
      if (process.platform === 'linux') {
        expect(report.engineReason).toMatch(
          /^The node:fs engine runs, durable and complete, only slower: this installation has no native addon; to get [^/]*\.$/,
        );
      }
    });

    test("runs the README's first example", () => {
      const { text } = codeBlocks(readText('README.md')).find(({ language }) => language === 'ts')!;
      fs.writeFileSync(path.join(here.project, 'first-example.ts'), text);
      expect(
        compile('typescript', ['first-example.ts'], { ...withNodeTypes, noEmit: false, outDir: 'first' }),
      ).toBe('');
      const ended = run(process.execPath, ['first/first-example.js'], { cwd: here.project });
      expectSuccess(ended);
      expect(ended.stdout.trim().split('\n')).toEqual(promisedOutput(text));
    });

    describe('has types', () => {
      const compilers = ['typescript', 'typescript-5'];
      const modules = [
        ['bundler', 'esnext'],
        ['node16', 'node16'],
        ['nodenext', 'nodenext'],
      ];
      const cases = compilers.flatMap((compiler) =>
        modules.map(([moduleResolution, module]) => ({ compiler, moduleResolution, module })),
      );

      test.each(cases)('for $compiler with $moduleResolution, on ES2022 without @types/node', (facts) => {
        const { compiler, moduleResolution, module } = facts;
        expect(compile(compiler, ['types.ts'], { moduleResolution, module })).toBe('');
      });

      test.each(compilers)('for %s with newer libraries and @types/node', (compiler) => {
        const options = { ...withNodeTypes, lib: ['esnext', 'dom'] };
        expect(compile(compiler, ['types.ts', 'types-esnext.ts'], options)).toBe('');
      });

      // Without types of Node.js. An adapter that is an event emitter has no use without them.
      test.each(['', '/journal', '/replica', '/testing', '/unstorage'])(
        "of keelson%s alone, which lean on no other door's",
        (door) => {
          fs.writeFileSync(
            path.join(here.project, 'door.ts'),
            `import * as door from 'keelson${door}';\ndoor;\n`,
          );
          expect(compile('typescript', ['door.ts'])).toBe('');
        },
      );

      test('that refuse what is wrong', () => {
        fs.writeFileSync(
          path.join(here.project, 'wrong.ts'),
          "import { nothing } from 'keelson';\nnothing;\n",
        );
        expect(compile('typescript', ['wrong.ts'])).toContain('TS2305');
      });
    });

    describe('is bundled', () => {
      const input = path.join(here?.project ?? '', 'import.js');
      let out = '';
      beforeAll(() => {
        // Where no node_modules is above it: what is not in the bundle is not found.
        out = path.join(here.folder, 'bundles');
        fs.mkdirSync(out);
      });

      /** Bundles it, and runs the bundle. Nothing is warned of. */
      function expectBundle(
        name: string,
        tool: string,
        parameters: (file: string) => readonly string[],
      ): void {
        const file = path.join(out, name);
        const ended = run(process.execPath, [path.join(tools, tool), ...parameters(file)], {
          cwd: here.project,
        });
        expectSuccess(ended);
        expect(ended.stderr).toBe('');
        const report = reportOf(here, process.execPath, [], file);
        expect(report).toMatchObject(EXPECTED);
        expect(report.engineReason).toMatch(/^[^/]*\.$/);
      }

      test.each(['esm', 'cjs'])('by Rollup as %s', (format) => {
        const name = `rollup.${format === 'esm' ? 'mjs' : 'cjs'}`;
        expectBundle(name, 'rollup.js', (file) => [input, file, format, 'bundled']);
      });

      test.each(['lib', 'ssr'])('by Vite: %s', (mode) => {
        expectBundle(`vite-${mode}.mjs`, 'vite.js', (file) => [here.project, input, file, mode]);
      });

      test.each(['esm', 'cjs'])('by esbuild as %s', (format) => {
        const name = `esbuild.${format === 'esm' ? 'mjs' : 'cjs'}`;
        expectBundle(name, 'esbuild.js', (file) => [input, file, format]);
      });
    });

    /** Returns files of the build with all that they import by relative paths. */
    function reachable(files: readonly string[], fileOf = (name: string) => name): string[] {
      const reached = new Set(files);
      for (const file of reached) {
        for (const [, to] of readText(file).matchAll(/(?:from |import\(|import )['"](\..*?)['"]/g)) {
          reached.add(fileOf(path.join(path.dirname(file), to!)));
        }
      }
      return [...reached];
    }

    /** Type-checks files of the project, without skipLibCheck, and returns what the compiler says. */
    function compile(compiler: string, files: readonly string[], given: object = {}): string {
      const compilerOptions = {
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        target: 'es2022',
        lib: ['es2022'],
        types: [],
        module: 'nodenext',
        moduleResolution: 'nodenext',
        ...given,
      };
      const config = path.join(here.project, 'tsconfig.json');
      fs.writeFileSync(config, JSON.stringify({ compilerOptions, files }));
      const tsc = path.join(tools, 'node_modules', compiler, 'bin/tsc');
      return run(process.execPath, [tsc, '--project', config], { cwd: here.project }).stdout;
    }
  },
);
