// Power cuts: which pending units of a disk survive.
//
// A unit is one pending version of one sector (or, at the coarser grain, one pending write), one pending size, or one
// pending change of names. Each unit survives or is lost. Only changes of names depend on each other, in the profile
// `prefix`. A PowerCutChoice decides over all units with a few numbers, so that it can be printed and replayed.

import type { DiskImage } from './disk-image.js';
import { mixSeeds, Random } from './random.js';
import type { NameChange } from './simulated-directory.js';
import type { FileInode, PendingWrite } from './simulated-inode.js';

/** Which changes of names survive in a directory. `prefix`: the first few of them. `strict`: any subset. */
export type PowerCutProfile = 'prefix' | 'strict';

/**
 * Which units survive. `one-missing` loses only the unit `index`, and `one-only` keeps only that unit. `prefix` keeps
 * the units before `index`, `suffix` keeps the others. `mask` keeps the units whose bits are set in `index`. `random`
 * draws for each unit.
 */
export type PowerCutPattern =
  | 'none'
  | 'all'
  | 'one-missing'
  | 'one-only'
  | 'prefix'
  | 'suffix'
  | 'mask'
  | 'random';

/** Choice of the pending units that survive a power cut. Plain data: the choice that a failure prints replays it. */
export interface PowerCutChoice {
  /** Which changes of names can survive. */
  readonly profile: PowerCutProfile;
  /** Unit of data: one version of one sector, or one whole write. */
  readonly grain: 'sector' | 'write';
  /** Which units survive. */
  readonly pattern: PowerCutPattern;
  /** Number with which the pattern selects units: an index, a count or a bit mask. Other patterns ignore it. */
  readonly index: number;
  /** Seed for everything that the pattern leaves open: random draws and the contents of garbage. */
  readonly seed: number;
}

/** One unit that a power cut decides over. */
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

/** All units of a disk at both grains, in the order of their changes. */
export interface CutUnits {
  readonly sector: readonly CutUnit[];
  readonly write: readonly CutUnit[];
}

/** Limit of the units of which every subset is tried, if the budget allows. */
const ALL_SUBSETS_UNITS_MAX = 12;

/** Returns the pending units of a disk. */
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

/** Returns a function that says whether a unit survives. It must be called once for each unit, in order. */
export function survival(
  choice: PowerCutChoice,
  random: Random,
): (unit: CutUnit, unitIndex: number) => boolean {
  const { pattern, index } = choice;
  // Data, sizes and names have separate odds, because even odds practically never yield "all names and no data".
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

/** Parameters of a search for power cuts. */
export interface PowerCutSearch {
  /** Which changes of names can survive. */
  readonly profile: PowerCutProfile;
  /** Largest number of choices: an integer of 1 or more. */
  readonly budget: number;
  /** Seed of the choices. */
  readonly seed: number;
}

/**
 * Yields power cuts worth trying on a disk with these units. If the budget allows every subset of the sectors, yields
 * exactly those. Otherwise begins with every subset of the whole writes if half of the budget allows them, or else
 * with `none` and `all`. Then yields seeded choices of the other patterns until the budget is used up.
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
    // The same choice would give the same disk again, so a random choice takes its place.
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

/** Budget below which powerCutChoices() does not begin with `none` and `all`, which would use up most of it. */
const SMALL_BUDGET = 4;

function everySubsetFits(unitCount: number, budget: number): boolean {
  return unitCount <= ALL_SUBSETS_UNITS_MAX && 2 ** unitCount <= budget;
}
