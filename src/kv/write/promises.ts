// Promises and thenables that functions of the program return.

/** Returns true for what `await` would wait for. May run foreign code. */
export function isThenable(value: unknown): boolean {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Lets a promise that nobody awaits reject without ending the process. */
export function ignoreRejection(promise: Promise<unknown>): void {
  Promise.prototype.then.call(promise, undefined, () => {});
}
