// Builds the disk after a power cut: the durable contents, the pending units that survived, and in all other space
// old bytes and garbage. Code must not rely on zeros in space that it never wrote.

import { DiskImage } from './disk-image.js';
import { type CutUnit, type CutUnits, type PowerCutChoice, survival } from './power-cut.js';
import { Random } from './random.js';
import { SECTOR_BYTES, type SectorMap, sectorsFor, ZERO_SECTOR } from './sector-map.js';
import { applyEdits, type DirectoryInode, type NameChange } from './simulated-directory.js';
import { FileInode } from './simulated-inode.js';

/** Chance that a sector whose write was in flight, and did not survive, holds garbage instead of its old bytes. */
const GARBAGE_CHANCE = 0.25;
/** Garbage sectors, made once: a state has thousands of them, and no test can tell two kinds of garbage apart. */
const GARBAGE_SECTORS: readonly Uint8Array[] = (() => {
  const random = new Random(0x6a5ba6e);
  return Array.from({ length: 64 }, () => random.bytes(SECTOR_BYTES));
})();

/** Contents and size of a file after the power cut. */
interface Remains {
  readonly contents: SectorMap;
  sizeBytes: number;
}

/** Returns the disk after a power cut on `image`. `units` are the units of `image`. */
export function imageAfterPowerCut(image: DiskImage, units: CutUnits, choice: PowerCutChoice): DiskImage {
  const random = new Random(choice.seed);
  const survives = survival(choice, random);
  const remains = new Map<FileInode, Remains>();
  const survivingNames = new Set<number>();
  units[choice.grain].forEach((unit, unitIndex) => {
    const isKept = survives(unit, unitIndex);
    if (unit.kind === 'names') {
      if (isKept) survivingNames.add(unit.order);
      return;
    }
    const isTearable = choice.pattern === 'random';
    applyUnit(
      remainsOf(remains, unit.file),
      unit,
      isKept,
      image.inFlightOrders.has(unit.order),
      isTearable,
      random,
    );
  });
  if (choice.profile === 'prefix') keepPrefixes(image, survivingNames);
  return assemble(image, remains, survivingNames, random);
}

function remainsOf(remains: Map<FileInode, Remains>, file: FileInode): Remains {
  let found = remains.get(file);
  if (found === undefined) {
    found = { contents: file.durable.fork(), sizeBytes: file.durableSizeBytes };
    remains.set(file, found);
  }
  return found;
}

function applyUnit(
  left: Remains,
  unit: Exclude<CutUnit, { kind: 'names' }>,
  isKept: boolean,
  isInFlight: boolean,
  isTearable: boolean,
  random: Random,
): void {
  if (unit.kind === 'size') {
    if (isKept && unit.isCut) left.sizeBytes = Math.min(left.sizeBytes, unit.sizeBytes);
    else if (isKept) left.sizeBytes = Math.max(left.sizeBytes, unit.sizeBytes);
    return;
  }
  if (unit.kind === 'sector') {
    if (isKept) left.contents.set(unit.index, unit.bytes);
    else if (isInFlight && random.chance(GARBAGE_CHANCE)) damage(left, unit.index, unit.bytes, random);
    return;
  }
  // With the pattern `random` some writes are torn: each of their sectors is old or new.
  const isTorn = isTearable && random.chance(0.3);
  unit.write.sectors.forEach((bytes, at) => {
    if (bytes === null) return;
    const index = unit.write.firstSector + at;
    if (isTorn ? random.chance(0.5) : isKept) left.contents.set(index, bytes);
    else if (isInFlight && random.chance(GARBAGE_CHANCE)) damage(left, index, bytes, random);
  });
}

/** Damages a sector whose write was cut short: garbage, or the first bytes of the new sector over the old one. */
function damage(left: Remains, index: number, written: Uint8Array, random: Random): void {
  if (random.chance(0.5)) {
    left.contents.set(index, random.pick(GARBAGE_SECTORS));
    return;
  }
  const torn = (left.contents.get(index) ?? random.pick(GARBAGE_SECTORS)).slice();
  torn.set(written.subarray(0, 1 + random.below(SECTOR_BYTES - 1)));
  left.contents.set(index, torn);
}

/**
 * Keeps the changes of names before the first lost one, in each directory. A change in two directories is kept only
 * if both keep it. Dropping it may shorten the prefix of the other directory, so this repeats until nothing changes.
 */
