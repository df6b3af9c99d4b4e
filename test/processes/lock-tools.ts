// What the tests of the lock between processes share: owners that live until they are killed, and attempts to open.

import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll } from 'vitest';
import { type Ended, linesOf, type RunOptions, runProgram, works } from '../native/native-tools.js';

/** Without the addon: neither io_uring nor a lock of the directory. */
export const WITHOUT_ADDON: RunOptions = { nodeOptions: ['--no-addons'] };

export const SETUPS: readonly (readonly [name: string, options: RunOptions])[] = [
  ['the fastest engine', {}],
  ['node:fs', { env: { KEELSON_ENGINE: 'fs' } }],
  ['node:fs without the addon', WITHOUT_ADDON],
];

export const whyNoNamespaces: string | null =
  process.getuid?.() !== 0
    ? 'namespaces take root'
    : works('unshare', '-m', '-p', '-f', 'true')
      ? null
      : 'unshare does not work here';

const OWNER = `
  import { open } from 'keelson';
  const db = await open(DIRECTORY);
  await db.put('of the owner', 1);
  print('open');
  let rest = '';
  process.stdin.on('data', async (chunk) => {
    rest += chunk;
    for (let end = rest.indexOf('\\n'); end >= 0; end = rest.indexOf('\\n')) {
      const command = rest.slice(0, end);
      rest = rest.slice(end + 1);
      try {
        if (command === 'close') await db.close().then(() => process.stdin.destroy());
        else if (command === 'checkpoint') await db.checkpoint();
        else await db.put(command, 'x'.repeat(2e6));
        print('done');
      } catch (error) {
        print([error.code, error.message, error.cause?.code]);
      }
    }
  });
`;

export interface Owner {
  readonly child: ChildProcess;
  /** Writes a line to it; resolves with the line that it answers. */
  tell(command: string): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  kill(): Promise<Ended>;
  readonly ended: Promise<Ended>;
}

/** Starts a process that has the store open. */
export function startOwner(directory: string, options: RunOptions = {}): Promise<Owner> {
  return startProcess(OWNER, [directory], options);
}

/** Starts a program that prints `open`, and then a line for every line that it is told. */
async function startProcess(
  program: string,
  parameters: readonly string[],
  options: RunOptions,
): Promise<Owner> {
  let process_: ChildProcess | null = null;
  const listeners: ((line: string) => void)[] = [];
  const opened = withResolvers();
  const ended = runProgram(program, parameters, {
    ...options,
    onLine: (line, child) => {
      process_ = child;
      if (line === 'open') opened.resolve();
      else listeners.shift()?.(line);
    },
  });
  ended.then(({ stderr }) => opened.reject(new Error(stderr)), opened.reject);
  await opened.promise;
  const child = process_!;
  return {
    child: child as ChildProcess,
    tell: (command) =>
      new Promise((resolve) => {
        listeners.push(resolve);
        (child as ChildProcess).stdin!.write(`${command}\n`);
      }),
    signal: (signal) => void (child as ChildProcess).kill(signal),
    kill: () => {
      (child as ChildProcess).kill('SIGKILL');
      return ended;
    },
    ended,
  };
}

function withResolvers() {
  let resolve = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

const ATTEMPTS = `
  import { createInterface } from 'node:readline';
  import { open } from 'keelson';
  print('open');
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const db = await open(...JSON.parse(line));
      const keys = [...db.keys()];
      await db.close();
      print({ keys });
    } catch (error) {
      print({ code: error.code, message: error.message });
    }
  }
`;

export interface Attempt {
  readonly keys?: string[];
  readonly code?: string;
  readonly message?: string;
}

/** One of each setup for all attempts of a file: a process takes longer to start than to open a store a hundred times. */
const openers = new Map<string, Promise<Owner>>();

afterAll(async () => {
  for (const opener of openers.values()) await (await opener).kill();
});

/** Opens the store in another process, and closes it again. */
export async function attempt(
  directory: string,
  options: RunOptions = {},
  storeOptions: object = {},
): Promise<Attempt> {
  const line = JSON.stringify([directory, storeOptions]);
  if (options.under !== undefined) {
    const opener = await startProcess(ATTEMPTS, [], options);
    opener.child.stdin!.end(`${line}\n`);
    return JSON.parse(linesOf(await opener.ended).at(-1)!) as Attempt;
  }
  const setup = JSON.stringify(options);
  if (!openers.has(setup)) openers.set(setup, startProcess(ATTEMPTS, [], options));
  const opener = await openers.get(setup)!;
  const died = opener.ended.then(({ stderr }) => Promise.reject(new Error(`It ended: ${stderr}`)));
  return JSON.parse(await Promise.race([opener.tell(line), died])) as Attempt;
}

export function removeNames(directory: string, pattern: RegExp): number {
  const names = fs.readdirSync(directory).filter((name) => pattern.test(name));
  for (const name of names) fs.rmSync(path.join(directory, name));
  return names.length;
}
