// What a power cut leaves of a disk: every pending sector, size and name independently, as a choice says.
//
// A choice is a few numbers, so that it can be printed and replayed. It decides over *units*: each pending version of
// each sector (or, at the coarser grain, each pending write), each pending size, each pending change of names.

import type { DiskImage } from './disk-image.js';
import { mixSeeds, Random } from './random.js';
import type { NameChange } from './simulated-directory.js';
import type { FileInode, PendingWrite } from './simulated-inode.js';

/** `prefix`: of the changes of names in a directory the first few survive. `strict`: any of them. */
export type PowerCutProfile = 'prefix' | 'strict';

export type PowerCutPattern =
  | 'none'
  | 'all'
  | 'one-missing'
  | 'one-only'
  | 'prefix'
  | 'suffix'
  | 'mask'
  | 'random';

/** Which of the pending units survive. Plain data: printed with a failure, it replays it. */
export interface PowerCutChoice {
  readonly profile: PowerCutProfile;
  /** Whether a unit of data is one version of one sector or one whole write. */
  readonly grain: 'sector' | 'write';
  readonly pattern: PowerCutPattern;
  /** Which unit, how many, or (for `mask`) a bit per unit. */
  readonly index: number;
  /** For all that the pattern leaves open: what is random, and what garbage looks like. */
  readonly seed: number;
}

export type CutUnit =
  | {
      readonly kind: 'sector';
      readonly order: number;
      readonly file: FileInode;
      readonly index: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'write'; readonly order: number; readonly file: FileInode; readonly write: PendingWrite }
  | {
      readonly kind: 'size';
      readonly order: number;
      readonly file: FileInode;
      readonly sizeBytes: number;
      readonly isCut: boolean;
    }
  | { readonly kind: 'names'; readonly order: number; readonly change: NameChange };

/** All that a power cut decides over, in the order in which it happened, at both grains. */
export interface CutUnits {
  readonly sector: readonly CutUnit[];
  readonly write: readonly CutUnit[];
}

/** Up to so many units, every subset of them is tried when the budget allows. */
export const ALL_SUBSETS_UNITS_MAX = 12;

export function listUnits(image: DiskImage): CutUnits {
  const shared: CutUnit[] = [];
  const writes: CutUnit[] = [];
  const sectors: CutUnit[] = [];
  const changes = new Set<NameChange>();
  for (const inode of image.inodes.values()) {
    if (inode.kind === 'directory') {
      for (const change of inode.pending) changes.add(change);
      continue;
    }
    for (const { order, sizeBytes, isCut } of inode.pendingSizes) {
      shared.push({ kind: 'size', order, file: inode, sizeBytes, isCut });
    }
    for (const write of inode.pending) {
      writes.push({ kind: 'write', order: write.order, file: inode, write });
      write.sectors.forEach((bytes, at) => {
        const index = write.firstSector + at;
        if (bytes !== null) sectors.push({ kind: 'sector', order: write.order, file: inode, index, bytes });
      });
    }
  }
  for (const change of changes) shared.push({ kind: 'names', order: change.order, change });
  return { sector: inOrder([...sectors, ...shared]), write: inOrder([...writes, ...shared]) };
}

function inOrder(units: CutUnit[]): CutUnit[] {
  return units.sort((one, other) => one.order - other.order);
}

/** Says of each unit whether it survives. Asked in order, once per unit. */
export function survival(
  choice: PowerCutChoice,
  random: Random,
): (unit: CutUnit, unitIndex: number) => boolean {
  const { pattern, index } = choice;
  // Data, sizes and names have chances of their own: all names with no data is the classic that even odds never show.
  const odds = [0, 0.1, 0.5, 0.9, 1];
  const [data, sizes, names] = [random.pick(odds), random.pick(odds), random.pick(odds)];
  switch (pattern) {
    case 'none':
      return () => false;
    case 'all':
      return () => true;
    case 'one-missing':
      return (_, unitIndex) => unitIndex !== index;
    case 'one-only':
      return (_, unitIndex) => unitIndex === index;
    case 'prefix':
      return (_, unitIndex) => unitIndex < index;
    case 'suffix':
      return (_, unitIndex) => unitIndex >= index;
    case 'mask':
      return (_, unitIndex) => ((index >>> unitIndex) & 1) === 1;
    case 'random':
      return (unit) => random.chance(unit.kind === 'size' ? sizes : unit.kind === 'names' ? names : data);
  }
}

export interface PowerCutSearch {
  readonly profile: PowerCutProfile;
  /** At most so many choices. */
  readonly budget: number;
  readonly seed: number;
}

/**
 * Power cuts worth trying on a disk with these units: all subsets where there are few units and the budget allows;
 * otherwise none, all, every subset of whole writes if those are few, and then, seeded: random ones, one missing,
 * one only, prefixes, suffixes.
 */
export function* powerCutChoices(units: CutUnits, search: PowerCutSearch): Generator<PowerCutChoice> {
  const { profile, budget } = search;
  const random = new Random(mixSeeds(search.seed, 0xc07));
  const choose = (grain: 'sector' | 'write', pattern: PowerCutPattern, index: number): PowerCutChoice => {
    return { profile, grain, pattern, index, seed: random.uint32() };
  };
  if (everySubsetFits(units.sector.length, budget)) {
    for (let mask = 0; mask < 2 ** units.sector.length; mask += 1) yield choose('sector', 'mask', mask);
    return;
  }
  let count = 0;
  if (everySubsetFits(units.write.length, budget / 2)) {
    for (let mask = 0; mask < 2 ** units.write.length; mask += 1, count += 1)
      yield choose('write', 'mask', mask);
  } else if (budget >= SMALL_BUDGET) {
    yield choose('write', 'none', 0);
    yield choose('write', 'all', 0);
    count = 2;
  }
  const seen = new Set<string>();
  for (; count < budget; count += 1) {
    const grain = random.chance(0.5) ? 'sector' : 'write';
    const pattern = random.pick(SEEDED_PATTERNS);
    const index = random.below(units[grain].length);
    const key = `${grain} ${pattern} ${index}`;
    // The same structured choice again would find the same disk; a random one never does.
    yield seen.has(key)
      ? choose(grain, 'random', 0)
      : choose(grain, pattern, pattern === 'random' ? 0 : index);
    seen.add(key);
  }
}

const SEEDED_PATTERNS: readonly PowerCutPattern[] = [
  'random',
  'random',
  'random',
  'none',
  'all',
  'one-missing',
  'one-only',
  'prefix',
  'suffix',
];

/** Below this, none and all would be all that is ever tried. */
const SMALL_BUDGET = 4;

function everySubsetFits(unitCount: number, budget: number): boolean {
  return unitCount <= ALL_SUBSETS_UNITS_MAX && 2 ** unitCount <= budget;
}