function keepPrefixes(image: DiskImage, surviving: Set<number>): void {
  const directories = [...image.inodes.values()].filter((inode) => inode.kind === 'directory');
  for (let isStable = false; !isStable; ) {
    isStable = true;
    for (const directory of directories) {
      const firstLost = directory.pending.findIndex((change) => !surviving.has(change.order));
      if (firstLost === -1) continue;
      for (const change of directory.pending.slice(firstLost)) {
        if (surviving.delete(change.order)) isStable = false;
      }
    }
  }
}

function assemble(
  image: DiskImage,
  remains: ReadonlyMap<FileInode, Remains>,
  survivingNames: ReadonlySet<number>,
  random: Random,
): DiskImage {
  const found = new DiskImage();
  found.continueNumbering(image);
  found.graveyard = image.graveyard.slice();
  found.capacityBytes = image.capacityBytes;
  const staleSources = staleContents(image);
  const waiting: DirectoryInode[] = [image.root];
  const reached = new Set<number>([image.root.id]);
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const entries = entriesAfter(directory, survivingNames);
    found.adopt(directory.settled(entries));
    for (const id of entries.values()) {
      const inode = image.inodes.get(id);
      if (inode === undefined || reached.has(id)) continue;
      reached.add(id);
      if (inode.kind === 'directory') waiting.push(inode);
      else found.adopt(fileAfter(inode, remains.get(inode), staleSources, random));
    }
  }
  for (const inode of image.inodes.values()) {
    if (inode.kind === 'file' && !reached.has(inode.id) && inode.view.count > 0) found.bury(inode.view);
  }
  return found;
}

function entriesAfter(directory: DirectoryInode, surviving: ReadonlySet<number>): Map<string, number> {
  const entries = new Map(directory.durableEntries);
  for (const change of directory.pending as readonly NameChange[]) {
    if (surviving.has(change.order)) applyEdits(entries, directory.id, change);
  }
  return entries;
}

function fileAfter(
  file: FileInode,
  left: Remains | undefined,
  staleSources: readonly SectorMap[],
  random: Random,
): FileInode {
  const contents = left?.contents ?? file.durable.fork();
  const sizeBytes = left?.sizeBytes ?? file.durableSizeBytes;
  const sectorCount = sectorsFor(sizeBytes);
  contents.cutTo(sectorCount);
  if (contents.count < sectorCount) fillUnwritten(contents, sectorCount, staleSources, random);
  zeroBehindEnd(contents, sizeBytes);
  const after = new FileInode(file.id);
  after.durable = contents;
  after.view = contents.fork();
  after.durableSizeBytes = sizeBytes;
  after.viewSizeBytes = sizeBytes;
  after.modifiedMs = file.modifiedMs;
  return after;
}

/** Fills the space within the size of the file that was never durably written. */
function fillUnwritten(
  contents: SectorMap,
  sectorCount: number,
  staleSources: readonly SectorMap[],
  random: Random,
): void {
  // All stale sectors of the file come from one source and keep their places. Of all garbage, an old log beneath a
  // new one is the most likely to be mistaken for valid records.
  const source = staleSources.length > 0 && random.chance(0.5) ? random.pick(staleSources) : null;
  for (let index = 0; index < sectorCount; index += 1) {
    if (contents.get(index) !== undefined) continue;
    const stale = source?.get(index);
    const isUseful = stale !== undefined && stale !== ZERO_SECTOR;
    contents.set(index, isUseful ? stale : random.pick(GARBAGE_SECTORS));
  }
}

/**
 * Zeroes the bytes past the end of the file in its last sector, as a system does before the file can grow over them.
 */
function zeroBehindEnd(contents: SectorMap, sizeBytes: number): void {
  const usedBytes = sizeBytes % SECTOR_BYTES;
  const index = Math.floor(sizeBytes / SECTOR_BYTES);
  const last = contents.get(index);
  if (usedBytes === 0 || last === undefined || last.subarray(usedBytes).every((byte) => byte === 0)) return;
  contents.set(index, last.slice().fill(0, usedBytes));
}

function staleContents(image: DiskImage): SectorMap[] {
  const sources = image.graveyard.slice();
  for (const inode of image.inodes.values()) {
    if (inode.kind === 'file' && inode.view.count > 0) sources.push(inode.view);
  }
  return sources;
}

/** Returns one sector of garbage, for faults of a running disk. */
export function garbageSector(random: Random): Uint8Array {
  return random.pick(GARBAGE_SECTORS);
}
