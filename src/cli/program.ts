// The program: all commands, and what an error of any of them prints and exits with.

import { Command, CommanderError } from 'commander';
import { type ErrorReport, EXIT, lineOf, reportOf } from './command-errors.js';
import { packageVersion } from './text-files.js';

/** Imports a command. Imports take most of the time of a short command. */
type Importing = () => Promise<Command>;

/** The commands in the order of the help. */
const COMMANDS: Readonly<Record<string, Importing>> = {
  get: async () => (await import('./commands/get.js')).getCommand(),
  put: async () => (await import('./commands/put.js')).putCommand(),
  del: async () => (await import('./commands/del.js')).delCommand(),
  scan: async () => (await import('./commands/scan.js')).scanCommand(),
  count: async () => (await import('./commands/count.js')).countCommand(),
  stat: async () => (await import('./commands/stat.js')).statCommand(),
  verify: async () => (await import('./commands/verify.js')).verifyCommand(),
  salvage: async () => (await import('./commands/salvage.js')).salvageCommand(),
  backup: async () => (await import('./commands/backup.js')).backupCommand(),
  compact: async () => (await import('./commands/compact.js')).compactCommand(),
  dump: async () => (await import('./commands/dump.js')).dumpCommand(),
  load: async () => (await import('./commands/load.js')).loadCommand(),
  tail: async () => (await import('./commands/tail.js')).tailCommand(),
  watch: async () => (await import('./commands/watch.js')).watchCommand(),
  journal: async () => (await import('./commands/journal.js')).journalCommand(),
  inspect: async () => (await import('./commands/inspect.js')).inspectCommand(),
  shell: async () => (await import('./commands/shell.js')).shellCommand(),
};

/** Returns the program with its commands, or with the one that is named. */
export async function keelsonProgram(name?: string): Promise<Command> {
  const program = new Command('keelson')
    .description(
      'Look into, change, check and copy Keelson stores. What only reads works beside a live owner.',
    )
    .version(packageVersion(), '-V, --version', 'print the version');
  const named = name !== undefined && Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : null;
  for (const load of named ?? Object.values(COMMANDS)) program.addCommand(await load());
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .configureHelp({ helpWidth: 100, subcommandTerm: termOf });
  }
  program.addHelpText(
    'after',
    '\nExit codes: 0 done, 1 not there or damaged, 2 misuse, 3 failed, 4 a live owner has the store.',
  );
  return program;
}

/** Returns a command in the list of commands, as in `get <dir> <key>`. */
function termOf(command: Command): string {
  const { registeredArguments } = command;
  const names = registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`));
  return [command.name(), ...names].join(' ');
}

/** Runs the program with the arguments of a process, and sets its exit code. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  try {
    const program = await keelsonProgram(argv[2]);
    await program.parseAsync(argv);
  } catch (error) {
    const report = error instanceof CommanderError ? usageReport(error, argv[2]) : reportOf(error, argv[2]);
    process.exitCode = report === null ? (error as CommanderError).exitCode && EXIT.misuse : report.exitCode;
    if (report === null) return;
    process.stderr.write(`${lineOf(report, argv.includes('--json'))}\n`);
  }
}

/** Returns the report of what commander refuses, or null when it has printed help. */
function usageReport(
  { code, exitCode, message }: CommanderError,
  command: string | undefined,
): ErrorReport | null {
  if (exitCode === 0 || code === 'commander.help') return null;
  const what = message.replace(/^error: /, '').replace(/\.$/, '');
  const isKnown = command !== undefined && Object.hasOwn(COMMANDS, command);
  const next = isKnown ? `See \`keelson help ${command}\`` : 'See `keelson help`';
  return { code: 'USAGE', what, next, exitCode: EXIT.misuse };
}
