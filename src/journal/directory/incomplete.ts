// The marker of a directory in which a store is being made: the first thing that is made there, and the last that goes.
//
// It names the journal of that store, and the one who makes it makes a single segment. So beside anything else the
// marker says nothing: somebody who was refused, because another store was there already, left it behind when it was
// killed, or a power cut took back its removal. A store that has acknowledged anything has a segment that tells.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Storage, StorageFile } from '../../storage/index.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-format.js';
import { segmentPath, segmentSequences } from '../format/segment-names.js';

export const INCOMPLETE_MARKER = 'INCOMPLETE';

/** The sequence of the one segment of a store that is being made. */
export const FIRST_SEQUENCE = 1;

const ID_PATTERN = /^journal ([0-9a-f]{32})\n/;
const ID_LINE_BYTES = 41;

const TEXT_FOR_PEOPLE =
  'A backup or a salvage is writing a store here. If none is running, it was interrupted: remove this directory.\n';

/** What the marker of a store with that journal id says. */
export function incompleteMarker(journalId: Uint8Array): Uint8Array {
  return new TextEncoder().encode(`journal ${Buffer.from(journalId).toString('hex')}\n${TEXT_FOR_PEOPLE}`);
}

/**
 * Throws KEELSON_INCOMPLETE when what is in a directory with those names was not finished. A marker that was left in
 * another store is passed over.
 */
export async function refuseIncomplete(
  storage: Storage,
  directory: string,
  names: readonly string[],
): Promise<void> {
  if (!names.includes(INCOMPLETE_MARKER) || (await isLeftBehind(storage, directory, names))) return;
  throw new KeelsonError(
    'KEELSON_INCOMPLETE',
    `${directory} holds a backup or salvage that is being written, or was interrupted`,
    { path: markerPath(directory) },
  );
}

/**
 * The same for who has just taken the lock, and removes a marker that was left behind. Nobody relies on the removal:
 * a marker that stays, or comes back, is judged again.
 */
export async function clearIncomplete(
  storage: Storage,
  directory: string,
  names: readonly string[],
): Promise<void> {
  await refuseIncomplete(storage, directory, names);
  if (names.includes(INCOMPLETE_MARKER)) await storage.remove(markerPath(directory)).catch(() => {});
}

/** True when a segment is there that is not of the store that the marker is about. */
async function isLeftBehind(storage: Storage, directory: string, names: readonly string[]): Promise<boolean> {
  const sequences = segmentSequences(names);
  if (sequences.some((sequence) => sequence !== FIRST_SEQUENCE)) return true;
  if (sequences.length === 0) return false;
  const marker = await startOf(storage, markerPath(directory), ID_LINE_BYTES);
  const segment = await startOf(storage, segmentPath(directory, FIRST_SEQUENCE), SEGMENT_HEADER_BYTES);
  // Gone meanwhile: the one who made it is at work.
  if (marker === null || segment === null) return false;
  const verdict = decodeSegmentHeader(segment);
  // The marker was durable, whole, before there was a segment of its own; and that had its name when it was durable.
  const id = ID_PATTERN.exec(new TextDecoder().decode(marker))?.[1];
  return !verdict.ok || id !== Buffer.from(verdict.header.journalId).toString('hex');
}

/** The first bytes of a file; null when there is none. */
async function startOf(storage: Storage, path: string, length: number): Promise<Uint8Array | null> {
  let file: StorageFile;
  try {
    file = await storage.openFile(path, false);
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return null;
    throw error;
  }
  try {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

function markerPath(directory: string): string {
  return `${directory}/${INCOMPLETE_MARKER}`;
}
