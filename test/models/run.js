// Checks the models of protocols in every order of their steps, with Spin (Debian's package `spin`) and gcc.
//
//   npm run models              each variant, with what Spin must say of it
//   npm run models -- --large   also three racers for the lock of a dead owner: half a minute, 700 MB
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
const RENAMED = 'RENAMED_WHEN_LISTENING';
/** Three processes at a time that race. */
const RACE = ['SLOTS=3', 'INSTANCES=3'];
/** Two at a time and four in a row: one may be so late that the number it links was cleared away. */
const LATE = ['SLOTS=2', 'INSTANCES=4'];

/** What Spin must find: null for nothing, or a part of the assertion that fails. */
export const VARIANTS = [
  { name: 'the lock, three racers', model: 'lock', defines: [RENAMED, ...RACE], fails: null },
  { name: 'the lock, late racers', model: 'lock', defines: [RENAMED, ...LATE], fails: null },
  {
    name: 'the lock, and somebody removes a socket: no robbery',
    model: 'lock',
    defines: [RENAMED, ...LATE, 'SWEPT', 'MAY_LOCK_OUT'],
    fails: null,
    isLong: true,
  },
  { name: 'the lock after power cuts', model: 'power-cut', defines: [], fails: null },
  { name: 'before: labels are believed', model: 'lock-by-labels', defines: [], fails: 'owner_count' },
  {
    name: 'fault: a socket listens only when the lock names it',
    model: 'lock',
    defines: ['LISTENS_LAST', ...RACE],
    fails: 'owns[other]',
  },
  {
    name: 'fault: a socket that is absent is that of a dead owner, and somebody removes one',
    model: 'lock',
    defines: [RENAMED, 'ABSENT_IS_DEAD', 'SWEPT', 'MAY_LOCK_OUT', ...RACE],
    fails: 'owns[other]',
  },
  {
    name: 'fault: all sockets have one name',
    model: 'lock',
    defines: ['FIXED_NAME', 'MAY_LOCK_OUT', ...RACE],
    fails: 'owns[other]',
  },
  {
    name: 'fault: nobody lists again after the link',
    model: 'lock',
    defines: [RENAMED, 'LISTS_ONCE', ...LATE],
    fails: 'lock[n]==me',
  },
  {
    name: 'fault: a socket loses its name when the process ends by itself',
    model: 'lock',
    defines: ['UNLINKED_AT_EXIT', ...RACE],
    fails: 'locked_out',
  },
  {
    name: 'fault: a lock that is given up is removed, and a dead owner’s is the newest again',
    model: 'lock',
    defines: [RENAMED, 'REMOVES_NEWEST', ...RACE],
    fails: 'locked_out',
  },
  {
    name: 'fault: the only lock is removed when it is given up, and its number names another owner',
    model: 'lock',
    defines: [RENAMED, 'REMOVES_LONE', ...RACE],
    fails: 'owner_count',
  },
  {
    name: 'fault: a release removes its socket before it marks its lock',
    model: 'lock',
    defines: [RENAMED, 'UNLINKS_FIRST', ...RACE],
    fails: 'locked_out',
  },
  ...['LIVE', 'LOCK', 'FREE'].map((what) => ({
    name: `fault: a power cut, and no FLUSH_${what}`,
    model: 'power-cut',
    defines: [`UNFLUSHED_${what}`],
    fails: 'locked_out',
  })),
];

const LARGE = {
  name: 'the lock, three racers after a death',
  model: 'lock',
  defines: [RENAMED, 'SLOTS=3', 'INSTANCES=4', 'AFTER_A_DEATH'],
  fails: null,
  // A third more time, and half the memory.
  flags: ['-DCOLLAPSE'],
};

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
export function check({ model, defines, fails, flags = [] }) {
  // A fault is found after few states, for which an optimizing compiler takes longer than it saves.
  const optimization = fails === null ? '-O1' : '-O0';
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-models-'));
  try {
    const started = performance.now();
    fs.copyFileSync(path.join(HERE, `${model}.pml`), path.join(directory, 'model.pml'));
    run('spin', ['-a', ...defines.map((define) => `-D${define}`), 'model.pml'], directory);
    run('gcc', [optimization, '-w', '-DSAFETY', '-DNOCLAIM', ...flags, '-o', 'pan', 'pan.c'], directory);
    const output = run('./pan', ['-m500000', '-w22'], directory);
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
