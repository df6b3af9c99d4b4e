// keelson shell: a prompt for JavaScript with the store in it.

import type { Command } from 'commander';
import { CommandError } from '../command-errors.js';
import { ShellStore } from '../shell/shell-store.js';
import { type CommonOptions, storeCommand, type WritingOptions, waitOption } from '../store-command.js';

interface ShellOptions extends CommonOptions, WritingOptions {
  readonly yes?: true;
}

export function shellCommand(): Command {
  return storeCommand(
    'shell',
    'Open a prompt for JavaScript, with the store as db and its namespaces in ns, or run lines from a pipe.',
  )
    .option('-y, --yes', 'write without asking')
    .addOption(waitOption())
    .action(shell);
}

async function shell(directory: string, { wait, yes, json }: ShellOptions): Promise<void> {
  const { stackTraceLimit } = Error;
  const terminal = process.stdin.isTTY ? await import('../shell/terminal-shell.js') : null;
  const agree = async () => {
    if (yes) return;
    if (terminal === null) throw refused('The shell only reads from a pipe', 'Give --yes to write');
    const question = `Write to ${directory}? Nobody else can have it open until this shell ends.`;
    if (!(await terminal.askKey(question)))
      throw refused('Nothing was written', 'Answer y, or start the shell with --yes');
  };
  const held = await ShellStore.open({ directory, wait, agree });
  // A stack tells nothing about a line that was typed.
  Error.stackTraceLimit = 0;
  try {
    if (terminal !== null) await terminal.runTerminalShell(held);
    else await (await import('../shell/piped-shell.js')).runPipedShell(held, json === true);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    await held.close();
  }
}

function refused(what: string, next: string): CommandError {
  return new CommandError('READ_ONLY', what, next);
}
