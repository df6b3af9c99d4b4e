// Runs the built command in a process of its own.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

const MAIN = path.resolve('dist/cli/main.js');
const ENVIRONMENT = { ...process.env, NODE_OPTIONS: '' };

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command to its end. */
export function keelson(parameters: readonly string[], input = ''): Ended {
  const ended = spawnSync(process.execPath, [MAIN, ...parameters], {
    input,
    env: ENVIRONMENT,
    encoding: 'utf8',
  });
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}

/** Starts the command. `until` resolves with the output when it holds a text. */
export function startKeelson(parameters: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...parameters], {
    env: ENVIRONMENT,
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

/** Returns a new directory, which goes when the test ends. */
export function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-cli-'));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
