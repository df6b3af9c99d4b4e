// Crash testing for as long as one likes, on all cores, with damage to stores at rest and kills of real processes between.
//
//   npm run soak -- [--minutes N] [--states N] [--seed S] [--jobs N] [--keep-going]
//
// Ends after so many minutes or states, whatever comes first, or at the first failure: then it prints the script and how
// to play it again, and writes it to build/failures/; of kills it keeps the directory in build/kills/. With --keep-going it
// counts failures and goes on.

import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { SoakMessage, SoakOrder } from './soak-worker.js';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string' },
    states: { type: 'string' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: String(os.availableParallelism()) },
    'keep-going': { type: 'boolean', default: false },
  },
});

function count(name: 'minutes' | 'states' | 'seed' | 'jobs', otherwise: number): number {
  const given = options[name];
  const value = given === undefined ? otherwise : Number(given);
  if (!(value >= 0)) throw new TypeError(`--${name}: expected a number, got ${given}`);
  return value;
}

const statesMax = count('states', Number.POSITIVE_INFINITY);
const minutesMax = count('minutes', options.states === undefined ? 1 : Number.POSITIVE_INFINITY);
const firstSeed = count('seed', Math.floor(Math.random() * 2 ** 32));
const jobs = Math.max(1, count('jobs', 1));

/** A script takes seconds. A process that says nothing for so long is in a loop that no turn of it ends. */
const SILENCE_MAX_MS = 180_000;
const PROGRESS_EVERY_MS = process.stdout.isTTY ? 500 : 15_000;
const FAILURES = path.resolve('build/failures');
const KILLS = path.resolve('build/kills');

const startedMs = performance.now();
const total = { scripts: 0, states: 0, nestedStates: 0, powerCuts: 0, damages: 0, kills: 0, failures: 0 };
let nextSeed = firstSeed;
let isEnding = false;

interface Job {
  readonly child: ChildProcess;
  seed: number;
  /** For the real files of that seed; null when it has been told of. */
  directory: string | null;
  heardMs: number;
}

const running = new Set<Job>();

function isOver(): boolean {
  const minutes = (performance.now() - startedMs) / 60_000;
  const isFailed = total.failures > 0 && !options['keep-going'];
  return isFailed || total.states >= statesMax || minutes >= minutesMax;
}

function begin(): void {
  const child = fork(new URL('./soak-worker.js', import.meta.url), { execArgv: ['--enable-source-maps'] });
  const job: Job = { child, seed: -1, directory: null, heardMs: performance.now() };
  running.add(job);
  child.on('message', (message: SoakMessage) => hear(job, message));
  child.on('exit', (code, signal) => {
    running.delete(job);
    if (!isEnding) {
      fail(job.seed, `The process of seed ${job.seed} ended with ${code ?? signal}.`, null);
      if (!isOver()) begin();
    }
    // Processes that it had started end by themselves, as soon as they say something.
    else if (job.directory !== null)
      fs.rmSync(job.directory, { recursive: true, force: true, maxRetries: 5 });
    if (isEnding && running.size === 0) end();
  });
  order(job);
}

function order(job: Job): void {
  if (isOver()) {
    endAll();
    return;
  }
  job.seed = nextSeed++;
  job.directory = path.join(KILLS, String(job.seed));
  // Of an earlier run.
  fs.rmSync(job.directory, { recursive: true, force: true });
  job.child.send({ seed: job.seed, directory: job.directory } satisfies SoakOrder);
}

function hear(job: Job, message: SoakMessage): void {
  job.heardMs = performance.now();
  if (message.type === 'begins' || isEnding) return;
  job.directory = null;
  total.scripts += 1;
  if (message.type === 'failed') fail(message.seed, message.told, message.replay);
  else {
    total.states += message.states;
    total.nestedStates += message.nestedStates;
    total.powerCuts += message.powerCuts;
    total.damages += message.damages;
    total.kills += message.kills;
  }
  order(job);
}

function fail(seed: number, told: string, replay: unknown): void {
  total.failures += 1;
  console.error(`\nSeed ${seed} failed: ${told}`);
  if (replay === null) return;
  fs.mkdirSync(FAILURES, { recursive: true });
  const file = path.join(FAILURES, `${seed}.json`);
  fs.writeFileSync(file, `${JSON.stringify(replay)}\n`);
  console.error(`npm run simulate -- --replay ${path.relative('.', file)}`);
}

/** Which processes are in a script at the end is of no interest: their states are not counted. */
function endAll(): void {
  if (isEnding) return;
  isEnding = true;
  for (const { child } of running) child.kill('SIGKILL');
}

function progressLine(): string {
  const seconds = (performance.now() - startedMs) / 1000;
  const perSecond = Math.round(total.states / seconds);
  const time = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
  const states = `${total.states.toLocaleString('en')} states (${total.nestedStates.toLocaleString('en')} in recoveries)`;
  return `${time}  ${states}, ${perSecond}/s on ${jobs} cores, ${total.scripts} scripts, ${total.damages.toLocaleString('en')} damages, ${total.kills} kills, ${total.failures} failures`;
}

const progress = setInterval(() => {
  process.stdout.write(process.stdout.isTTY ? `\r${progressLine()}\x1b[K` : `${progressLine()}\n`);
  if (isOver()) endAll();
  for (const job of running) {
    if (performance.now() - job.heardMs < SILENCE_MAX_MS) continue;
    console.error(`\nThe process of seed ${job.seed} does not answer.`);
    job.child.kill('SIGKILL');
  }
}, PROGRESS_EVERY_MS);

function end(): void {
  clearInterval(progress);
  console.log(`\n${progressLine()}`);
  const { states, powerCuts, kills, failures } = total;
  const simulated = `${powerCuts} power cuts and ${states - powerCuts} process kills on the simulated disk`;
  console.log(`Seeds ${firstSeed} to ${nextSeed - 1}: ${simulated}, ${kills} kills of real processes.`);
  process.exitCode = failures > 0 ? 1 : 0;
}

console.log(`Soaking from seed ${firstSeed}.`);
for (let job = 0; job < jobs; job++) begin();
