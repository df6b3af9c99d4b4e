// Runs the command: in this process, which is quick, or as it is built in a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, onTestFinished } from 'vitest';
import { runProgram } from '../../src/cli/program.js';

const MAIN = path.resolve('dist/cli/main.js');

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command in this process. One at a time. */
export async function keelson(parameters: readonly string[], input = ''): Promise<Ended> {
  const texts = { stdout: '', stderr: '' };
  const before = { ...Object.getOwnPropertyDescriptors(process), exitCode: process.exitCode };
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write };
  Object.defineProperty(process, 'stdin', {
    value: Readable.from(input === '' ? [] : [Buffer.from(input)]),
    configurable: true,
  });
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (text: string | Uint8Array) => {
      texts[name] += String(text);
      return true;
    };
  }
  try {
    process.exitCode = 0;
    await runProgram(['node', 'keelson', ...parameters]);
    return { code: Number(process.exitCode), out: texts.stdout, err: texts.stderr };
  } finally {
    for (const name of ['stdout', 'stderr'] as const) process[name].write = writes[name];
    Object.defineProperty(process, 'stdin', before.stdin!);
    process.exitCode = before.exitCode;
  }
}

/** Starts the command as it is built. `until` resolves with the output when it holds a text. */
export function startKeelson(parameters: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [MAIN, ...parameters], {
    env: { ...process.env, NODE_OPTIONS: '', ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => undefined);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, out, err }));
  const until = async (text: string): Promise<string> => {
    while (!out.includes(text)) await once(child.stdout, 'data');
    return out;
  };
  return { child, ended, until };
}

function makeFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-cli-'));
}

function removeFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
}

/** Returns a new directory, which goes when the test ends. */
export function newFolder(): string {
  const folder = makeFolder();
  onTestFinished(() => removeFolder(folder));
  return folder;
}

/** Returns a new directory for all tests of a file. */
export function sharedFolder(): string {
  const folder = makeFolder();
  afterAll(() => removeFolder(folder));
  return folder;
}
