// Draws random mutants and lets the whole suite look for each: a measure of what the tests see.
//
//   npm run mutants:random -- --seed N [--count 300] [--only PATTERN] [--jobs 2] [--budget-minutes M] [--file-seconds S]
//
// --seed N             equal seeds draw equal mutants of equal sources; the default is a new seed
// --only PATTERN       only of sources whose path matches a regular expression
// --budget-minutes M   begins no mutant after so many minutes
// --file-seconds S     without the test files that take longer; what survives is only suspect then
//
// First every test file runs once without a fault (measured-reach.ts). Each mutant then gets every test file that enters
// the block of its edit, those that import its source and the quick ones first, up to the first failure. No other test
// runs the edited code. A mutant that does not type-check is no mutant: the next one is drawn instead.
//
// Survivors are printed and written to build/mutants/random-survivors.json. Those in equivalents.ts do not count. Ends
// with 1 when fewer than 95 of 100 are killed.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EQUIVALENTS, TUNINGS } from './equivalents.js';
import { measureReach, type ReachedBlocks } from './measured-reach.js';
import { build, makeCopy } from './project-copy.js';
import { drawMutations, type LineEdit, lineEditOf, type Mutation, mutate } from './random-mutations.js';
import { blockAround, blocksOf } from './reach.js';
import { readSources } from './sources.js';
import { runTests, type TimedFile, type Verdict } from './test-run.js';

const KILLED_SHARE_MIN = 0.95;
const SURVIVORS = 'build/mutants/random-survivors.json';

/** A file that imports the source is worth so many times its duration: it was written to test it. */
const DIRECT_WEIGHT = 8;

/** What it takes to begin with a file. */
const START_MS = 500;

/** Tests that compare constants, as they stand in the sources, with documentation: they run none of the code. */
const CONSTANT_READERS = ['test/docs/architecture.test.ts'];
const CONSTANT = /^[A-Z][A-Z0-9_]*$/;

/** A file that hangs again has had so many times its limit. */
const PATIENCE = 2;

/** So often it is tried whether the machine is what is slow. */
const HANG_TRIES_MAX = 3;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string', default: '300' },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
    'budget-minutes': { type: 'string', default: 'Infinity' },
    'file-seconds': { type: 'string', default: 'Infinity' },
  },
});

const seed = options.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(options.seed);
const count = Number(options.count);
const jobs = Math.max(1, Number(options.jobs));
const fileMsMax = Number(options['file-seconds']) * 1000;
const endMs = performance.now() + Number(options['budget-minutes']) * 60_000;
if (!Number.isSafeInteger(seed)) throw new TypeError(`--seed: expected a whole number, got ${options.seed}`);

type Outcome =
  | { readonly kind: 'not compiled' | 'equivalent' }
  | { readonly kind: 'killed' | 'hung'; readonly by: string }
  | { readonly kind: 'survived'; readonly testFiles: number };

const sources = readSources();
const texts = new Map(sources.map(({ file, text }) => [file, text]));
const blocks = new Map(sources.map(({ file, text }) => [file, blocksOf(text)]));

const pattern = new RegExp(options.only, 'i');
const drawn = drawMutations(
  sources.filter(({ file }) => pattern.test(file)),
  seed,
);

/** The tests that come to an edit, in the order in which they likely see it soonest. */
function testsOf(mutation: Mutation, reach: ReadonlyMap<string, ReachedBlocks>): TimedFile[] {
  const { file } = mutation;
  const block = blockAround(blocks.get(file)!, mutation);
  const isConstant = CONSTANT.test(mutation.within);
  return [...reach]
    .filter(([, { failure, durationMs }]) => failure === null && durationMs <= fileMsMax)
    .filter(
      ([test, { blocks: reached }]) =>
        reached[file]?.includes(block) || (isConstant && CONSTANT_READERS.includes(test)),
    )
    .map(([test, { durationMs, blocks: reached }]) => ({
      file: test,
      durationMs,
      cost: costOf(test, durationMs, file, reached[file]?.length ?? blocks.get(file)!.length),
    }))
    .toSorted((one, other) => one.cost - other.cost);
}

/** A duration for what it likely shows: a file that enters much of a source looks closely at it. */
function costOf(test: string, durationMs: number, source: string, reached: number): number {
  const specifier = path.posix.relative(path.posix.dirname(test), source).replace(/\.ts$/, '.js');
  const isDirect = fs.readFileSync(test, 'utf8').includes(`'${specifier}'`);
  const share = reached / blocks.get(source)!.length;
  return (START_MS + durationMs) / (share ** 2 * (isDirect ? DIRECT_WEIGHT : 1));
}

function isEquivalent({ file, within }: Mutation, { original, replacement }: LineEdit): boolean {
  return EQUIVALENTS.some(
    (judged) =>
      judged.file === file &&
      judged.within === within &&
      judged.original === original &&
      judged.replacement === replacement,
  );
}

function isTuning({ file, within }: Mutation): boolean {
  return TUNINGS.some((tuning) => tuning.file === file && tuning.within === within);
}

/** A mutation in a copy, whose dist/ is built of it. */
interface Fault {
  make(): void;
  takeBack(): void;
}

