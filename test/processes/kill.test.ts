// Real processes, real kills, real files: a child writes and is killed with SIGKILL at instants that a seed draws, in
// writing, rotation, checkpoint, backup and opening, several lives on one directory. The judge is another process, which is
// killed in its recovery as well, and which knows only what came through the pipe.
//
// KEELSON_SEED replays a run as far as the timing of processes can be had again; KEELSON_KILL_ROUNDS makes more of them.
// A failure keeps its directory, and all that was said in `lines`, which checker.js takes again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StoreOptions } from '../../src/index.js';
import { PROJECT, seededRandom, whyNoIoUring } from '../native/native-tools.js';

const ROUNDS = Number(process.env['KEELSON_KILL_ROUNDS'] ?? 40);
const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));
const LIVES_PER_DIRECTORY = 5;
/** The last number of a line's sequence in a life: lives number their writes apart. */
const SEQUENCES_PER_LIFE = 1_000_000;
const KIB = 1024;

const MOMENTS = ['opening', 'writing', 'segments', 'checkpoint', 'backing up'] as const;
type Moment = (typeof MOMENTS)[number];

/** The `nth` line of that kind, and so many microseconds more. */
interface Death {
  readonly moment: Moment;
  readonly nth: number;
  readonly laterUs: number;
}

type Random = (below: number) => number;
type Line = readonly [what: string, ...rest: unknown[]];

interface Verdict {
  readonly submitted: number;
  readonly found: number;
  readonly acknowledgedLsn: number;
  readonly lsn: number;
  readonly engine: string;
  readonly recovery: { readonly kind: string; readonly tornBytes: number; readonly recordsReplayed: number };
  readonly backups: { readonly whole: number; readonly refused: number };
}

const why = whyNoIoUring();

describe.each(['io_uring', 'fs'] as const)('killed on %s', (engine) => {
  const isMissing = engine === 'io_uring' && why !== null;
  const rounds = engine === 'fs' ? Math.floor(ROUNDS / 2) : Math.ceil(ROUNDS / 2);

  test.skipIf(isMissing)(
    `${rounds} lives end at any instant, and what was acknowledged is there, seed ${SEED}${isMissing ? ` (skipped: ${why})` : ''}`,
    async () => {
      const seen = new Map<string, number>();
      const count = (what: string, by = 1) => seen.set(what, (seen.get(what) ?? 0) + by);
      const random = seededRandom(SEED + engine.length);
      for (let done = 0; done < rounds; done += LIVES_PER_DIRECTORY) {
        await liveAndDie(engine, Math.min(LIVES_PER_DIRECTORY, rounds - done), random, count);
      }
      const all = [...seen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, times]) => `${what}: ${times}`);
      console.log(`${engine}, seed ${SEED}: ${all.join(', ')}`);
      // Kills that hit nothing, and a judge that saw nothing, would be no test.
      expect(seen.get('writes acknowledged or found') ?? 0).toBeGreaterThan(rounds);
      expect(seen.get('lives killed') ?? 0).toBeGreaterThan(rounds / 2);
    },
    60_000 + rounds * 5_000,
  );
});

/** One directory: writers that die, one after another, and what they leave is judged, most of the time. */
async function liveAndDie(
  engine: 'io_uring' | 'fs',
  lives: number,
  random: Random,
  count: (what: string, by?: number) => void,
): Promise<void> {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-kill-'));
  const directory = path.join(base, 'store');
  const said: Line[] = [];
  try {
    const options = optionsFrom(random, engine);
    for (let life = 0; life < lives; life++) {
      const death = deathFrom(random);
      const settings = settingsFrom(random, life, options, death);
      const parameters = [directory, JSON.stringify(settings)];
      const writer = await runUntil(death, 'writer.js', parameters, '', (line) => said.push(line));
      if (writer.wasKilled) {
        count('lives killed');
        count(`killed ${writer.where}`);
      } else count('lives closed');
      // Now and then the next writer opens what the judge has not seen: its own opening says which writes there are.
      if (life < lives - 1 && random(4) === 0) continue;
      const verdict = await judge(directory, options, said, random, count);
      expect(verdict.engine).toBe(engine);
      count('writes acknowledged or found', verdict.found);
      count('writes gone unacknowledged', verdict.submitted - verdict.found);
      count(verdict.recovery.tornBytes > 0 ? 'torn ends' : 'clean ends');
      count('backups whole', verdict.backups.whole);
      count('backups refused', verdict.backups.refused);
    }
    fs.rmSync(base, { recursive: true });
  } catch (error) {
    fs.writeFileSync(path.join(base, 'lines'), linesOf(said));
    throw new Error(`Seed ${SEED}, kept in ${base}: ${(error as Error).message}`, { cause: error });
  }
}

