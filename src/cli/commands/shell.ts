// keelson shell: a prompt for JavaScript with the store in it.

import { homedir } from 'node:os';
import { join } from 'node:path';
import type { AsyncCompleter } from 'node:readline';
import repl, { type REPLServer } from 'node:repl';
import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { lineOf, reportOf } from '../command-errors.js';
import { completeStore } from '../shell-completion.js';
import { type CommonOptions, storeCommand, type WritingOptions, waitOption } from '../store-command.js';

export function shellCommand(): Command {
  return storeCommand('shell', 'Open a prompt for JavaScript, with the store as db and its namespaces in ns.')
    .addOption(waitOption())
    .action(shell);
}

/** The place of the history, in the home directory. */
const HISTORY = '.keelson_history';

async function shell(directory: string, { wait }: CommonOptions & WritingOptions): Promise<void> {
  const held = new ShellStore(directory, await AnyStore.open({ directory, readOnly: true }));
  // A stack tells nothing about a line that was typed.
  Error.stackTraceLimit = 0;
  if (process.stdin.isTTY) process.stdout.write('This shell reads. Type .write to write, .help for help.\n');
  const server = repl.start({ prompt: 'keelson> ', useGlobal: true, ignoreUndefined: true });
  const ended = new Promise<void>((resolve) => server.once('exit', resolve));
  held.enter(server);
  evaluateIn(server, held);
  server.defineCommand('write', {
    help: 'Open the store for writing, until the shell ends; nobody else can have it open meanwhile',
    action: () => void held.inTurn(() => openForWriting(server, held, wait)),
  });
  if (process.stdin.isTTY) {
    server.setupHistory(join(homedir(), HISTORY), () => {});
    const complete = server.completer as AsyncCompleter;
    Object.assign(server, {
      completer: (line: string, done: Parameters<AsyncCompleter>[1]) => {
        const found = completeStore(line, held.store);
        if (found === null) complete(line, done);
        else done(null, found);
      },
    });
  }
  await ended;
  await held.inTurn(() => held.store.db.close());
}

/** The store of a shell, which is opened again for writing. */
class ShellStore {
  store: AnyStore;
  readOnly = true;
  readonly #directory: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(directory: string, store: AnyStore) {
    this.#directory = directory;
    this.store = store;
  }

  /** Runs one thing after the other, because lines of a pipe come at once. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Opens the store for writing. When that fails, it is open for reading as before. */
  async openForWriting(wait: number): Promise<void> {
    const before = this.store;
    this.store = await AnyStore.open({ directory: this.#directory, readOnly: false, wait });
    this.readOnly = false;
    await before.db.close();
  }

  /** Puts the store into the names of the shell. */
  enter({ context }: REPLServer): void {
    const { store } = this;
    const names = store.spaces.flatMap(({ name }) => (name === '' ? [] : [name]));
    context['db'] = store.db;
    context['ns'] = Object.fromEntries(names.map((name) => [name, store.in(name)]));
  }
}

/** Has the shell show what the owner has written, and await promises. */
function evaluateIn(server: REPLServer, held: ShellStore): void {
  const evaluate = server.eval;
  Object.assign(server, {
    eval: (...[code, context, file, done]: Parameters<typeof evaluate>) => {
      const failed = (error: Error) => done(error, undefined);
      const begin = async () => {
        if (held.readOnly) await held.store.db.refresh();
        held.enter(server);
        evaluate.call(server, code, context, file, (error, result: unknown) => {
          if (error === null && result instanceof Promise) result.then((value) => done(null, value), failed);
          else done(error, result);
        });
      };
      held.inTurn(begin).catch(failed);
    },
  });
}

async function openForWriting(server: REPLServer, held: ShellStore, wait: number): Promise<void> {
  try {
    if (held.readOnly) await held.openForWriting(wait);
    held.enter(server);
    server.output.write('db and ns write now, until the shell ends\n');
  } catch (error) {
    server.output.write(`${lineOf(reportOf(error), false)}\n`);
  }
  server.displayPrompt();
}
