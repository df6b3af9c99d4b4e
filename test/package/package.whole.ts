// What package.test.ts leaves out, because it takes minutes: linters of packages, webpack, Vitest, Jest, the development
// server of Vite, other runtimes, and what `prepare` makes of a fresh clone. `npm run test:package` runs both files.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXPECTED,
  expectSuccess,
  type Installed,
  installTools,
  npm,
  PROJECT,
  packAndInstall,
  type Report,
  reportOf,
  run,
  storesIn,
  UNREACHABLE_REASON,
  withoutAddons,
} from './package-tools.js';

const BUILT_ADDON = 'native/build/Release/keelson.node';

const installed = packAndInstall();
const peers = installed === null ? null : installTools('peers');
const runtimes = installed === null ? null : installTools('runtimes');
const checkers = installed === null ? null : installTools('checkers');

afterAll(() => {
  if (installed !== null) fs.rmSync(installed.folder, { recursive: true, force: true });
});

const isReachable = [peers, runtimes, checkers].every((tools) => tools !== null);
describe.skipIf(!isReachable)(`the packed tarball${isReachable ? '' : ` (${UNREACHABLE_REASON})`}`, () => {
  const here = installed as Installed;
  const tools = peers as string;
  const project = here?.project ?? '';
  const program = path.join(project, 'import.js');

  describe('is bundled', () => {
    let out = '';
    beforeAll(() => {
      out = path.join(here.folder, 'bundles');
      fs.mkdirSync(out);
    });

    test.each(['esm', 'cjs'])('by webpack as %s', (format) => {
      const file = path.join(out, `webpack.${format === 'esm' ? 'mjs' : 'cjs'}`);
      const ended = run(process.execPath, [path.join(tools, 'webpack.js'), project, program, file, format], {
        cwd: project,
      });
      expectSuccess(ended);
      expect(ended.stderr).toBe('');
      expect(reportOf(here, process.execPath, [], file)).toMatchObject(EXPECTED);
    });

    test.each(['esm', 'cjs'])('by Rollup as %s, with its dependencies outside', (format) => {
      const file = path.join(project, `rollup-external.${format === 'esm' ? 'mjs' : 'cjs'}`);
      const parameters = [path.join(tools, 'rollup.js'), program, file, format, 'external'];
      expectSuccess(run(process.execPath, parameters, { cwd: project }));
      // The project has the dependencies, where npm puts them for keelson.
      expect(reportOf(here, process.execPath, [], file)).toMatchObject(EXPECTED);
    });
  });

  test("is loaded by Vite's development server, with keelson inlined", () => {
    const parameters = [path.join(tools, 'vite.js'), project, program, '-', 'load', storesIn(here)];
    const ended = run(process.execPath, parameters, { cwd: project });
    expectSuccess(ended);
    expect(JSON.parse(ended.stdout)).toMatchObject(EXPECTED);
  });

  describe('is found sound', () => {
    const bin = (name: string) => path.join(checkers ?? '', 'node_modules', name);

    test('by publint', () => {
      const parameters = [bin('publint/src/cli.js'), here.tarball, '--strict'];
      const ended = run(process.execPath, parameters, { cwd: project });
      expectSuccess(ended);
      expect(ended.stdout).toMatch(/^All good!$/m);
    });

    test('by Are The Types Wrong, for ES modules', () => {
      const attw = bin('@arethetypeswrong/cli/dist/index.js');
      // Before Node.js 20.19 and TypeScript 5.8, a CommonJS module could not require an ES module: not its other profiles.
      const parameters = [attw, here.tarball, '--profile', 'esm-only', '--no-color'];
      const ended = run(process.execPath, parameters, { cwd: project });
      expectSuccess(ended);
      expect(ended.stdout).toContain('"keelson/testing"');
    });
  });

  test('is tested with Jest', () => {
    const directory = storesIn(here);
    const jest = path.join(checkers ?? '', 'node_modules/jest/bin/jest.js');
    const parameters = [
      '--experimental-vm-modules',
      '--no-warnings',
      jest,
      '--rootDir',
      '.',
      '--transform',
      '{}',
    ];
    const ended = run(process.execPath, [...parameters, '--testMatch', '**/test-case.js'], {
      cwd: project,
      env: { KEELSON_DIRECTORY: directory },
    });
    expectSuccess(ended);
    expect(JSON.parse(fs.readFileSync(path.join(directory, 'report.json'), 'utf8'))).toMatchObject(EXPECTED);
  });

  describe('is tested with Vitest', () => {
    function reportOfVitest(root: string, mode: string): Report {
      const directory = storesIn(here);
      const ended = run(process.execPath, [path.join(tools, 'vitest.js'), root, mode], {
        cwd: root,
        env: { KEELSON_DIRECTORY: directory },
      });
      expectSuccess(ended);
      return JSON.parse(fs.readFileSync(path.join(directory, 'report.json'), 'utf8'));
    }

    test.each(['plain', 'inline'])('%s', (mode) => {
      expect(reportOfVitest(project, mode)).toMatchObject(EXPECTED);
    });

    test('linked: its sources are not in node_modules, so Vitest inlines them', () => {
      const [package_, linking] = [
        path.join(here.folder, 'linked/keelson'),
        path.join(here.folder, 'linking'),
      ];
      fs.mkdirSync(path.join(linking, 'node_modules'), { recursive: true });
      fs.cpSync(path.join(project, 'node_modules/keelson'), package_, { recursive: true });
      for (const dependency of ['sorted-btree', '@msgpack']) {
        const from = path.join(project, 'node_modules', dependency);
        fs.cpSync(from, path.join(package_, 'node_modules', dependency), { recursive: true });
      }
      for (const name of ['package.json', 'exercise.js', 'test-case.js']) {
        fs.copyFileSync(path.join(project, name), path.join(linking, name));
      }
      fs.symlinkSync(package_, path.join(linking, 'node_modules/keelson'));
      expect(reportOfVitest(linking, 'plain')).toMatchObject(EXPECTED);
    });
  });

  describe('runs under', () => {
    const bin = (name: string) => path.join(runtimes ?? '', 'node_modules', name);
    const nodes = ['node-20', 'node-22', 'node-24', 'node-26'].map(
      (name) => [name, bin(`${name}/bin/node`)] as const,
    );
    const others = [
      ['Bun', bin('@oven/bun-linux-x64/bin/bun'), ['run']],
      ['Deno', bin('@deno/linux-x64-glibc/deno'), ['run', '--allow-all', '--no-remote']],
    ] as const;
    /** They come for one platform; and Bun's wants a newer processor than some. */
    const runs = (command: string) => spawnSync(command, ['--version']).status === 0;

    for (const [name, node] of nodes) {
      test.skipIf(!runs(node)).each(['import.js', 'require.cjs'])(`${name}: %s`, (file) => {
        expect(reportOf(here, node, [], path.join(project, file))).toMatchObject({
          ...EXPECTED,
          engine: 'fs',
        });
      });
    }

    const node22 = bin('node-22/bin/node');
    test.skipIf(!runs(node22))('search-index, on KeelsonLevel as on classic-level', () => {
      const folder = installTools('search-index') as string;
      for (const name of ['keelson', 'sorted-btree', '@msgpack'])
        fs.cpSync(path.join(project, 'node_modules', name), path.join(folder, 'node_modules', name), {
          recursive: true,
        });
      const ended = run(node22, [path.join(folder, 'search.js'), storesIn(here)], { cwd: folder });
      expectSuccess(ended);
      const { KeelsonLevel, ClassicLevel } = JSON.parse(ended.stdout);
      expect(KeelsonLevel).toEqual(ClassicLevel);
      expect(KeelsonLevel.slice(0, 4)).toEqual([['ada', 'alan'], ['alan'], [], ['alan']]);
    });

    test.skipIf(!runs(bin('node-18/bin/node'))).each(['import.js', 'node_modules/keelson/dist/cli/main.js'])(
      'no older Node.js, which is told so in one sentence: %s',
      (file) => {
        const ended = run(bin('node-18/bin/node'), [path.join(project, file), storesIn(here)], {
          cwd: project,
        });
        expect(ended.status).not.toBe(0);
        expect(ended.stderr).toMatch(
          /^Error: Keelson needs Node\.js 22\.12 or later, or 20\.19 or later of version 20; this is Node\.js 18\.\d+\.\d+\./m,
        );
      },
    );

    for (const [name, command, parameters] of others) {
      test.skipIf(!runs(command)).each(['import.js', 'require.cjs'])(`${name}: %s`, (file) => {
        const report = reportOf(here, command, parameters, path.join(project, file));
        expect(report).toEqual({
          ...EXPECTED,
          engine: 'fs',
          engineReason: `The node:fs engine runs, durable and complete, only slower: ${name} cannot run the native addon.`,
        });
      });
    }

    describe.skipIf(!fs.existsSync(path.join(PROJECT, BUILT_ADDON)))('with the addon there:', () => {
      const prebuilds = path.join(project, 'node_modules/keelson/prebuilds');
      beforeAll(() => {
        fs.cpSync(
          path.join(PROJECT, BUILT_ADDON),
          path.join(prebuilds, `linux-${process.arch}/keelson.node`),
        );
      });
      afterAll(() => {
        fs.rmSync(prebuilds, { recursive: true });
      });

      for (const [name, node] of nodes) {
        test.skipIf(!runs(node))(name, () => {
          const mine = reportOf(here, process.execPath, [], program);
          const report = reportOf(here, node, [], program);
          expect(report).toMatchObject({ ...EXPECTED, engine: mine.engine });
        });
      }

      for (const [name, command, parameters] of others) {
        test.skipIf(!runs(command))(`${name} has the fs engine all the same`, () => {
          expect(reportOf(here, command, parameters, program)).toMatchObject({ ...EXPECTED, engine: 'fs' });
        });
      }
    });
  });
});

