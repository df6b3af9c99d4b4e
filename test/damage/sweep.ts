// Many cases of damage, one after the other, and what came of them. Knows no test runner: damage.test.ts takes samples,
// run.ts (`npm run damage`) takes them all.

import type { Random } from '../../src/testing/random.js';
import { DamageCases } from './cases.js';
import { type Outcome, outcomeOf } from './outcome.js';
import { makeWorlds, type World } from './worlds.js';

export interface Target {
  /** `npm run damage -- --case <index>:<number>` takes one case of it. */
  readonly index: number;
  readonly world: World;
  readonly cases: DamageCases;
}

export async function makeTargets(): Promise<Target[]> {
  const worlds = await makeWorlds();
  return worlds.map((world, index) => {
    const stranger = worlds[(index + 1) % worlds.length]!;
    return { index, world, cases: new DamageCases(world, stranger) };
  });
}

/** More than these say nothing new. */
const FAILURES_KEPT_MAX = 20;

/** How often what came of which kind of damage. Plain data, so that processes can add theirs up. */
export class Tally {
  readonly counts: Record<string, Partial<Record<Outcome, number>>> = {};
  readonly failures: string[] = [];
  total = 0;
  failed = 0;

  add(kind: string, outcome: Outcome): void {
    this.#count(kind, outcome, 1);
    this.total++;
  }

  fail(message: string): void {
    this.total++;
    this.failed++;
    if (this.failures.length < FAILURES_KEPT_MAX) this.failures.push(message);
  }

  merge(other: Pick<Tally, 'counts' | 'failures' | 'total' | 'failed'>): void {
    for (const [kind, outcomes] of Object.entries(other.counts)) {
      for (const [outcome, count] of Object.entries(outcomes) as [Outcome, number][])
        this.#count(kind, outcome, count);
    }
    this.failures.push(...other.failures.slice(0, FAILURES_KEPT_MAX - this.failures.length));
    this.total += other.total;
    this.failed += other.failed;
  }

  count(outcome: Outcome): number {
    return Object.values(this.counts).reduce((sum, outcomes) => sum + (outcomes[outcome] ?? 0), 0);
  }

  toString(): string {
    const lines = Object.entries(this.counts).map(([kind, outcomes]) => {
      const told = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
      return `  ${kind}: ${told.join(', ')}`;
    });
    return [`${this.total} cases, ${this.failed} failures or silent losses`, ...lines].join('\n');
  }

  #count(kind: string, outcome: Outcome, count: number): void {
    this.counts[kind] ??= {};
    this.counts[kind][outcome] = (this.counts[kind][outcome] ?? 0) + count;
  }
}

/** Takes the cases of these numbers. Every `thoroughEvery`th gets the thorough look, which takes ten times as long. */
export async function sweep(
  { index, world, cases }: Target,
  numbers: Iterable<number>,
  thoroughEvery: number,
): Promise<Tally> {
  const tally = new Tally();
  let taken = 0;
  for (const number of numbers) {
    const damage = cases.at(number);
    try {
      tally.add(damage.kind, await outcomeOf(world, damage, taken++ % thoroughEvery === 0));
    } catch (error) {
      tally.fail(`npm run damage -- --case ${index}:${number}: ${(error as Error).message}`);
    }
  }
  return tally;
}

export function* numbersFrom(first: number, end: number, step = 1): Generator<number> {
  for (let number = first; number < end; number += step) yield number;
}

export function* sampledNumbers({ cases }: Target, count: number, random: Random): Generator<number> {
  for (let sample = 0; sample < count; sample++) yield cases.sample(random);
}
