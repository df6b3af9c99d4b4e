// The errors of the command: one line with a code and the next step, and an exit code. Pure.

import {
  isKeelsonError,
  type KeelsonError,
  type KeelsonErrorCode,
  nextStepOf,
  whatHappened,
} from '../errors.js';

/** The exit codes, which docs/guide/command.md documents. */
export const EXIT = { done: 0, no: 1, misuse: 2, failed: 3, locked: 4 } as const;

/** The code of an error of the command itself. */
export type CommandErrorCode =
  | 'USAGE'
  | 'MALFORMED'
  | 'NO_NAMESPACE'
  | 'DIFFERENT'
  | 'CUT_OFF'
  | 'SOURCE'
  | 'NO_PACKAGE'
  | 'READ_ONLY'
  | 'THROWN';

/** An error of the command itself. Neither text ends with a full stop. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;
  readonly what: string;
  readonly next: string;

  constructor(code: CommandErrorCode, what: string, next: string) {
    super(`${what}. ${next}`);
    this.code = code;
    this.what = what;
    this.next = next;
  }

  get exitCode(): number {
    return this.code === 'USAGE' || this.code === 'MALFORMED' ? EXIT.misuse : EXIT.failed;
  }
}

/** The next steps that are other ones for a person at a terminal than for a program. */
const NEXT_STEPS: Partial<Record<KeelsonErrorCode, string>> = {
  KEELSON_CORRUPT:
    'Delete nothing; `keelson verify DIR` names every damaged place, and `keelson salvage DIR OUT` writes all that is whole into a new store',
  KEELSON_FOREIGN: 'Check the path; nothing was changed',
  KEELSON_HISTORY_GONE: 'Give a later --since, or leave it out to see later writes only',
  KEELSON_NOT_FOUND: 'Check the path; `keelson put --create` and `keelson load` make a new store',
};

/** The next steps of a backup: the steps above are those of commands that read. */
const BACKUP_STEPS: Partial<Record<KeelsonErrorCode, string>> = {
  KEELSON_EXISTS:
    'Give a directory that is empty or absent; --incremental brings a backup of this store up to date',
  KEELSON_FOREIGN:
    'Check both paths; if they are right, make a new backup in an empty directory, and keep this one',
  KEELSON_HISTORY_GONE:
    'Make a new backup in an empty directory; with the option retain of open(), the history lasts from one backup to the next',
  KEELSON_NOT_FOUND: 'Check both paths; the first backup is made without --incremental',
};

/** An error as the command tells it. */
export interface ErrorReport {
  readonly code: string;
  readonly what: string;
  readonly next: string;
  readonly exitCode: number;
}

const WAIT = 'Close it there first, or give --wait SECONDS to wait for that; reading works meanwhile';
const WAIT_LONGER =
  'Close it there, or give a greater --wait; `keelson backup DIR OUT` makes a copy meanwhile, and reading works';
const COPY_FIRST = 'Close it there first, or examine a copy, which `keelson backup DIR OUT` makes meanwhile';
/** The commands that need a store that nobody has open, and do not wait for that. */
const EXAMINING = ['verify', 'salvage'];

function nextOf(error: KeelsonError, command: string): string {
  if (error.code !== 'KEELSON_LOCKED') {
    const steps = command === 'backup' ? { ...NEXT_STEPS, ...BACKUP_STEPS } : NEXT_STEPS;
    return steps[error.code] ?? nextStepOf(error);
  }
  // Nobody can close a store whose owner is not known.
  if (/from here|lock file was removed/.test(error.message)) return nextStepOf(error);
  if (EXAMINING.includes(command)) return COPY_FIRST;
  return /still after a wait/.test(error.message) ? WAIT_LONGER : WAIT;
}

/** Returns the report of whatever a command has thrown. */
export function reportOf(error: unknown, command = ''): ErrorReport {
  if (error instanceof CommandError) return error;
  if (isKeelsonError(error)) {
    const { code } = error;
    const exitCode = code === 'KEELSON_LOCKED' ? EXIT.locked : EXIT.failed;
    return { code, what: whatHappened(error), next: nextOf(error, command), exitCode };
  }
  if (error instanceof TypeError || error instanceof RangeError) {
    const next = 'See `keelson help` and the help of the command';
    return { code: 'USAGE', what: whatHappened(error), next, exitCode: EXIT.misuse };
  }
  const code = (error as { code?: unknown } | null)?.code;
  const next = 'Check the path and its permissions';
  if (typeof code === 'string') {
    // The system's message begins with the code, which the line has already.
    const what = whatHappened(error).replace(`${code}: `, '');
    return { code, what, next, exitCode: EXIT.failed };
  }
  return { code: 'FAULT', what: whatHappened(error), next: 'Please report it', exitCode: EXIT.failed };
}

/** Returns the line of a report: `CODE: what. next step.`, or JSON. */
export function lineOf({ code, what, next }: ErrorReport, isJson: boolean): string {
  if (isJson) return JSON.stringify({ error: { code, what, next } });
  return `${code}: ${what}. ${next}`.replaceAll(/\s*\n\s*/g, ' ');
}
