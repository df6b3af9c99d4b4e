// A shell whose lines come from a pipe or a file: prints values only, and ends with the first error.

import { createInterface } from 'node:readline';
import repl, { Recoverable } from 'node:repl';
import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import { isKeelsonError } from '../../errors.js';
import { CommandError } from '../command-errors.js';
import { print } from '../output.js';
import { taggedText } from '../tagged-json.js';
import { awaited } from './shell-code.js';
import type { ShellStore } from './shell-store.js';

export async function runPipedShell(held: ShellStore, isJson: boolean): Promise<void> {
  let failed: (error: unknown) => void = () => {};
  const server = repl.start({
    // Its lines are given one at a time, because each waits for the one before.
    input: new PassThrough(),
    output: new PassThrough(),
    useGlobal: true,
    // A REPL tells nobody else of what a line throws.
    writer: (error) => {
      failed(error);
      return '';
    },
  });
  const run = (code: string) =>
    new Promise<unknown>((resolve, reject) => {
      failed = reject;
      server.eval(awaited(code), server.context, 'shell', (error, value) => {
        if (error === null) resolve(value);
        else reject(error);
      });
    });
  held.enter(server.context);
  try {
    await runLines(held, run, isJson);
  } finally {
    server.close();
  }
}

async function runLines(
  held: ShellStore,
  run: (code: string) => Promise<unknown>,
  isJson: boolean,
): Promise<void> {
  let code = '';
  let number = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    number++;
    code += `${line}\n`;
    if (code.trim() === '') continue;
    await held.refresh();
    try {
      const value = await run(code);
      code = '';
      if (value !== undefined) await print(isJson ? taggedText(value) : inspect(value));
    } catch (error) {
      if (!(error instanceof Recoverable)) throw explained(error, number);
    }
  }
  if (code.trim() !== '')
    throw new CommandError('MALFORMED', 'The last lines are an unfinished statement', 'Give all of it');
}

function explained(error: unknown, number: number): unknown {
  if (isKeelsonError(error) || error instanceof CommandError) return error;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : inspect(error);
  return new CommandError('THROWN', `Line ${number}: ${what}`, 'Mend the line; those before it were run');
}
