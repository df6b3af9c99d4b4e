// What each test file comes to, and how long it takes: measured by running each alone, once, on sources that note their
// blocks. Processes that tests start run on dist/, which is built of the same sources. Kept in build/mutants/reach.json.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { build, makeCopy } from './project-copy.js';
import { instrumented } from './reach.js';
import { filesBelow, type Source } from './sources.js';
import { runTests } from './test-run.js';

export interface ReachedBlocks {
  readonly durationMs: number;
  /** Null, or why the file sees nothing: it fails without a fault. */
  readonly failure: string | null;
  /** The numbers of the blocks it enters, by source. */
  readonly blocks: Readonly<Record<string, readonly number[]>>;
}

interface Kept extends ReachedBlocks {
  readonly hash: string;
}

const KEPT = 'build/mutants/reach.json';

/** Without a measured duration a file may take this long. */
const FILE_MS_MAX = 120_000;

/** By test file. `tell` is called for each that is measured. */
export async function measureReach(
  sources: readonly Source[],
  jobs: number,
  tell: (line: string) => void,
): Promise<Map<string, ReachedBlocks>> {
  const tests = filesBelow('test', /^test\/(?!package\/|mutants\/).*\.test\.ts$/);
  // A file is measured again when it changes, when a source does, or what tests have in common.
  const common = [
    ...filesBelow('src', /\.ts$/),
    ...filesBelow('test', /^test\/(?!mutants\/).*(?<!\.test)\.(ts|js)$/),
  ];
  const base = hashOf(common);
  const kept = readKept();
  const hashes = new Map(tests.map((file) => [file, hashOf([file], base)]));
  const missing = tests.filter((file) => kept[file]?.hash !== hashes.get(file));
  const total = missing.length;
  const work = async (): Promise<void> => {
    if (missing.length === 0) return;
    const copy = makeCopy();
    const log = path.join(copy, 'reached.log');
    const setSources = (isNoting: boolean): void => {
      for (const { file, text } of sources) {
        fs.writeFileSync(path.join(copy, file), isNoting ? instrumented(file, text, log) : text);
      }
      build(copy);
    };
    setSources(true);
    for (let file = missing.shift(); file !== undefined; file = missing.shift()) {
      let reached = await measureOne(copy, log, file);
      if (reached.failure !== null) {
        // What it came to is known. Notes take stack and time, which a few tests measure.
        setSources(false);
        reached = { ...(await measureOne(copy, log, file)), blocks: reached.blocks };
        setSources(true);
      }
      kept[file] = { hash: hashes.get(file)!, ...reached };
      writeKept(kept);
      const { durationMs, failure } = reached;
      tell(`${total - missing.length}/${total} ${file} ${(durationMs / 1000).toFixed(1)} s ${failure ?? ''}`);
    }
    fs.rmSync(copy, { recursive: true, force: true, maxRetries: 5 });
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return new Map(tests.map((file) => [file, kept[file]!]));
}

async function measureOne(copy: string, log: string, file: string): Promise<ReachedBlocks> {
  fs.writeFileSync(log, '');
  const verdict = await runTests(copy, [{ file, durationMs: FILE_MS_MAX }], { isWhole: true });
  const blocks: Record<string, number[]> = {};
  for (const line of new Set(fs.readFileSync(log, 'utf8').trim().split('\n'))) {
    const [source, number] = line.split(':');
    if (number !== undefined) blocks[source!] = [...(blocks[source!] ?? []), Number(number)];
  }
  if (verdict.kind === 'passed') {
    return { durationMs: verdict.reports[0]?.durationMs ?? 0, failure: null, blocks };
  }
  return { durationMs: 0, failure: verdict.kind === 'failed' ? verdict.test : 'it hangs', blocks };
}

function hashOf(files: readonly string[], base = ''): string {
  const hash = createHash('sha256').update(base);
  for (const file of files) hash.update(file).update(fs.readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

function readKept(): Record<string, Kept> {
  if (!fs.existsSync(KEPT)) return {};
  return JSON.parse(fs.readFileSync(KEPT, 'utf8'));
}

function writeKept(kept: Readonly<Record<string, Kept>>): void {
  fs.mkdirSync(path.dirname(KEPT), { recursive: true });
  fs.writeFileSync(KEPT, `${JSON.stringify(kept)}\n`);
}
