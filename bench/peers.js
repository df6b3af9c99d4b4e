// Keelson and its rivals, side by side at equal durability: the command. The trials and goals are in peers/trials.js, who
// takes part and how it is configured in peers/stores.js, what is measured and how in peers/measurements.js.
//
//   npm run bench [-- --quick | --only NAME | --large | --node FILE | --help]
//
// Every measurement is a process of its own, on the disk of --directory; rivals are interleaved, round by round. It writes
// results.json, README.md and SVG charts into docs/benchmarks (a large run into docs/benchmarks/large), or, of anything but
// a whole run, into build/benchmarks. With --node, another Node binary runs the measurements. better-sqlite3 is built for
// one version of Node: on another one its runs fail, the report says so, and the other stores are measured.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describeMachine, requireRealDisk } from './peers/machine.js';
import { resolveOptions, usage } from './peers/options.js';
import { planOf } from './peers/plan.js';
import { runMeasurement } from './peers/processes.js';
import { writeReport } from './peers/report.js';
import { FIGURES } from './peers/trials.js';

const MINUTE_MS = 60_000;
const progress = (text) => process.stderr.write(process.stderr.isTTY ? `${text}\x1b[K\r` : `${text}\n`);
const minutes = (milliseconds) => (milliseconds / MINUTE_MS).toFixed(1);

/** Compiles the floor; without a compiler its runs fail, and say why. */
function buildFloor(directory) {
  const binary = path.join(directory, 'disk-floor');
  const source = path.join(import.meta.dirname, 'native/disk-floor.cc');
  spawnSync('g++', ['-std=c++20', '-O2', source, '-o', binary]);
  return binary;
}

/** A copy that is on the disk, so that writing it back does not fall into the measurement. */
function copyStore(from, to) {
  fs.cpSync(from, to, { recursive: true });
  for (const name of fs.readdirSync(to)) {
    const fd = fs.openSync(path.join(to, name), 'r+');
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }
}

/** The results before anything is measured: each figure of each store has a place for every round. */
function emptyResults({ cases }, { rounds }) {
  const figuresOf = (trial) =>
    Object.fromEntries(trial.figures.map((figure) => [figure, Array(rounds).fill(null)]));
  return cases.map(({ trial, entries, stores }) => ({
    name: trial.name,
    entries,
    stores: Object.fromEntries(stores.map((store) => [store, figuresOf(trial)])),
    failures: [],
  }));
}

async function runOne(run, { root, node, floorBinary, trials, unprepared }) {
  const result = trials.find(({ name, entries }) => name === run.trial && entries === run.entries);
  const prepared = run.prepared === null ? null : path.join(root, run.prepared);
  const ownDirectory = path.join(root, 'measured');
  try {
    if (unprepared.has(run.prepared)) throw unprepared.get(run.prepared);
    if (run.isCopied) copyStore(prepared, ownDirectory);
    const directory = prepared !== null && !run.isCopied ? prepared : ownDirectory;
    const measured = await runMeasurement(run.measurement, { ...run.options, directory, floorBinary }, node);
    for (const figure of Object.keys(measured).filter((name) => name in FIGURES)) {
      const rounds = result.stores[run.store][figure];
      if (rounds !== undefined) rounds[run.round] = measured[figure];
    }
  } catch (error) {
    result.failures.push(`round ${run.round + 1}, ${error.message}`);
  } finally {
    fs.rmSync(ownDirectory, { recursive: true, force: true });
  }
}

/** Fills a store for others to read. Returns the error of a store that cannot be filled. */
async function fillStore({ name, ...what }, { root, node }) {
  try {
    await runMeasurement('prepare', { ...what, directory: path.join(root, name) }, node);
    return null;
  } catch (error) {
    return error;
  }
}

async function measure(options, root, absent) {
  const plan = planOf(options, absent);
  const trials = emptyResults(plan, options);
  /** The errors of stores that could not be filled, by their names. The runs that need them fail. */
  const unprepared = new Map();
  const context = { root, node: options.node, floorBinary: buildFloor(root), trials, unprepared };
  const steps = plan.preparations.length + plan.runs.length;
  const started = Date.now();
  console.error(`${steps} steps, about ${minutes(plan.seconds * 1000)} minutes`);
  let step = 0;
  const tell = (what) => progress(`${++step} of ${steps}, ${minutes(Date.now() - started)} min: ${what}`);
  for (const preparation of plan.preparations) {
    tell(`filling ${preparation.name}`);
    const error = await fillStore(preparation, context);
    if (error !== null) unprepared.set(preparation.name, error);
  }
  for (const run of plan.runs) {
    tell(`round ${run.round + 1}, ${run.trial}, ${run.entries.toLocaleString('en')}, ${run.store}`);
    await runOne(run, context);
  }
  return { trials, durationMinutes: Number(minutes(Date.now() - started)) };
}

async function run(options) {
  requireRealDisk(options.directory);
  const root = fs.mkdtempSync(path.join(path.resolve(options.directory), '.keelson-bench-'));
  process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  const runtime = await runMeasurement('runtime', { directory: path.join(root, 'runtime') }, options.node);
  const machine = describeMachine(root, runtime);
  if (runtime.absent.length > 0)
    console.error(`not installed, or not in Node ${runtime.node}: ${runtime.absent.join(', ')}`);
  const startedAt = new Date().toISOString();
  const measured = await measure(options, root, runtime.absent);
  const { quick, only, large, rounds, seconds, entries } = options;
  return { startedAt, machine, options: { quick, only, large, rounds, seconds, entries }, ...measured };
}

const options = resolveOptions(process.argv.slice(2));
if (options.help) console.log(usage());
else {
  const resultsFile = path.join(options.out, 'results.json');
  const results = options.render ? JSON.parse(fs.readFileSync(resultsFile, 'utf8')) : await run(options);
  fs.mkdirSync(options.out, { recursive: true });
  fs.writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  console.log(writeReport(results, options.out));
  if (results.trials.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}
