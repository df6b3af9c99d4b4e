// Schedulers and the clock of this thread, captured when this module loads. A leaf: it imports nothing of ours.
//
// Fake timers in tests replace `queueMicrotask`, `process.nextTick` and `setImmediate`. A commit that waited for a
// fake one would never be submitted, and every later put would wait for it. A fake `performance.now` is foreign code: one
// that threw poisoned the journal, because each commit is timed.

import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { setImmediate as immediate, setTimeout as timeout } from 'node:timers/promises';

const [startInterval, endInterval] = [setInterval, clearInterval];
const [startTimeout, endTimeout] = [setTimeout, clearTimeout];

/** Runs `task` when the current JavaScript has ended, before the event loop goes on. */
export const queueMicrotask: (task: () => void) => void = globalThis.queueMicrotask;

/** Runs `task` after the current JavaScript, before microtasks; from a microtask, when no more microtasks wait. */
export const nextTick: (task: () => void) => void = process.nextTick;

/** Returns the milliseconds since this thread started. */
export const nowMs: () => number = performance.now.bind(performance);

/** Resolves in the next turn of the event loop. */
export const nextTurn: () => Promise<void> = immediate;

/** Resolves after this many milliseconds. */
export const delay: (ms: number) => Promise<void> = timeout;

/** Runs `task` again and again, with this many milliseconds in between, until the returned function is called. */
export function repeat(ms: number, task: () => void): () => void {
  const interval = startInterval(task, ms);
  return () => endInterval(interval);
}

/** Runs `task` after this many milliseconds, unless the returned function is called before. Keeps no process alive. */
export function alarm(ms: number, task: () => void): () => void {
  const timer = startTimeout(task, ms);
  timer.unref();
  return () => endTimeout(timer);
}
