// The marker of a directory in which a store is being made: made first, and removed last.
//
// The marker names the journal of that store, and its maker writes one segment with the sequence 1. So beside
// any other segment the marker means nothing: its maker found a store here and was killed before it removed the
// marker, or a power cut brought the marker back. Every store with an acknowledged write has such another
// segment.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Storage, StorageFile } from '../../storage/index.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-format.js';
import { segmentPath, segmentSequences } from '../format/segment-names.js';

/** The name of the marker. */
export const INCOMPLETE_MARKER = 'INCOMPLETE';

/** The sequence of the only segment of a store that is being made. */
export const FIRST_SEQUENCE = 1;

const ID_PATTERN = /^journal ([0-9a-f]{32})\n/;
const ID_LINE_BYTES = 41;

const TEXT_FOR_PEOPLE =
  'A backup or a salvage is writing a store here. If none is running, it was interrupted: remove this directory.\n';

/** Returns the contents of the marker of a store with that journal id. */
export function incompleteMarker(journalId: Uint8Array): Uint8Array {
  return new TextEncoder().encode(`journal ${Buffer.from(journalId).toString('hex')}\n${TEXT_FOR_PEOPLE}`);
}

/**
 * Throws KEELSON_INCOMPLETE if the directory holds a store that is not finished. Ignores a marker that was left
 * behind in another store.
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
 * Throws KEELSON_INCOMPLETE as refuseIncomplete() does, and removes a marker that was left behind. Only the
 * owner of the lock calls it. Nothing depends on the removal: a marker that stays or comes back is judged
 * again.
 */
export async function clearIncomplete(
  storage: Storage,
  directory: string,
  names: readonly string[],
): Promise<void> {
  await refuseIncomplete(storage, directory, names);
  if (names.includes(INCOMPLETE_MARKER)) await storage.remove(markerPath(directory)).catch(() => {});
}

/** Returns true if there is a segment that does not belong to the store that the marker names. */
async function isLeftBehind(storage: Storage, directory: string, names: readonly string[]): Promise<boolean> {
  const sequences = segmentSequences(names);
  if (sequences.some((sequence) => sequence !== FIRST_SEQUENCE)) return true;
  if (sequences.length === 0) return false;
  const marker = await startOf(storage, markerPath(directory), ID_LINE_BYTES);
  const segment = await startOf(storage, segmentPath(directory, FIRST_SEQUENCE), SEGMENT_HEADER_BYTES);
  // One of the files has gone meanwhile, so the maker of the store is at work.
  if (marker === null || segment === null) return false;
  const verdict = decodeSegmentHeader(segment);
  // The marker was durable and whole before the maker's segment was made, and that segment got its name only
  // when it was durable. So a damaged one is not the maker's.
  const id = ID_PATTERN.exec(new TextDecoder().decode(marker))?.[1];
  return !verdict.ok || id !== Buffer.from(verdict.header.journalId).toString('hex');
}

/** Returns the first bytes of a file, or null if there is no such file. */
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
