// Kills the mutants: proof that the tests see.
//
//   npm run mutants                        every one of them, one after the other
//   npm run mutants -- --only PATTERN      those whose name or file matches a regular expression
//   npm run mutants -- --jobs N            N at a time
//
// Nothing of the project is touched: everything happens in copies of it. The tests of a mutant run without it first, for
// tests that fail anyway see nothing. Prints which test has seen what, and ends with 1 when a mutant survives.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant, occurrences } from './mutants.js';
import { addGroup, endGroup } from './process-groups.js';
import { build, makeCopy } from './project-copy.js';

/** The tests of one mutant take no longer; what hangs has been seen. */
const RUN_MS_MAX = 120_000;

/** So that a test that hangs is told by its name, within that limit; unless it has one of its own. */
const TEST_MS_MAX = 15_000;

/** Faults in it make another addon. */
const NATIVE = /^native\//;

/** Tests that start processes run on what is built. */
const RUNS_ON_DIST = /\bdist\/|from 'keelson|\bstartKeelson\b/;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '1' },
  },
});

/** What a run of tests has come to. */
type Verdict =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly test: string }
  /** It did not come to its tests: the fault makes no program, or the table names no test. */
  | { readonly kind: 'no tests'; readonly why: string }
  | { readonly kind: 'timeout' };

interface Outcome {
  readonly mutant: Mutant;
  readonly isKilled: boolean;
  readonly by: string;
  readonly seconds: number;
}

/**
 * Null, or why there is no addon of what the copy holds now. It takes three seconds and is no part of a run's time. Also for
 * a fault whose tests compile the core themselves: they cannot tell a fault that makes no program.
 */
function buildAddon(copy: string): string | null {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['native/build.js'], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, KEELSON_REQUIRE_NATIVE: 'yes' },
  });
  return status === 0 ? null : (/.*error:.*/.exec(stderr)?.[0] ?? stdout);
}

async function runTests(
  copy: string,
  tests: readonly string[],
  filter: string | undefined,
): Promise<Verdict> {
  if (tests.some((file) => RUNS_ON_DIST.test(fs.readFileSync(path.join(copy, file), 'utf8')))) build(copy);
  const report = path.join(copy, 'report.json');
  fs.rmSync(report, { force: true });
  const parameters = ['run', '--bail=1', '--typecheck.enabled=false', '--reporter=json'];
  parameters.push(`--testTimeout=${TEST_MS_MAX}`);
  parameters.push(`--outputFile=${report}`, ...(filter === undefined ? [] : ['-t', filter]), ...tests);
  // A group of its own, so that what hangs goes with all its processes.
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...parameters], {
    cwd: copy,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  let isLate = false;
  const giveUp = () => {
    isLate = true;
    endGroup(child.pid!);
  };
  addGroup(child.pid!, giveUp);
  const timer = setTimeout(giveUp, RUN_MS_MAX);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  endGroup(child.pid!);
  return isLate ? { kind: 'timeout' } : verdictOf(code, report, errors);
}

interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function verdictOf(code: number | null, report: string, errors: string): Verdict {
  if (!fs.existsSync(report)) return { kind: 'no tests', why: errors };
  const { testResults } = JSON.parse(fs.readFileSync(report, 'utf8')) as Report;
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = results.find(({ status }) => status === 'failed');
  if (failed !== undefined) return { kind: 'failed', test: failed.fullName };
  if (!results.some(({ status }) => status === 'passed')) {
    return { kind: 'no tests', why: testResults.map(({ message }) => message).join('; ') || errors };
  }
  return code === 0 ? { kind: 'passed' } : { kind: 'failed', test: '(an error outside of any test)' };
}

/** Makes the fault, and returns what takes it back. */
function apply(copy: string, { edits }: Mutant): () => void {
  const originals = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const at = path.join(copy, file);
    const text = fs.readFileSync(at, 'utf8');
    if (!originals.has(at)) originals.set(at, text);
    fs.writeFileSync(
      at,
      text.replace(find, () => replace),
    );
  }
  return () => {
    for (const [at, text] of originals) fs.writeFileSync(at, text);
  };
}

/** Runs of tests without a fault, file by file, which many mutants share. */
const soundRuns = new Map<string, Promise<Verdict>>();

function soundRun(copy: string, file: string, filter: string | undefined): Promise<Verdict> {
  const key = JSON.stringify([file, filter]);
  const run = soundRuns.get(key) ?? runTests(copy, [file], filter);
  soundRuns.set(key, run);
  return run;
}

async function takeOne(copy: string, mutant: Mutant): Promise<Outcome> {
  const { tests, filter } = mutant;
  for (const file of tests) {
    const sound = await soundRun(copy, file, filter);
    if (sound.kind !== 'passed') {
      return { mutant, isKilled: false, by: `${file} fails without it: ${told(sound)}`, seconds: 0 };
    }
  }
  const isNative = mutant.edits.some(({ file }) => NATIVE.test(file));
  const restore = apply(copy, mutant);
  const unbuilt = isNative ? buildAddon(copy) : null;
  const startedMs = performance.now();
  const verdict: Verdict =
    unbuilt === null ? await runTests(copy, tests, filter) : { kind: 'no tests', why: unbuilt };
  restore();
  if (isNative) buildAddon(copy);
  const seconds = (performance.now() - startedMs) / 1000;
  const isKilled = verdict.kind === 'failed' || verdict.kind === 'timeout';
  return { mutant, isKilled, by: told(verdict), seconds };
}

function told(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'passed':
      return 'nothing: it survives';
    case 'failed':
      return verdict.test;
    case 'no tests':
      return `no test ran: ${verdict.why.trim().split('\n', 1)[0]}`;
    case 'timeout':
      return `limit: ended after ${RUN_MS_MAX / 1000} s, or for its memory`;
  }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** The texts of the table that do not stand in the code exactly once. */
function rotten(mutants: readonly Mutant[]): string[] {
  return mutants.flatMap(({ name, edits }) =>
    edits
      .filter(({ file, find }) => occurrences(fs.readFileSync(file, 'utf8'), find) !== 1)
      .map(({ file, find }) => `${name}: not exactly once in ${file}: ${find}`),
  );
}

const pattern = new RegExp(options.only, 'i');
const mutants = MUTANTS.filter(({ name, edits }) =>
  [name, ...edits.map(({ file }) => file)].some((text) => pattern.test(text)),
);
const unusable = rotten(mutants);
if (mutants.length === 0) unusable.push(`no mutant matches ${options.only}`);
for (const line of unusable) console.error(line);
if (unusable.length > 0) process.exit(1);

const left = [...mutants];
const outcomes: Outcome[] = [];

async function work(): Promise<void> {
  const copy = makeCopy();
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    const outcome = await takeOne(copy, mutant);
    outcomes.push(outcome);
    const { isKilled, by, seconds } = outcome;
    const killer = isKilled ? cell(by) : `**${cell(by)}**`;
    console.log(`| ${cell(mutant.name)} | ${killer} | ${seconds.toFixed(1)} |`);
  }
}

console.log('| mutant | killed by | seconds |\n|---|---|---|');
await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, work));
const survivors = outcomes.filter(({ isKilled }) => !isKilled);
console.log(`\n${outcomes.length - survivors.length} of ${outcomes.length} mutants were killed.`);
for (const { mutant, by } of survivors) console.error(`NOT KILLED: ${mutant.name}: ${by}`);
process.exitCode = survivors.length > 0 ? 1 : 0;
