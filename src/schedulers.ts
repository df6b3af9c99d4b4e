// The schedulers of this thread, as they were when this module loaded. A leaf: imports nothing of ours.
//
// Fake timers in tests replace `queueMicrotask`, `process.nextTick` and `setImmediate`. A commit that waited for a
// faked one would never go out, and every later put would wait for it.

import { setImmediate as immediate, setTimeout as timeout } from 'node:timers/promises';

/** Runs `task` when the JavaScript that runs now has ended, before the event loop goes on. */
export const queueMicrotask: (task: () => void) => void = globalThis.queueMicrotask;

/** Runs `task` when the queue of microtasks is empty, or as soon as the running tick ends. */
export const nextTick: (task: () => void) => void = process.nextTick;

/** Resolves in the next turn of the event loop. */
export const nextTurn: () => Promise<void> = immediate;

/** Resolves after so many milliseconds. */
export const delay: (ms: number) => Promise<void> = timeout;