async function takeOne(copy: string, mutation: Mutation, tests: readonly TimedFile[]): Promise<Outcome> {
  const text = texts.get(mutation.file)!;
  if (isEquivalent(mutation, lineEditOf(text, mutation))) return { kind: 'equivalent' };
  const at = path.join(copy, mutation.file);
  const built = path.join(copy, 'dist');
  const [soundBuilt, faultyBuilt] = [`${built}-sound`, `${built}-faulty`];
  const write = (source: string, from: string): void => {
    fs.writeFileSync(at, source);
    fs.cpSync(from, built, { recursive: true });
  };
  fs.cpSync(built, soundBuilt, { recursive: true });
  const mutated = mutate(text, mutation);
  fs.writeFileSync(at, mutated);
  try {
    if (!build(copy)) return { kind: 'not compiled' };
    fs.cpSync(built, faultyBuilt, { recursive: true });
    const fault = { make: () => write(mutated, faultyBuilt), takeBack: () => write(text, soundBuilt) };
    const outcome = outcomeOf(await seek(copy, fault, tests), tests);
    return outcome.kind === 'survived' && isTuning(mutation) ? { kind: 'equivalent' } : outcome;
  } finally {
    write(text, soundBuilt);
  }
}

/** The verdict of test files. One hangs when it comes to no end a second time, and does so without the fault. */
async function seek(copy: string, fault: Fault, tests: readonly TimedFile[]): Promise<Verdict> {
  const verdict = await runTests(copy, tests);
  if (verdict.kind !== 'timeout') return verdict;
  const at = tests.findIndex(({ file }) => file === verdict.file);
  // The last file has passed, and the process does not end.
  if (at === -1) return verdict;
  for (let tries = 0; tries < HANG_TRIES_MAX; tries++) {
    const again = await runTests(copy, tests.slice(at, at + 1), { patience: PATIENCE });
    if (again.kind === 'passed') return seek(copy, fault, tests.slice(at + 1));
    if (again.kind === 'failed') return again;
    fault.takeBack();
    const withoutFault = await runTests(copy, tests.slice(at, at + 1), { patience: PATIENCE });
    fault.make();
    if (withoutFault.kind === 'passed') break;
  }
  return verdict;
}

function outcomeOf(verdict: Verdict, tests: readonly TimedFile[]): Outcome {
  switch (verdict.kind) {
    case 'passed':
      return { kind: 'survived', testFiles: tests.length };
    case 'failed':
      return { kind: 'killed', by: `${verdict.file}: ${verdict.test.split('\n', 1)[0]}` };
    case 'timeout':
      return { kind: 'hung', by: verdict.file };
  }
}

const counts = { killed: 0, hung: 0, equivalent: 0, survived: 0, 'not compiled': 0 };
const survivors: (Omit<Mutation, 'start' | 'end'> & LineEdit & { readonly testFiles: number })[] = [];
let begun = 0;

function tell(mutation: Mutation, outcome: Outcome, seconds: number): void {
  counts[outcome.kind] += 1;
  const edit = lineEditOf(texts.get(mutation.file)!, mutation);
  const place = `${mutation.file}:${edit.line} ${mutation.within}: ${mutation.operator}`;
  const took = `${seconds.toFixed(0).padStart(4)} s`;
  if (outcome.kind === 'equivalent') console.log(`equivalent    ${took}  ${place}`);
  if (outcome.kind === 'killed') console.log(`killed        ${took}  ${place}  by ${outcome.by}`);
  if (outcome.kind === 'hung') console.log(`hung          ${took}  ${place}  in ${outcome.by}`);
  if (outcome.kind !== 'survived') return;
  console.log(`SURVIVED      ${took}  ${place}  ${outcome.testFiles} test files`);
  for (const line of edit.original.split('\n')) console.log(`  - ${line.trim()}`);
  for (const line of edit.replacement.split('\n')) console.log(`  + ${line.trim()}`);
  const { file, within, operator } = mutation;
  survivors.push({ file, within, operator, ...edit, testFiles: outcome.testFiles });
  fs.writeFileSync(SURVIVORS, `${JSON.stringify({ seed, counts, survivors }, null, 2)}\n`);
}

async function work(reach: ReadonlyMap<string, ReachedBlocks>): Promise<void> {
  const copy = makeCopy();
  build(copy);
  while (begun < count && performance.now() < endMs) {
    const next = drawn.next();
    if (next.done) return;
    begun += 1;
    const startedMs = performance.now();
    const outcome = await takeOne(copy, next.value, testsOf(next.value, reach));
    if (outcome.kind === 'not compiled') begun -= 1;
    tell(next.value, outcome, (performance.now() - startedMs) / 1000);
  }
}

console.log(`seed ${seed}`);
const reach = await measureReach(sources, jobs, (line) => console.log(`measured ${line}`));
for (const [file, { failure }] of reach) {
  if (failure !== null) console.log(`${file} fails without a fault, and is left out: ${failure}`);
}
await Promise.all(Array.from({ length: jobs }, () => work(reach)));

const killed = counts.killed + counts.hung;
const counted = killed + counts.survived;
const share = counted === 0 ? 1 : killed / counted;
console.log(`
${counted + counts.equivalent} mutants drawn with seed ${seed}; ${counts['not compiled']} more did not compile.
${killed} killed (${counts.hung} of them hung), ${counts.survived} survived, ${counts.equivalent} are equivalent: ${(100 * share).toFixed(1)} % killed.`);
fs.writeFileSync(SURVIVORS, `${JSON.stringify({ seed, counts, survivors }, null, 2)}\n`);
process.exitCode = share < KILLED_SHARE_MIN ? 1 : 0;
