// The packed tarball in an empty project, and what it is tried with: installed from the registry, into build/package/.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const PROJECT = path.resolve(import.meta.dirname, '../..');
const HERE = import.meta.dirname;

/** Of npm, where there is no registry: everything else that goes wrong is a failure. */
const UNREACHABLE = /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ENOTCACHED)\b/;

export const UNREACHABLE_REASON = 'skipped: the npm registry cannot be reached';

export interface Installed {
  /** Everything is in here. */
  readonly folder: string;
  readonly tarball: string;
  /** The paths in the tarball, without addons. */
  readonly files: readonly string[];
  /** A project that has installed the tarball and nothing else, with the programs in it. */
  readonly project: string;
}

/** Packs what is built, and installs it into an empty project. Null where no registry can be reached. */
export function packAndInstall(): Installed | null {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-package-')));
  // Without `prepare`, which would take dist/ away from the tests beside this one. The whole test runs it.
  const packed = npm(PROJECT, 'pack', '--ignore-scripts', '--json', '--pack-destination', folder);
  expectSuccess(packed);
  const { filename, files } = packReport(packed.stdout);
  const tarball = path.join(folder, filename);
  const project = path.join(folder, 'project');
  fs.mkdirSync(project);
  fs.writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }');
  const installed = npm(project, 'install', '--prefer-offline', tarball);
  if (isUnreachable(installed)) {
    fs.rmSync(folder, { recursive: true });
    return null;
  }
  expectSuccess(installed);
  fs.cpSync(path.join(HERE, 'programs'), project, { recursive: true });
  // Addons are tested where a test puts one there: whether the checkout has made some changes nothing.
  fs.rmSync(path.join(project, 'node_modules/keelson/prebuilds'), { recursive: true, force: true });
  return { folder, tarball, files: withoutAddons(files.map(({ path: file }) => file)), project };
}

export function withoutAddons(files: readonly string[]): string[] {
  return files.filter((file) => !file.startsWith('prebuilds/')).toSorted();
}

interface PackReport {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** npm 11 and before print a list, later ones an object by name. */
function packReport(json: string): PackReport {
  return Object.values(JSON.parse(json) as Record<string, PackReport>)[0]!;
}

/**
 * The folder with the tools of `name`, a folder beside this file, and its scripts; null where no registry can be reached.
 * They are installed when they are not there or the lock file is another one.
 */
export function installTools(name: 'checkers' | 'peers' | 'runtimes' | 'search-index'): string | null {
  const folder = path.join(PROJECT, 'build/package', name);
  const mark = path.join(folder, 'node_modules/.installed-lock.json');
  const lock = fs.readFileSync(path.join(HERE, name, 'package-lock.json'), 'utf8');
  fs.cpSync(path.join(HERE, name), folder, { recursive: true });
  if (fs.existsSync(mark) && fs.readFileSync(mark, 'utf8') === lock) return folder;
  // No script of a tool runs: each brings what it needs in the package.
  const installed = npm(folder, 'ci', '--ignore-scripts', '--prefer-offline');
  if (isUnreachable(installed)) return null;
  expectSuccess(installed);
  fs.writeFileSync(mark, lock);
  return folder;
}

/** Asks a registry that does not answer again once, and not for minutes. */
const NPM_OPTIONS = ['--no-audit', '--no-fund', '--fetch-retries=1', '--fetch-retry-mintimeout=2000'];

export function npm(cwd: string, ...parameters: readonly string[]): SpawnSyncReturns<string> {
  return run('npm', [...parameters, ...NPM_OPTIONS], { cwd });
}

interface RunOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

export function run(
  command: string,
  parameters: readonly string[],
  { cwd, env = {} }: RunOptions,
): SpawnSyncReturns<string> {
  // A Vitest in it must not take itself for this one, nor a store the engine that a developer has asked for.
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(VITEST|TEST$|DEV$|PROD$|MODE$|NODE_ENV$|KEELSON_|npm_(command|lifecycle|package|execpath))/.test(
        name,
      ),
  );
  const options = { cwd, env: { ...Object.fromEntries(inherited), ...env }, timeout: 300_000 };
  return spawnSync(command, [...parameters], { ...options, encoding: 'utf8', maxBuffer: 1 << 26 });
}

function isUnreachable({ status, stderr }: SpawnSyncReturns<string>): boolean {
  return status !== 0 && UNREACHABLE.test(stderr);
}

export function expectSuccess({ status, error, stdout, stderr }: SpawnSyncReturns<string>): void {
  if (status !== 0) throw new Error(`Ended with ${status}\n${stdout}\n${stderr}`, { cause: error });
}

/** What programs/exercise.js reports. */
export interface Report {
  readonly size: number;
  readonly last: string;
  readonly map: number;
  readonly lsn: number;
  readonly inMemoryValue: number;
  readonly engine: string;
  readonly engineReason: string;
}

/** What it reports wherever it runs. */
export const EXPECTED = {
  size: 11,
  last: 'key:00009',
  map: 0,
  lsn: 17,
  replicated: 'replicated',
  inMemoryValue: 1,
};

/** A new folder for stores. */
export function storesIn({ folder }: Installed): string {
  return fs.mkdtempSync(path.join(folder, 'stores-'));
}

/** Runs a program of the project, or a bundle, and returns what it reports. */
export function reportOf(
  installed: Installed,
  command: string,
  parameters: readonly string[],
  program: string,
): Report {
  const ended = run(command, [...parameters, program, storesIn(installed)], { cwd: path.dirname(program) });
  expectSuccess(ended);
  return JSON.parse(ended.stdout) as Report;
}
