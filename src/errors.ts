// KeelsonError, its codes, and the errors for misuse. A leaf: it imports nothing, so every layer can import it.

/** All codes of a KeelsonError. docs/ERRORS.md has a heading for each. */
export const KEELSON_ERROR_CODES = [
  'KEELSON_ABORTED',
  'KEELSON_ACCESS',
  'KEELSON_CLOSED',
  'KEELSON_CONFLICT',
  'KEELSON_CORRUPT',
  'KEELSON_DECODE',
  'KEELSON_DROPPED',
  'KEELSON_ENCODING_MISMATCH',
  'KEELSON_ENGINE_UNAVAILABLE',
  'KEELSON_EXHAUSTED',
  'KEELSON_EXISTS',
  'KEELSON_FOREIGN',
  'KEELSON_FORMAT_VERSION',
  'KEELSON_HISTORY_GONE',
  'KEELSON_INCOMPLETE',
  'KEELSON_INTERRUPTED',
  'KEELSON_INVARIANT',
  'KEELSON_IO',
  'KEELSON_KEY_TOO_LARGE',
  'KEELSON_LOCKED',
  'KEELSON_LOCK_LOST',
  'KEELSON_NOT_A_DIRECTORY',
  'KEELSON_NOT_FOUND',
  'KEELSON_NOT_READY',
  'KEELSON_NO_SPACE',
  'KEELSON_POISONED',
  'KEELSON_READ_ONLY',
  'KEELSON_RECORD_TOO_LARGE',
  'KEELSON_UNIQUE',
  'KEELSON_WORKER_FAILED',
] as const;

/** Code of a KeelsonError. docs/ERRORS.md has a heading for each. */
export type KeelsonErrorCode = (typeof KEELSON_ERROR_CODES)[number];

/** Next step for each code: the last sentence of the message, unless the thrower knows a better one. */
export const NEXT_STEPS: Readonly<Record<KeelsonErrorCode, string>> = {
  KEELSON_ABORTED:
    'No data is lost. If you want the checkpoint or the backup, await it before you close the store',
  KEELSON_ACCESS:
    'Give the user of this process the rights to the directory and to every file in it; a store that you may only read opens with readOnly: true',
  KEELSON_CLOSED: 'Open it again, and close it only when everything that uses it has ended',
  KEELSON_CONFLICT: 'Read the key again, and decide anew what to write',
  KEELSON_CORRUPT:
    'Delete nothing, and copy the directory. If it is that of a store, verify(directory) names every damaged place, and salvage(directory, out) writes all that is whole into a new store',
  KEELSON_DECODE:
    'Read it with the encoding that wrote it, and with the version of Keelson that wrote it or a newer one',
  KEELSON_DROPPED: 'Get the namespace again with db.namespace(name): the next write creates it anew',
  KEELSON_ENCODING_MISMATCH: 'Open it with the encodings that it was made with',
  KEELSON_ENGINE_UNAVAILABLE:
    "Leave out the option engine and the variable KEELSON_ENGINE, or set them to 'auto': node:fs serves where io_uring cannot be had",
  KEELSON_EXHAUSTED: 'Copy the entries into a new store',
  KEELSON_EXISTS: 'Choose another directory',
  KEELSON_FOREIGN:
    "Check the path; nothing was changed. A store opens with open() from 'keelson', a journal with openJournal() from 'keelson/journal'",
  KEELSON_FORMAT_VERSION: 'Open it with the version of Keelson that wrote it, or a newer one',
  KEELSON_HISTORY_GONE:
    'Start again from a copy: take a snapshot(), and read on from its LSN. The option retain keeps history for longer',
  KEELSON_INCOMPLETE: 'If none is running, remove the directory and write it again',
  KEELSON_INTERRUPTED: 'Close the store and open it again: opening recovers everything that was acknowledged',
  KEELSON_INVARIANT:
    'This is a fault in Keelson: please report it with its stack. Close the store and open it again',
  KEELSON_IO: "Look at the disk and at the system's log. When they are well, try again",
  KEELSON_KEY_TOO_LARGE: 'Shorten the key, for example by a hash of its end',
  KEELSON_LOCKED:
    'Close it there first, or wait for that with the option waitForLockMs. To read a store meanwhile, open it with readOnly: true',
  KEELSON_LOCK_LOST:
    'Close this store, find out who removes or moves files in its directory, and open it again',
  KEELSON_NOT_A_DIRECTORY: 'Give the path of a directory, or a path where nothing is yet',
  KEELSON_NOT_FOUND: 'Check the path; open() makes a store that is missing unless create is false',
  KEELSON_NOT_READY: 'Await namespace.ready, and take views, which are snapshots and transactions, after it',
  KEELSON_NO_SPACE: 'Make room and try again',
  KEELSON_POISONED:
    'Close the store, mend what failed, and open it again: opening recovers everything that was acknowledged',
  KEELSON_READ_ONLY: 'To write, open it without readOnly, in one process at a time',
  KEELSON_RECORD_TOO_LARGE: 'Split the value, the batch or the transaction',
  KEELSON_UNIQUE: 'Choose another value, or change or delete the entry that has it',
  KEELSON_WORKER_FAILED:
    'No data is lost, and the next checkpoint does without a worker. If the process ran out of memory, give it more',
};

