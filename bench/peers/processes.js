// One measurement, in a fresh process: this file is both the parent's way of starting one, and what runs in it.

import { fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(import.meta.url);
const ROOT = path.resolve(import.meta.dirname, '../..');

/** One that takes longer hangs: a promise of a store that never settles must not end the whole run. */
const DURATION_MS_MAX = 20 * 60 * 1000;

/**
 * Runs a measurement in a new process with V8's default flags, on the Node binary `node`, or on that of this process.
 * Resolves with its result. Rejects with the message of its error, on one line, or with how its process ended.
 */
export function runMeasurement(name, options, node) {
  const subject = options.store === undefined ? name : `${name} of ${options.store}`;
  return new Promise((resolve, reject) => {
    const child = fork(HERE, [JSON.stringify({ name, options })], {
      execArgv: [],
      execPath: node ?? process.execPath,
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), DURATION_MS_MAX);
    let ended = {};
    child.once('message', (message) => {
      ended = message;
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      const { result, error = `its process ended with ${signal ?? `exit code ${code}`}` } = ended;
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${subject}: ${error}`));
    });
  });
}

/** Returns the message of an error on one line, without the machine's path to this checkout. */
const messageOf = (error) => error.message.replaceAll(`${ROOT}${path.sep}`, '').replaceAll(/\s*\n\s*/g, ' ');

if (process.argv[1] === HERE) {
  // Before anything of a store is loaded: what memory is compared with.
  const emptyRss = process.memoryUsage().rss;
  const { name, options } = JSON.parse(process.argv[2]);
  // The end of a measurement, or of the parent.
  process.once('disconnect', () => process.exit());
  const { MEASUREMENTS } = await import('./measurements.js');
  const ended = await MEASUREMENTS[name]({ ...options, emptyRss }).then(
    (result) => ({ result }),
    (error) => ({ error: messageOf(error) }),
  );
  process.send(ended, () => process.disconnect());
}
