// A shell on a terminal: a prompt with colours, completion and a history.

import { homedir } from 'node:os';
import { join } from 'node:path';
import repl from 'node:repl';
import { inspect } from 'node:util';
import { isKeelsonError } from '../../errors.js';
import { CommandError, lineOf, reportOf } from '../command-errors.js';
import { completeStore } from './completion.js';
import { awaited } from './shell-code.js';
import type { ShellStore } from './shell-store.js';

/** The place of the history, in the home directory. */
const HISTORY = '.keelson_history';
/** The pause between two looks at what the owner has written. */
const LOOK_MS = 50;

/** Resolves when the person leaves the shell. */
export async function runTerminalShell(held: ShellStore): Promise<void> {
  process.stdout.write('db is the store, ns.NAME a namespace. Tab completes, .help lists commands.\n');
  const server = repl.start({ prompt: 'keelson> ', useGlobal: true, ignoreUndefined: true });
  const ended = new Promise<void>((resolve) => server.once('exit', resolve));
  const { eval: evaluate, completer: complete } = server;
  Object.assign(server, {
    writer: shown,
    // While a line is awaited, the REPL keeps what is typed or pasted.
    eval: (...[code, ...rest]: Parameters<typeof evaluate>) => evaluate.call(server, awaited(code), ...rest),
    completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
      const found = completeStore(line, held.store);
      if (found === null) (complete as (...given: unknown[]) => void)(line, done);
      else done(null, found);
    },
  });
  server.setupHistory(join(homedir(), HISTORY), () => {});
  held.enter(server.context);
  const looking = setInterval(() => void held.refresh().catch(() => {}), LOOK_MS);
  await ended;
  clearInterval(looking);
}

/** Returns a value in colours. An error of the store is one line. */
function shown(value: unknown): string {
  if (isKeelsonError(value) || value instanceof CommandError) return lineOf(reportOf(value), false);
  return inspect(value, { ...repl.writer.options, colors: process.stdout.hasColors?.() ?? false });
}

/** Asks a person at the terminal, who answers with one key. */
export async function askKey(question: string): Promise<boolean> {
  const { stdin, stdout } = process;
  // The REPL must not take the key for a part of its next line.
  const listeners = stdin.listeners('keypress') as (() => void)[];
  stdin.removeAllListeners('keypress');
  stdout.write(`${question} [y/N] `);
  const key = await new Promise<string | undefined>((resolve) => stdin.once('keypress', resolve));
  for (const listener of listeners) stdin.on('keypress', listener);
  stdout.write(`${key === 'y' || key === 'Y' ? 'y' : 'n'}\n`);
  return key === 'y' || key === 'Y';
}