/** Text of an error in two parts. Neither ends with a full stop. */
export interface ErrorText {
  /** Says what happened, and where. */
  readonly what: string;
  /** Says what to do about it, in place of the step in NEXT_STEPS. */
  readonly next: string;
}

/** Facts about the place of an error. Every field is optional, and none is guessed. */
export interface KeelsonErrorFacts {
  /** File or directory that the error concerns. */
  readonly path?: string;
  /** Sequence number of the segment that the error concerns. */
  readonly segment?: number;
  /** Byte offset in that file. */
  readonly offset?: number;
  /** LSN that the error concerns. With `lsnEnd`, the start of a range. */
  readonly lsn?: number;
  /** End of the range of LSNs that the error concerns. */
  readonly lsnEnd?: number;
  /** Name of the operating system's error, such as `ENOSPC`. */
  readonly errno?: string;
  /** System call that failed, such as `fdatasync`. */
  readonly syscall?: string;
  /** Owner of the lock, as the lock file names it. */
  readonly owner?: string;
  /** Name of the namespace that the error concerns; '' for the store itself. */
  readonly namespace?: string;
  /** Name of the index that the error concerns. */
  readonly index?: string;
  /** Key of the entry that the error concerns, as callers see keys. */
  readonly key?: unknown;
  /** Index value that two entries would have, or have. */
  readonly value?: unknown;
  /** Key of the entry that has the index value already. */
  readonly holder?: unknown;
  /** Number of attempts that a transaction made. */
  readonly attempts?: number;
  /** The lowest LSN from which changes can still be read. */
  readonly oldestLsn?: number;
}

const NAME = 'KeelsonError';

/**
 * Parts of the message of each error. An error that quotes another one takes only `what`, so that a message has one
 * next step, at its end.
 */
const texts = new WeakMap<KeelsonError, ErrorText>();

/** Matches the first line of the stack, which keeps the code through structuredClone(). */
const STACK_HEADER = new RegExp(`^${NAME} \\[(KEELSON_[A-Z_]+)\\]: `);

/**
 * An error of Keelson other than misuse, which throws a TypeError or RangeError. `code` says what went wrong, `facts`
 * says where, and `cause` says why. The message ends with what to do. docs/ERRORS.md has a heading for each code.
 *
 * @example
 * try {
 *   await open('./data');
 * } catch (error) {
 *   if (!isKeelsonError(error, 'KEELSON_LOCKED')) throw error;
 *   console.error(`Another process has it open: ${error.facts.path}`);
 * }
 */
export class KeelsonError extends Error {
  /** Code of the error. Stable, unlike the message. */
  readonly code: KeelsonErrorCode;
  /** Facts about the place of the error. */
  readonly facts: KeelsonErrorFacts;

  /**
   * Makes an error. Programs need this only in tests of how they treat one.
   *
   * @param code One of KEELSON_ERROR_CODES.
   * @param text The message. If it is a string, the message ends with the next step of `code`.
   * @param facts Facts about the place of the error. By default none.
   * @param cause The error that has led to this one. By default none.
   * @example
   * const full = new KeelsonError('KEELSON_NO_SPACE', 'The disk is full');
   */
  constructor(
    code: KeelsonErrorCode,
    text: string | ErrorText,
    facts: KeelsonErrorFacts = {},
    cause?: unknown,
  ) {
    const parts = typeof text === 'string' ? { what: text, next: NEXT_STEPS[code] } : text;
    super(`${parts.what}. ${parts.next}`, cause === undefined ? undefined : { cause });
    texts.set(this, parts);
    // structuredClone() drops `name`, `code` and `facts`, and keeps the stack. V8 formats the stack when it is first
    // read, so it is read while `name` contains the code.
    this.name = `${NAME} [${code}]`;
    void this.stack;
    this.name = NAME;
    this.code = code;
    this.facts = facts;
  }
}

const MORE_MEMORY = 'Free memory, or give the process or its container more, and try again';

