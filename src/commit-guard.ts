// CommitGuard marks the critical section of a write: the part in which the log and the entries change. Imports only
// errors.ts.
//
// JavaScript can be stopped at any instruction: by a timeout of node:vm, by Ctrl-C in a REPL, by a stack overflow.
// After a stop V8 runs neither `catch` nor `finally`, so its only trace is a mark that is still set at the next call.
// The critical section runs no foreign code (no encoder, hook, promise or event). So a call that finds the mark set
// knows that a write was stopped in its critical section, and that memory may disagree with the log.

import { KeelsonError } from './errors.js';

/** Guard of the critical section of one store or journal. */
export class CommitGuard {
  #isInside = false;
  readonly #onStopped: (cause: unknown) => void;

  /** `onStopped` receives the error whenever a stopped write is found. It poisons the store. */
  constructor(onStopped: (cause: unknown) => void) {
    this.#onStopped = onStopped;
  }

  /** True within a critical section, and for ever after one was stopped. */
  get isInside(): boolean {
    return this.#isInside;
  }

  /** Enters a critical section. Throws KEELSON_INTERRUPTED if an earlier one was stopped. */
  enter(): void {
    if (this.#isInside) throw this.stopped();
    this.#isInside = true;
  }

  /** Leaves the critical section. */
  leave(): void {
    this.#isInside = false;
  }

  /** Throws KEELSON_INTERRUPTED if a critical section was stopped. */
  assertIdle(): void {
    if (this.#isInside) throw this.stopped();
  }

  /**
   * Reports a critical section that threw `cause`, or, without a cause, one that was found stopped. It stays marked.
   * Returns the error to throw.
   */
  stopped(cause?: unknown): unknown {
    const error = cause === undefined ? interrupted() : namedStop(cause);
    this.#onStopped(error);
    return error;
  }
}

/**
 * Returns KEELSON_INTERRUPTED for a stack overflow, and any other error unchanged. V8 has no class for a stack
 * overflow, so its message identifies it.
 */
export function namedStop(cause: unknown): unknown {
  const isExhausted = cause instanceof RangeError && cause.message.includes('call stack');
  return isExhausted ? interrupted(cause) : cause;
}

/** Returns the error for a write that was stopped in its critical section. */
export function interrupted(cause?: unknown): KeelsonError {
  return new KeelsonError(
    'KEELSON_INTERRUPTED',
    'JavaScript was stopped in the middle of a write (a timeout of node:vm, Ctrl-C in a REPL, or an exhausted stack), so memory may disagree with the log',
    {},
    cause,
  );
}
