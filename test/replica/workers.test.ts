// Replicas in worker threads of a process of their own, on what is built: program.js plays. The process must end by itself.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const PROGRAM = path.resolve('test/replica/program.js');
/** A process that has not ended by then is held up by something. */
const TIMEOUT_MS = 120_000;

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-workers-'));
});

afterEach(() => fs.rmSync(directory, { recursive: true }));

async function play(what: string) {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const parameters = [PROGRAM, what, path.join(directory, 'store')];
  const { stdout } = await promisify(execFile)(process.execPath, parameters, {
    env,
    timeout: TIMEOUT_MS,
    maxBuffer: 2 ** 26,
  });
  const { said, files } = JSON.parse(stdout);
  expect(files).toBe(0);
  return said;
}

describe('replicas in worker threads', () => {
  test('show everything up to an LSN that they are told', async () => {
    const { answers, expected } = await play('reads');
    expect(expected).toHaveLength(100);
    expect(answers).toEqual(Array.from({ length: 4 }, () => expected));
  });

  test('leave no port and no pin at the store when they are terminated at any time', async () => {
    expect(await play('terminated')).toEqual({ size: 2000, pins: 4, left: 0, isRetired: true });
  });

  test('end with the typed error when the store is closed, and can be read on', async () => {
    const facts = { path: path.join(directory, 'store') };
    const ended = { code: 'KEELSON_CLOSED', facts, entries: [['a', '1']] };
    expect(await play('closed')).toEqual({ ended: [ended, ended, ended, ended], left: 0 });
  });

  test.each([
    ['a port that nobody has opened', 'unopened', { ports: 10 }],
    ['an open replica, or a store that nobody has closed', 'left', { size: 1 }],
    ['an open replica, in its worker', 'idle', { put: true }],
  ])('hold up no process: %s', async (_, what, expected) => {
    expect(await play(what)).toEqual(expected);
  });
});