/** KEELSON_NO_SPACE for memory that this process does not get. */
export class NoMemory extends KeelsonError {
  constructor(what: string, cause?: unknown) {
    super('KEELSON_NO_SPACE', { what, next: MORE_MEMORY }, { errno: 'ENOMEM' }, cause);
  }
}

/** Calls a function that allocates memory. Throws NoMemory in place of the RangeError that V8 throws when there is none. */
export function allocated<T>(allocate: () => T, bytes: number, purpose: string): T {
  try {
    return allocate();
  } catch (cause) {
    // A stack that overflows is a RangeError, too.
    if (!(cause instanceof RangeError) || cause.message.includes('call stack')) throw cause;
    throw new NoMemory(`There is no memory for ${bytes} bytes of ${purpose}`, cause);
  }
}

/** Returns the message of a thrown value, without the next step and without a full stop at its end. */
export function whatHappened(error: unknown): string {
  const what = error instanceof KeelsonError ? texts.get(error)?.what : undefined;
  return what ?? String(error instanceof Error ? error.message : error).replace(/\.$/, '');
}

/** Returns the next step of an error: what to do about it. */
export function nextStepOf(error: KeelsonError): string {
  return texts.get(error)?.next ?? NEXT_STEPS[error.code];
}

/**
 * Returns true if `error` is a KeelsonError, and has the code if one is given. Recognizes errors of another copy of
 * this package, and errors that structuredClone(), a worker or a child process has cloned.
 *
 * A clone by structuredClone() or postMessage() keeps only `message`, `stack` and `cause`. This function finds the
 * code in the clone's stack and restores `name` and `code`. `facts` is lost, and becomes empty.
 *
 * @example
 * if (isKeelsonError(error, 'KEELSON_NO_SPACE')) await makeRoom();
 */
export function isKeelsonError(error: unknown, code?: KeelsonErrorCode): error is KeelsonError {
  const found = error instanceof KeelsonError ? error.code : codeOf(error);
  return found !== undefined && (code === undefined || found === code);
}

function codeOf(error: unknown): KeelsonErrorCode | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { name, code, stack } = error as { name?: unknown; code?: unknown; stack?: unknown };
  if (name === NAME && isCode(code)) return code;
  if (name !== 'Error' || code !== undefined || typeof stack !== 'string') return undefined;
  const cloned = STACK_HEADER.exec(stack)?.[1];
  if (!isCode(cloned) || !Object.isExtensible(error)) return undefined;
  Object.assign(error, { name: NAME, code: cloned, facts: {} });
  return cloned;
}

function isCode(code: unknown): code is KeelsonErrorCode {
  return KEELSON_ERROR_CODES.includes(code as KeelsonErrorCode);
}

/** Throws KEELSON_INVARIANT if `condition` is false. Then Keelson has a fault, and the caller must poison the log. */
export function invariant(condition: boolean, message: string, facts?: KeelsonErrorFacts): asserts condition {
  if (!condition) throw new KeelsonError('KEELSON_INVARIANT', `Invariant broken: ${message}`, facts);
}

const SHOWN_CHARACTERS_MAX = 60;

/** Describes a value for a message: its type, and the value itself if it is short. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'string':
      return `the string ${JSON.stringify(value.length > SHOWN_CHARACTERS_MAX ? `${value.slice(0, SHOWN_CHARACTERS_MAX)}…` : value)}`;
    case 'number':
    case 'boolean':
      return `the ${typeof value} ${Object.is(value, -0) ? '-0' : value}`;
    case 'bigint':
      return `the bigint ${value}n`;
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    default: {
      const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
      if (Array.isArray(value)) return 'an array';
      return typeof name === 'string' && name !== '' && name !== 'Object' ? withArticle(name) : 'an object';
    }
  }
}

function withArticle(name: string): string {
  return /^[AEIOaeio]/.test(name) ? `an ${name}` : `a ${name}`;
}

/**
 * Name of an argument in a message. Converted to a string only when an error is thrown, because a batch has a name
 * for each of its operations.
 */
export interface ArgumentName {
  toString(): string;
}

/** Next step for a string with lone surrogates, which UTF-8 cannot encode. */
export const WELL_FORMED = 'Mend it with toWellFormed(), which puts U+FFFD in their place';

/**
 * Returns the TypeError for a wrong argument: its name, what was expected, what was passed, and the next step if
 * there is one.
 */
export function misuse(argument: ArgumentName, expected: string, value: unknown, next?: string): TypeError {
  const step = next === undefined ? '' : `. ${next}`;
  return new TypeError(`${argument}: expected ${expected}, got ${describeValue(value)}${step}`);
}
