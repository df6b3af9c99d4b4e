// The marker of a directory in which a store is being made. While it is there nobody opens what is there: it is the
// first thing that is made, and the last that goes.

import { KeelsonError } from '../errors.js';

export const INCOMPLETE_MARKER = 'INCOMPLETE';

/** Throws KEELSON_INCOMPLETE when the names of a directory say that what is in it was not finished. */
export function refuseIncomplete(names: readonly string[], directory: string): void {
  if (!names.includes(INCOMPLETE_MARKER)) return;
  throw new KeelsonError(
    'KEELSON_INCOMPLETE',
    `${directory} holds a backup or salvage that is being written, or was interrupted; if none is running, remove the directory`,
    { path: `${directory}/${INCOMPLETE_MARKER}` },
  );
}
