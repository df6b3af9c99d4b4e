// Files of single letters, and what is found of them after many crashes: for the facts of the simulated disk.

import type { LogFile, Storage, StorageFile } from '../../src/storage/index.js';
import { type DiskState, type FaultRule, SimulatedDisk } from '../../src/testing/index.js';

export const SECTOR_BYTES = 512;
export const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

export function newDisk(faults?: FaultRule, seed = 1): { disk: SimulatedDisk; storage: Storage } {
  const disk = new SimulatedDisk({ seed, directories: ['/d'], ...(faults ? { faults } : {}) });
  return { disk, storage: disk.life() };
}

export function sectors(count: number, fill: number): Uint8Array {
  return new Uint8Array(count * SECTOR_BYTES).fill(fill);
}

/** A file whose name and `count` sectors of 'a' are durable. */
export async function durableFile(storage: Storage, path: string, count: number): Promise<LogFile> {
  const file = await storage.createLogFile(path);
  await file.write(sectors(count, 97), 0);
  await file.flush();
  await storage.flushDirectory('/d');
  return file;
}

/** Waits for a durable write; its error, or null. */
export function submitted(
  storage: Storage,
  file: LogFile,
  fill: number,
  position = 0,
): Promise<Error | null> {
  const bytes = storage.allocate(SECTOR_BYTES).fill(fill);
  return new Promise((resolve) => file.submit({ bytes, position, checksums: null }, resolve));
}

export async function contents(disk: SimulatedDisk, path: string): Promise<Uint8Array | null> {
  const storage = disk.life();
  if ((await storage.kind(path)) !== 'file') return null;
  const file = await storage.openFile(path, false);
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

/** The first byte of every sector: a, b, … for what a test wrote, ? for a sector that is not of one byte. */
export function letters(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  let text = '';
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
    const sector = bytes.subarray(at, at + SECTOR_BYTES);
    const first = sector[0] as number;
    text += sector.every((byte) => byte === first) ? (first === 0 ? '0' : String.fromCharCode(first)) : '?';
  }
  return text;
}

/** What is found at `path` after many different power cuts. */
export async function foundAfterCuts(
  state: DiskState,
  path: string,
  profile: 'prefix' | 'strict' = 'strict',
): Promise<Set<string | null>> {
  const found = new Set<string | null>();
  for (const seed of SEEDS) {
    for (const grain of ['sector', 'write'] as const) {
      const disk = state.powerCut({ profile, grain, pattern: 'random', index: 0, seed });
      found.add(letters(await contents(disk, path)));
    }
  }
  return found;
}

export async function namesAfterCuts(state: DiskState, profile: 'prefix' | 'strict'): Promise<Set<string>> {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = state.powerCut({ profile, grain: 'sector', pattern: 'random', index: 0, seed });
    found.add((await disk.life().list('/d')).sort().join(' '));
  }
  return found;
}

/** Starts a write of 'b', and waits until reads see it. True when it has not completed by then. */
export async function isSeenBeforeItCompletes(disk: SimulatedDisk, file: LogFile): Promise<boolean> {
  void file.write(sectors(1, 98), 0);
  while (disk.inFlight().length > 0) {
    // In flight, and a process kill keeps it whatever the seed: so it has reached the view.
    const kills = SEEDS.slice(0, 20).map((seed) => contents(disk.capture().processKill(seed), '/d/f'));
    disk.pause();
    if ((await Promise.all(kills)).every((bytes) => letters(bytes) === 'b')) return true;
    disk.resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}

/** The letters that the view shows now. */
export async function viewOf(file: StorageFile): Promise<string | null> {
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  return letters(bytes);
}