/** The judge may be killed as well, in its recovery, up to twice; the one after that judges what all of them left. */
async function judge(
  directory: string,
  options: StoreOptions,
  said: Line[],
  random: Random,
  count: (what: string, by?: number) => void,
): Promise<Verdict> {
  for (let killed = 0; killed < 2 && random(3) === 0; killed++) {
    const parameters = [directory, JSON.stringify({ ...options, isLeftOpen: true })];
    const death: Death = { moment: 'opening', nth: 1, laterUs: random(5_000) };
    const input = linesOf(said);
    const opener = await runUntil(death, 'checker.js', parameters, input, (line) => {
      if (line[0] === 'opened') said.push(line);
    });
    if (opener.wasKilled) count(`judges killed ${opener.where}`);
  }
  const parameters = [directory, JSON.stringify({ ...options, isLeftOpen: random(2) === 0 })];
  let verdict: Verdict | null = null;
  await runUntil(null, 'checker.js', parameters, linesOf(said), (line) => {
    if (line[0] === 'opened') said.push(line);
    if (line[0] === 'verdict') verdict = line[1] as Verdict;
  });
  if (verdict === null) throw new Error('The judge said nothing');
  return verdict;
}

/** Small limits, so that what is rare in a big store is all the time in these. */
function optionsFrom(random: Random, engine: 'io_uring' | 'fs'): StoreOptions {
  const pick = <T>(...choices: T[]): T => choices[random(choices.length)]!;
  return {
    engine,
    autoCheckpoint: random(4) !== 0,
    checkpointBytesMin: pick(KIB, 8 * KIB, 64 * KIB, KIB * KIB),
    checkpointRatio: pick(0, 0.5, 1),
    maxUndurableBytes: pick(KIB, 16 * KIB, 64 * KIB * KIB),
    keepOlderGeneration: random(2) === 0,
  };
}

function settingsFrom(random: Random, life: number, options: StoreOptions, { moment }: Death): object {
  const pick = <T>(...choices: T[]): T => choices[random(choices.length)]!;
  return {
    seed: random(1e9),
    firstSequence: life * SEQUENCES_PER_LIFE + 1,
    options,
    keys: pick(5, 50, 500),
    // A segment has 1 MiB at least: to rotate soon takes values of its measure.
    valueBytesMax: moment === 'segments' ? pick(60_000, 400_000) : pick(20, 2_000, 60_000),
    inFlightMax: pick(1, 8, 64),
    bytesMax: 12 * KIB * KIB,
    checkpointEvery: moment === 'checkpoint' ? 1 + random(60) : pick(0, 0, 200),
    backupAt: moment === 'backing up' ? 1 + random(100) : pick(0, 0, 20),
  };
}

function deathFrom(random: Random): Death {
  const moment = ['writing', 'writing', ...MOMENTS][random(MOMENTS.length + 2)] as Moment;
  const nth = {
    opening: 1,
    writing: 1 + random(1_500),
    segments: 1 + random(4),
    checkpoint: 1 + random(6),
    'backing up': 1,
  };
  // Half of them at once, where the work has just begun. An opening is over soon.
  const laterUs = moment === 'opening' ? random(5_000) : random(2) === 0 ? random(500) : random(15_000);
  return { moment, nth: nth[moment], laterUs };
}

/** Runs one of the programs to its end, or to its death. Resolves when everything it said has been heard. */
async function runUntil(
  death: Death | null,
  program: string,
  parameters: readonly string[],
  input: string,
  hear: (line: Line) => void,
): Promise<{ readonly wasKilled: boolean; readonly where: string }> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, program), ...parameters], {
    cwd: PROJECT,
    env: { ...process.env, KEELSON_ENGINE: '', NODE_OPTIONS: '' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [unfinished, complaints, where, met] = ['', '', 'starting', 0];
  // One that was killed does not read to the end.
  child.stdin.on('error', () => undefined).end(input);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop()!;
    for (const line of lines) {
      const heard = JSON.parse(line) as Line;
      hear(heard);
      where = whereNow(heard, where);
      if (death !== null && isOf(heard, death.moment) && ++met === death.nth) killLater(child, death.laterUs);
    }
  });
  const [code, signal] = await once(child, 'close');
  if (signal !== 'SIGKILL' && code !== 0) {
    throw new Error(`${program} ended with ${signal ?? code}:\n${complaints}`);
  }
  return { wasKilled: signal === 'SIGKILL', where };
}

function isOf([what, type]: Line, moment: Moment): boolean {
  if (moment === 'writing') return what === 'accepted' || what === 'durable';
  return what === moment && type !== 'completed';
}

/** What it was doing, as far as it had said. */
function whereNow([what, type]: Line, before: string): string {
  if (what === 'opening') return 'in opening';
  if (what === 'opened' || what === 'backed up') return 'in writing';
  if (what === 'backing up') return 'in a backup';
  if (what === 'checkpoint') return type === 'started' ? 'in a checkpoint' : 'in writing';
  if (what === 'segments') return 'at a new segment';
  if (what === 'submitting' && before === 'at a new segment') return 'in writing';
  if (what === 'closed') return 'after its end';
  return before;
}

/** Timers know milliseconds: the kill comes after a spin. */
function killLater(child: ChildProcess, laterUs: number): void {
  const at = performance.now() + laterUs / 1000;
  while (performance.now() < at);
  child.kill('SIGKILL');
}

function linesOf(said: readonly Line[]): string {
  return said.map((line) => `${JSON.stringify(line)}\n`).join('');
}
