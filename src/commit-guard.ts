// The guard of a commit: marks the stretch of a write in which the log and the entries change. A leaf besides errors.ts.
//
// JavaScript can be stopped at any instruction: by a timeout of node:vm, by Ctrl-C in a REPL, by an exhausted stack. A
// stop by V8 runs neither `catch` nor `finally`, so the only trace of it is a mark that is still set at the next call.
// Nothing between enter() and leave() runs foreign code (no encoder, no hook, no promise, no event), so whoever finds
// the mark set knows that a write was stopped there, and that memory may disagree with the log.

import { KeelsonError } from './errors.js';

export class CommitGuard {
  #isInside = false;
  readonly #onStopped: (cause: unknown) => void;

  /** `onStopped` is told each time somebody comes upon a write that was stopped, and poisons. */
  constructor(onStopped: (cause: unknown) => void) {
    this.#onStopped = onStopped;
  }

  /** True inside a stretch, and for ever when one was stopped. */
  get isInside(): boolean {
    return this.#isInside;
  }

  /** Starts a stretch. Throws KEELSON_INTERRUPTED when an earlier one was stopped. */
  enter(): void {
    if (this.#isInside) throw this.stopped();
    this.#isInside = true;
  }

  leave(): void {
    this.#isInside = false;
  }

  /** Throws KEELSON_INTERRUPTED when a stretch was stopped. */
  assertIdle(): void {
    if (this.#isInside) throw this.stopped();
  }

  /** The stretch was left by an exception, or found to have been stopped: it stays marked. Returns what to throw. */
  stopped(cause?: unknown): unknown {
    const error = cause === undefined ? interrupted() : namedStop(cause);
    this.#onStopped(error);
    return error;
  }
}

/** KEELSON_INTERRUPTED in the place of an exhausted stack, for which V8 has no class, and no message but this one. */
export function namedStop(cause: unknown): unknown {
  const isExhausted = cause instanceof RangeError && cause.message.includes('call stack');
  return isExhausted ? interrupted(cause) : cause;
}

/** A write was stopped in its middle. */
export function interrupted(cause?: unknown): KeelsonError {
  return new KeelsonError(
    'KEELSON_INTERRUPTED',
    'JavaScript was stopped in the middle of a write (a timeout of node:vm, Ctrl-C in a REPL, or an exhausted stack), so memory may disagree with the log',
    {},
    cause,
  );
}
