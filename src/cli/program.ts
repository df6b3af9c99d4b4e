// The program: all commands, and what an error of any of them prints and exits with.

import { Command, CommanderError } from 'commander';
import { EXIT, lineOf, reportOf } from './command-errors.js';
import { backupCommand } from './commands/backup.js';
import { compactCommand } from './commands/compact.js';
import { countCommand } from './commands/count.js';
import { delCommand } from './commands/del.js';
import { dumpCommand } from './commands/dump.js';
import { getCommand } from './commands/get.js';
import { inspectCommand } from './commands/inspect.js';
import { journalCommand } from './commands/journal.js';
import { loadCommand } from './commands/load.js';
import { putCommand } from './commands/put.js';
import { salvageCommand } from './commands/salvage.js';
import { scanCommand } from './commands/scan.js';
import { shellCommand } from './commands/shell.js';
import { statCommand } from './commands/stat.js';
import { tailCommand } from './commands/tail.js';
import { verifyCommand } from './commands/verify.js';
import { watchCommand } from './commands/watch.js';

const COMMANDS: readonly (() => Command)[] = [
  getCommand,
  putCommand,
  delCommand,
  scanCommand,
  countCommand,
  statCommand,
  verifyCommand,
  salvageCommand,
  backupCommand,
  compactCommand,
  dumpCommand,
  loadCommand,
  tailCommand,
  watchCommand,
  journalCommand,
  inspectCommand,
  shellCommand,
];

/** Returns the program with its commands. */
export function keelsonProgram(): Command {
  const program = new Command('keelson').description(
    'Look into, change, check and copy Keelson stores. A command that only reads works beside a live owner.',
  );
  for (const make of COMMANDS) program.addCommand(make());
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .configureHelp({ helpWidth: 100 });
  }
  program.addHelpText(
    'after',
    '\nExit codes: 0 done, 1 not there or damaged, 2 misuse, 3 failed, 4 a live owner has the store.',
  );
  return program;
}

/** Runs the program with the arguments of a process, and sets its exit code. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  try {
    await keelsonProgram().parseAsync(argv);
  } catch (error) {
    const report = error instanceof CommanderError ? usageReport(error) : reportOf(error);
    if (report === null) return;
    process.exitCode = report.exitCode;
    process.stderr.write(`${lineOf(report, argv.includes('--json'))}\n`);
  }
}

/** Returns the report of what commander refuses, or null when it has printed help that was asked for. */
function usageReport(error: CommanderError): ReturnType<typeof reportOf> | null {
  if (error.exitCode === 0) return null;
  const what =
    error.code === 'commander.help'
      ? 'No command is given'
      : error.message.replace(/^error: /, '').replace(/\.$/, '');
  return {
    code: 'USAGE',
    what,
    next: 'See `keelson help` and `keelson help COMMAND`',
    exitCode: EXIT.misuse,
  };
}
