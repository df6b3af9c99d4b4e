// Damage to stores, all there is of it, on all cores; or one case again.
//
//   npm run damage                       every case of every world: more than a million
//   npm run damage -- --jobs N           in so many processes
//   npm run damage -- --world I          of one world
//   npm run damage -- --case I:NUMBER    one case, as a failure names it
//
// Prints what came of which kind of damage, and ends with 1 when anything was neither the exact state nor a typed error.

import { fork } from 'node:child_process';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { outcomeOf } from './outcome.js';
import { makeTargets, numbersFrom, sweep, Tally, type Target } from './sweep.js';

const THOROUGH_EVERY = 200;

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: String(os.availableParallelism()) },
    world: { type: 'string' },
    case: { type: 'string' },
    // For the processes this one starts: which part of the cases is theirs.
    part: { type: 'string' },
  },
});

async function takeOne(targets: readonly Target[], name: string): Promise<void> {
  const [index, number] = name.split(':').map(Number);
  const target = targets[index ?? -1];
  if (target === undefined || number === undefined)
    throw new TypeError(`--case: expected world:number, got ${name}`);
  const damage = target.cases.at(number);
  console.log(`${target.world.name}: ${damage.what}`);
  console.log(await outcomeOf(target.world, damage, true));
}

/** Every `jobs`th case: so each process has its share of every kind. */
async function takePart(target: Target, part: number, jobs: number): Promise<Tally> {
  return sweep(target, numbersFrom(part, target.cases.count, jobs), THOROUGH_EVERY);
}

function takeInProcess(index: number, part: number, jobs: number): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const parameters = ['--world', String(index), '--part', String(part), '--jobs', String(jobs)];
    const child = fork(new URL(import.meta.url), parameters);
    const tally = new Tally();
    child.on('message', (theirs: Tally) => tally.merge(theirs));
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(tally);
      else reject(new Error(`The process of part ${part} of world ${index} ended with ${code ?? signal}`));
    });
  });
}

const targets = await makeTargets();
const jobs = Math.max(1, Number(options.jobs));
if (options.case !== undefined) await takeOne(targets, options.case);
else if (options.part !== undefined) {
  const { counts, failures, total, failed } = await takePart(
    targets[Number(options.world)]!,
    Number(options.part),
    jobs,
  );
  process.send?.({ counts, failures, total, failed });
} else {
  const all = new Tally();
  for (const { index, world } of targets) {
    if (options.world !== undefined && index !== Number(options.world)) continue;
    const startedMs = performance.now();
    const parts = Array.from({ length: jobs }, (_, part) => takeInProcess(index, part, jobs));
    const tally = new Tally();
    for (const part of await Promise.all(parts)) tally.merge(part);
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    console.log(`World ${index}, ${world.name}, ${seconds} s: ${tally}`);
    all.merge(tally);
  }
  console.log(`\nAll worlds: ${all}`);
  for (const failure of all.failures) console.error(failure);
  process.exitCode = all.failed > 0 ? 1 : 0;
}
