// The one error class of Keelson, its codes, and the two ways a caller can be told of misuse.
// A leaf: it imports nothing, so every floor may throw from here.

/** Every code a KeelsonError can carry. docs/ERRORS.md has a heading for each. */
export const KEELSON_ERROR_CODES = [
  'KEELSON_ABORTED',
  'KEELSON_ACCESS',
  'KEELSON_CLOSED',
  'KEELSON_CORRUPT',
  'KEELSON_DECODE',
  'KEELSON_ENCODING_MISMATCH',
  'KEELSON_ENGINE_UNAVAILABLE',
  'KEELSON_EXHAUSTED',
  'KEELSON_EXISTS',
  'KEELSON_FOREIGN',
  'KEELSON_FORMAT_VERSION',
  'KEELSON_INCOMPLETE',
  'KEELSON_INTERRUPTED',
  'KEELSON_INVARIANT',
  'KEELSON_IO',
  'KEELSON_KEY_TOO_LARGE',
  'KEELSON_LOCKED',
  'KEELSON_LOCK_LOST',
  'KEELSON_NOT_A_DIRECTORY',
  'KEELSON_NOT_FOUND',
  'KEELSON_NO_SPACE',
  'KEELSON_POISONED',
  'KEELSON_READ_ONLY',
  'KEELSON_RECORD_TOO_LARGE',
] as const;

export type KeelsonErrorCode = (typeof KEELSON_ERROR_CODES)[number];

/** What is known about the place of a fault. Every field is optional; none is guessed. */
export interface KeelsonErrorFacts {
  /** The file or directory the fault is in. */
  readonly path?: string;
  /** The sequence number of the segment the fault is in. */
  readonly segment?: number;
  /** Byte offset in that file. */
  readonly offset?: number;
  /** The log position the fault concerns; with `lsnEnd`, the start of a range. */
  readonly lsn?: number;
  /** The end of the LSN range the fault concerns. */
  readonly lsnEnd?: number;
  /** The operating system's name of the error, such as `ENOSPC`. */
  readonly errno?: string;
  /** The operation that failed, such as `fdatasync`. */
  readonly syscall?: string;
  /** Who holds the lock, as its file says. */
  readonly owner?: string;
}

const NAME = 'KeelsonError';

/** The header of a stack: what structuredClone() keeps of the code. */
const STACK_HEADER = new RegExp(`^${NAME} \\[(KEELSON_[A-Z_]+)\\]: `);

/**
 * Anything that goes wrong while Keelson runs, other than misuse (which is a TypeError or RangeError). `code` says what,
 * `facts` where, `cause` why, and the message what to do. docs/ERRORS.md has a heading for each code.
 *
 * @example
 * try {
 *   await open('./data');
 * } catch (error) {
 *   if (!isKeelsonError(error, 'KEELSON_LOCKED')) throw error;
 *   console.error(`Somebody else has it open: ${error.facts.path}`);
 * }
 */
export class KeelsonError extends Error {
  /** What went wrong: part of the interface, unlike the message. */
  readonly code: KeelsonErrorCode;
  /** What is known about the place. */
  readonly facts: KeelsonErrorFacts;

  constructor(code: KeelsonErrorCode, message: string, facts: KeelsonErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    // structuredClone() drops `name`, `code` and `facts` and keeps the stack, whose text V8 makes when it is first read.
    this.name = `${NAME} [${code}]`;
    void this.stack;
    this.name = NAME;
    this.code = code;
    this.facts = facts;
  }
}

/**
 * Returns true for a KeelsonError, of that code when one is given. Also for one of another copy of this package, and for
 * what structuredClone(), a worker or a child process makes of one.
 *
 * structuredClone() and postMessage() keep `message`, `stack` and `cause` of an error. Of such a clone the code is found in
 * the stack, and put back with the name; its `facts` are lost, and are empty.
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

/** Throws KEELSON_INVARIANT. A broken invariant means our own reasoning failed: the caller must poison. */
export function invariant(condition: boolean, message: string, facts?: KeelsonErrorFacts): asserts condition {
  if (!condition) throw new KeelsonError('KEELSON_INVARIANT', `Invariant broken: ${message}`, facts);
}

const SHOWN_CHARACTERS_MAX = 60;

/** Names a value in a message: its kind, and the value itself where that is short. */
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
      return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'an object';
    }
  }
}

/** What an error calls an argument: made into text only when there is an error, for a batch has a thousand of them. */
export interface ArgumentName {
  toString(): string;
}

/** The TypeError of a wrong argument: which one, what was expected, what came. */
export function misuse(argument: ArgumentName, expected: string, value: unknown): TypeError {
  return new TypeError(`${argument}: expected ${expected}, got ${describeValue(value)}`);
}
