// What the tests of the native engine share: whether it can be had here, child processes, and looks from outside.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { createIoUringStorage } from '../../src/storage/index.js';

export const PROJECT = path.resolve(import.meta.dirname, '../..');

/** Null where the engine works, or the reason for which the tests that need it are skipped. */
export function whyNoIoUring(): string | null {
  try {
    createIoUringStorage();
    return null;
  } catch (error) {
    return (error as Error).message.split('\n')[0]!;
  }
}

export function hasTool(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => fs.existsSync(path.join(folder, name)));
}

/** A tool that may be there and yet do nothing here: strace where ptrace is denied, for one. */
export function works(command: string, ...parameters: string[]): boolean {
  return spawnSync(command, parameters, { stdio: 'ignore' }).status === 0;
}

/** A directory for every test around it. */
export function useDirectory(): { readonly path: string; at(...names: string[]): string } {
  let directory = '';
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-native-'));
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));
  return {
    get path() {
      return directory;
    },
    at: (...names) => path.join(directory, ...names),
  };
}

/** Mounts a tmpfs of that size on the directory; null where that is not allowed, or what takes it away again. */
export function mountSmall(directory: string, size = '256k'): (() => void) | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory], { stdio: 'ignore' });
  } catch {
    return null;
  }
  // Detached at once, even while a failed test has left a file open on it.
  return () => execFileSync('umount', ['--lazy', directory]);
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** What stands before `node`: a launcher and its arguments. */
  readonly under?: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Told of every line the program prints. */
  readonly onLine?: (line: string, child: ChildProcess) => void;
}

/** What every program starts with. `print` is not swallowed by process.exit(): a pipe is written to at once. */
const PRELUDE = `
  import fs from 'node:fs';
  import { createRequire } from 'node:module';
  const print = (value) => fs.writeSync(1, (typeof value === 'string' ? value : JSON.stringify(value)) + '\\n');
  const [DIRECTORY, ...PARAMETERS] = process.argv.slice(1);
`;

/** Runs an ES module in a child process, on the built package, to its end. */
export async function runProgram(
  program: string,
  parameters: readonly string[],
  { under = [], nodeOptions = [], env = {}, cwd = PROJECT, onLine }: RunOptions = {},
): Promise<Ended> {
  const command = [
    ...under,
    process.execPath,
    ...nodeOptions,
    '--input-type=module',
    '-e',
    PRELUDE + program,
    ...parameters,
  ];
  const child = spawn(command[0]!, command.slice(1), {
    cwd,
    env: { ...process.env, KEELSON_ENGINE: '', NODE_OPTIONS: '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [stdout, stderr, told] = ['', '', 0];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    for (let end = stdout.indexOf('\n', told); end >= 0; end = stdout.indexOf('\n', told)) {
      onLine?.(stdout.slice(told, end), child);
      told = end + 1;
    }
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout, stderr };
}

/** The lines of a program that ended well; what it said on stderr otherwise. */
export function linesOf({ code, signal, stdout, stderr }: Ended): string[] {
  if (code !== 0 || signal !== null) throw new Error(`It ended with ${signal ?? code}: ${stdout}\n${stderr}`);
  return stdout.split('\n').slice(0, -1);
}

export async function jsonOf<T>(program: Promise<Ended>): Promise<T> {
  return JSON.parse(linesOf(await program).at(-1)!) as T;
}

/** Small, seeded, and the same everywhere: xorshift32. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed * 2 + 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** What each descriptor of this process leads to. */
export function descriptorTargets(table = '/proc/self/fd'): string[] {
  return fs.readdirSync(table).flatMap((fd) => {
    try {
      return [fs.readlinkSync(`${table}/${fd}`)];
    } catch {
      return [];
    }
  });
}
