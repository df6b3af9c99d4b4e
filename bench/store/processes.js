// A step of a trial, in a fresh process: this file is both the parent's way of starting one, and what runs in it.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(import.meta.url);

/** Runs `steps[step](options)` of the trial's file in a new process with V8's default flags; resolves with its result. */
export function runStep(trial, step, options) {
  return new Promise((resolve, reject) => {
    const child = fork(HERE, [JSON.stringify({ trial, step, options })], { execArgv: [] });
    let result = null;
    child.once('message', (message) => {
      result = message;
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0 && result !== null) resolve(result);
      else reject(new Error(`${trial}, ${step}: its process ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

if (process.argv[1] === HERE) {
  const { trial, step, options } = JSON.parse(process.argv[2]);
  // The end of a step, or of the parent.
  process.once('disconnect', () => process.exit());
  const { steps } = await import(`./${trial}.js`);
  const result = await steps[step](options);
  process.send(result, () => process.disconnect());
}
