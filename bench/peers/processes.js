// One measurement, in a fresh process: this file is both the parent's way of starting one, and what runs in it.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(import.meta.url);

/** One that takes longer hangs: a promise of a store that never settles must not end the whole run. */
const DURATION_MS_MAX = 20 * 60 * 1000;

/** Runs a measurement in a new process with V8's default flags; resolves with its result. */
export function runMeasurement(name, options) {
  return new Promise((resolve, reject) => {
    const child = fork(HERE, [JSON.stringify({ name, options })], { execArgv: [] });
    const timer = setTimeout(() => child.kill('SIGKILL'), DURATION_MS_MAX);
    let result = null;
    child.once('message', (message) => {
      result = message;
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (code === 0 && result !== null) resolve(result);
      else
        reject(
          new Error(`${name} of ${options.store}: its process ended with ${signal ?? `exit code ${code}`}`),
        );
    });
  });
}

if (process.argv[1] === HERE) {
  // Before anything of a store is loaded: what memory is compared with.
  const emptyRss = process.memoryUsage().rss;
  const { name, options } = JSON.parse(process.argv[2]);
  // The end of a measurement, or of the parent.
  process.once('disconnect', () => process.exit());
  const { MEASUREMENTS } = await import('./measurements.js');
  const result = await MEASUREMENTS[name]({ ...options, emptyRss });
  process.send(result, () => process.disconnect());
}
