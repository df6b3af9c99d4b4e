// Checks the models of protocols in every order of their steps, with Spin (Debian's package `spin`) and gcc.
//
//   npm run models              each variant, with what Spin must say of it
//   npm run models -- --large   also the lock with four processes in a row for three slots: minutes, gigabytes
//
// A variant that must fail shows that the model sees: it has one fault, or it is the protocol of before. Ends with 1 when
// a variant says something else than it must.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = import.meta.dirname;
/** As src/storage/liveness-socket.ts does it: a socket gets its name when it listens, and keeps it. */
const AS_BUILT = ['RENAMED_WHEN_LISTENING'];

/** What Spin must find: null for nothing, or a part of the assertion that fails. */
export const VARIANTS = [
  { name: 'the lock as it is built', model: 'lock', defines: [...AS_BUILT, 'INSTANCES=3'], fails: null },
  { name: 'before: labels are believed', model: 'lock-by-labels', defines: [], fails: 'owner_count' },
  {
    name: 'fault: a socket listens only when the lock names it',
    model: 'lock',
    defines: ['LISTENS_LAST', 'INSTANCES=3'],
    fails: 'owns[other]',
  },
  {
    name: 'fault: a socket that is absent is that of a dead owner, and somebody removes one',
    model: 'lock',
    defines: [...AS_BUILT, 'ABSENT_IS_DEAD', 'SWEPT', 'INSTANCES=3'],
    fails: 'owns[other]',
  },
  {
    name: 'fault: all sockets have one name',
    model: 'lock',
    defines: ['FIXED_NAME', 'INSTANCES=3'],
    fails: 'locked_out',
  },
  {
    name: 'fault: a socket loses its name when the process ends by itself',
    model: 'lock',
    defines: ['UNLINKED_AT_EXIT', 'INSTANCES=3'],
    fails: 'locked_out',
  },
  {
    name: 'fault: a lock that is given up is removed, and a dead owner’s is the newest again',
    model: 'lock',
    defines: [...AS_BUILT, 'REMOVES_NEWEST', 'INSTANCES=3'],
    fails: 'locked_out',
  },
  {
    name: 'fault: a release removes its socket before it marks its lock',
    model: 'lock',
    defines: [...AS_BUILT, 'UNLINKS_FIRST', 'INSTANCES=3'],
    fails: 'locked_out',
  },
];

const LARGE = { name: 'the lock as it is built, larger', model: 'lock', defines: AS_BUILT, fails: null };

/** Null, or why models cannot be checked here. */
export function whyNot() {
  for (const [tool, parameter] of [
    ['spin', '-V'],
    ['gcc', '--version'],
  ]) {
    if (spawnSync(tool, [parameter]).status !== 0) return `${tool} is not there (apt-get install ${tool})`;
  }
  return null;
}

/** Checks one variant: { failed: the assertion that failed, or null, states, seconds }. */
export function check({ model, defines }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-models-'));
  try {
    const started = performance.now();
    fs.copyFileSync(path.join(HERE, `${model}.pml`), path.join(directory, 'model.pml'));
    run('spin', ['-a', ...defines.map((define) => `-D${define}`), 'model.pml'], directory);
    run('gcc', ['-O2', '-w', '-DSAFETY', '-DNOCLAIM', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], directory);
    const output = run('./pan', ['-m500000', '-w24'], directory);
    const failed = /assertion violated (.*) \(at depth/.exec(output)?.[1] ?? null;
    if (failed === null && !/errors: 0/.test(output)) throw new Error(`Spin did not finish:\n${output}`);
    if (/max search depth too small|Search not completed/.test(output) && failed === null) {
      throw new Error(`The search was not exhaustive:\n${output}`);
    }
    const states = Number(/(\d+) states, stored/.exec(output)[1]);
    return { failed, states, seconds: (performance.now() - started) / 1000 };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function run(command, parameters, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { cwd, encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw new Error(`${command}: ${error ?? stdout + stderr}`);
  return stdout;
}

export function isAsItMust({ fails }, { failed }) {
  return fails === null ? failed === null : failed?.includes(fails) === true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { large: { type: 'boolean', default: false } } });
  const reason = whyNot();
  if (reason !== null) throw new Error(reason);
  for (const variant of values.large ? [...VARIANTS, LARGE] : VARIANTS) {
    const result = check(variant);
    const said = result.failed === null ? 'holds' : `fails: ${result.failed}`;
    const isRight = isAsItMust(variant, result);
    console.log(
      `${isRight ? 'as it must' : 'NOT AS IT MUST'} · ${variant.name}: ${said} · ${result.states} states, ${result.seconds.toFixed(1)} s`,
    );
    if (!isRight) process.exitCode = 1;
  }
}