const hasGit = spawnSync('git', ['--version']).status === 0;
describe.skipIf(!isReachable || !hasGit)('a fresh clone', () => {
  let clone = '';
  beforeAll(() => {
    clone = path.join((installed as Installed).folder, 'clone');
    // Of the tree as it is, committed or not.
    const listed = git(PROJECT, 'ls-files', '--cached', '--others', '--exclude-standard', '-z');
    for (const file of listed.split('\0').filter((name) => fs.existsSync(path.join(PROJECT, name)) && name)) {
      fs.cpSync(path.join(PROJECT, file), path.join(clone, file));
    }
    git(clone, 'init', '--quiet');
    git(clone, 'add', '--all');
    git(
      clone,
      '-c',
      'user.name=test',
      '-c',
      'user.email=test@localhost',
      'commit',
      '--quiet',
      '--message',
      'All',
    );
  });

  function git(cwd: string, ...parameters: readonly string[]): string {
    const ended = run('git', parameters, { cwd });
    expectSuccess(ended);
    return ended.stdout;
  }

  test('is packed with the same files', () => {
    expectSuccess(npm(clone, 'ci', '--prefer-offline'));
    fs.rmSync(path.join(clone, 'dist'), { recursive: true });
    expectSuccess(npm(clone, 'pack'));
    const listed = run('tar', ['-tzf', fs.readdirSync(clone).find((name) => name.endsWith('.tgz'))!], {
      cwd: clone,
    });
    expectSuccess(listed);
    const files = listed.stdout
      .trim()
      .split('\n')
      .map((name) => name.replace(/^package\//, ''));
    expect(withoutAddons(files)).toEqual((installed as Installed).files);
    expect(files).toContain(`prebuilds/${process.platform}-${process.arch}/keelson.node`);
  });

  test('is built without a compiler for C++, and not packed without one for TypeScript', () => {
    const environment = { PATH: path.dirname(process.execPath) };
    const prepared = run(process.execPath, ['prepare.js'], { cwd: clone, env: environment });
    expectSuccess(prepared);
    expect(prepared.stdout).toMatch(/^keelson: the io_uring engine was not built|no native engine/m);
    expect(fs.existsSync(path.join(clone, 'dist/index.js'))).toBe(true);
    fs.renameSync(path.join(clone, 'node_modules'), path.join(clone, 'away'));
    expectSuccess(run(process.execPath, ['prepare.js'], { cwd: clone }));
    const refused = run(process.execPath, ['prepare.js'], { cwd: clone, env: { npm_command: 'pack' } });
    expect(refused.status).toBe(1);
    expect(refused.stdout).toMatch(/TypeScript is not installed\. Run npm ci/);
  });

  test('is installed from git with the same files, and works', () => {
    const project = path.join((installed as Installed).folder, 'from-git');
    fs.mkdirSync(project);
    fs.cpSync(path.join(import.meta.dirname, 'programs'), project, { recursive: true });
    fs.writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }');
    expectSuccess(npm(project, 'install', '--prefer-offline', `git+file://${clone}`));
    const folder = path.join(project, 'node_modules/keelson');
    const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
    expect(files.toSorted()).toEqual((installed as Installed).files);
    const report = reportOf(installed as Installed, process.execPath, [], path.join(project, 'import.js'));
    expect(report).toMatchObject(EXPECTED);
  });
});
