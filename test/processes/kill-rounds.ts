// Real processes, real kills, real files: what plays one directory. A child writes and is killed with SIGKILL at instants that
// a seed draws, in writing, rotation, checkpoint, backup and opening, several lives one after another. The judge is another
// process, which is killed in its recovery as well, and which knows only what came through the pipe. For tests and for the
// soak: everything runs from the root of the project, on what is built.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { StoreOptions } from '../../src/index.js';
import { type Line, SpeakingProcess } from './speaking-process.js';

export const LIVES_PER_DIRECTORY = 5;
/** The last number of a line's sequence in a life: lives number their writes apart. */
const SEQUENCES_PER_LIFE = 1_000_000;
const KIB = 1024;

const MOMENTS = ['opening', 'writing', 'segments', 'checkpoint', 'backing up'] as const;
type Moment = (typeof MOMENTS)[number];

export type Engine = 'io_uring' | 'fs';

/** The `nth` line of that kind, and so many microseconds more. */
interface Death {
  readonly moment: Moment;
  readonly nth: number;
  readonly laterUs: number;
}

type Random = (below: number) => number;

interface Verdict {
  readonly submitted: number;
  readonly found: number;
  readonly acknowledgedLsn: number;
  readonly lsn: number;
  /** The entries in namespaces. */
  readonly inNamespaces: number;
  readonly engine: string;
  readonly recovery: { readonly kind: string; readonly tornBytes: number; readonly recordsReplayed: number };
  readonly backups: { readonly whole: number; readonly refused: number };
}

/** One store on a real directory, which is nobody else's: writers that die, one after another, and what they leave is judged. */
export class KilledStore {
  /** What was seen, and how often. */
  readonly seen = new Map<string, number>();
  readonly #base: string;
  readonly #directory: string;
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #options: StoreOptions;
  readonly #said: Line[] = [];

  constructor(base: string, engine: Engine, random: Random) {
    this.#base = base;
    this.#directory = path.join(base, 'store');
    this.#engine = engine;
    this.#random = random;
    this.#options = optionsFrom(random, engine);
  }

  /** Removes the directory when all is well; a failure keeps it, and in `lines` all that was said, which checker.js takes again. */
  async play(lives: number): Promise<void> {
    try {
      for (let life = 0; life < lives; life++) {
        await this.#liveAndDie(life);
        // Now and then the next writer opens what the judge has not seen: its own opening says which writes there are.
        if (life === lives - 1 || this.#random(4) > 0) await this.#judge();
      }
    } catch (error) {
      fs.writeFileSync(path.join(this.#base, 'lines'), linesOf(this.#said));
      throw new Error(`${this.#engine}, kept in ${this.#base}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    fs.rmSync(this.#base, { recursive: true });
  }

  async #liveAndDie(life: number): Promise<void> {
    const death = deathFrom(this.#random);
    const settings = settingsFrom(this.#random, life, this.#options, death);
    const parameters = [this.#directory, JSON.stringify(settings)];
    const writer = await runUntil(death, 'writer.js', parameters, '', (line) => this.#said.push(line));
    this.#count(writer.wasKilled ? 'lives killed' : 'lives closed');
    if (writer.wasKilled) this.#count(`killed ${writer.where}`);
  }

  /** The judge may be killed as well, in its recovery, up to twice; the one after that judges what all of them left. */
  async #judge(): Promise<void> {
    for (let killed = 0; killed < 2 && this.#random(3) === 0; killed++) {
      const { wasKilled } = await this.#check(true, {
        moment: 'opening',
        nth: 1,
        laterUs: this.#random(5_000),
      });
      if (wasKilled) this.#count('judges killed');
    }
    const { verdict } = await this.#check(this.#random(2) === 0, null);
    if (verdict === null) throw new Error('The judge said nothing');
    if (verdict.engine !== this.#engine) throw new Error(`It ran on ${verdict.engine}`);
    this.#count('writes acknowledged or found', verdict.found);
    this.#count('writes gone unacknowledged', verdict.submitted - verdict.found);
    this.#count('entries in namespaces', verdict.inNamespaces);
    this.#count(verdict.recovery.tornBytes > 0 ? 'torn ends' : 'clean ends');
    this.#count('backups whole', verdict.backups.whole);
    this.#count('backups refused', verdict.backups.refused);
  }

  async #check(isLeftOpen: boolean, death: Death | null) {
    const parameters = [this.#directory, JSON.stringify({ ...this.#options, isLeftOpen })];
    let verdict = null as Verdict | null;
    const { wasKilled } = await runUntil(death, 'checker.js', parameters, linesOf(this.#said), (line) => {
      if (line[0] === 'opened') this.#said.push(line);
      if (line[0] === 'verdict') verdict = line[1] as Verdict;
    });
    return { wasKilled, verdict };
  }

  #count(what: string, by = 1): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + by);
  }
}

/** The engines that what is built has here. */
export function builtEngines(): readonly Engine[] {
  const program = "(await import('./dist/storage/index.js')).createIoUringStorage()";
  const probe = spawnSync(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
  return probe.status === 0 ? ['io_uring', 'fs'] : ['fs'];
}

/** Small limits, so that what is rare in a big store is all the time in these. */
export function optionsFrom(random: Random, engine: Engine): StoreOptions {
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

export function settingsFrom(random: Random, life: number, options: StoreOptions, { moment }: Death): object {
  const pick = <T>(...choices: T[]): T => choices[random(choices.length)]!;
  return {
    seed: random(1e9),
    firstSequence: life * SEQUENCES_PER_LIFE + 1,
    options,
    keys: pick(5, 50, 500),
    // A segment has 1 MiB at least: to rotate soon takes values of its measure.
    valueBytesMax: moment === 'segments' ? pick(60_000, 400_000) : pick(20, 2_000, 60_000),
    // A worker builds an image of 8 MiB or more.
    valueBytesFirst: moment === 'checkpoint' ? pick(0, 9 * KIB * KIB) : 0,
    inFlightMax: pick(1, 8, 64),
    bytesMax: 12 * KIB * KIB,
    checkpointEvery: moment === 'checkpoint' ? 1 + random(60) : pick(0, 0, 200),
    backupAt: moment === 'backing up' ? 1 + random(100) : pick(0, 0, 20),
  };
}

export function deathFrom(random: Random): Death {
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
export async function runUntil(
  death: Death | null,
  program: string,
  parameters: readonly string[],
  input: string,
  hear: (line: Line) => void,
): Promise<{ readonly wasKilled: boolean; readonly where: string }> {
  let [where, met] = ['starting', 0];
  const child = new SpeakingProcess(
    program,
    parameters,
    (line) => {
      hear(line);
      where = whereNow(line, where);
      if (death !== null && isOf(line, death.moment) && ++met === death.nth) child.kill(death.laterUs);
    },
    input,
  );
  const { wasKilled } = await child.ended;
  return { wasKilled, where };
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

function linesOf(said: readonly Line[]): string {
  return said.map((line) => `${JSON.stringify(line)}\n`).join('');
}
