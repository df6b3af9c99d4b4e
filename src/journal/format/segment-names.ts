// The names of segment files. Pure.

const NAME_PATTERN = /^(\d{12})\.journal$/;
const TEMPORARY_PATTERN = /^(\d{12}\.journal|[0-9a-f]{16}-\d+\.draft)\.tmp$/;
const SEQUENCE_DIGITS = 12;
/** Limit of a sequence: the highest one that has a name. */
export const SEQUENCE_MAX = 10 ** SEQUENCE_DIGITS - 1;

/** Returns the path of the segment with that sequence. */
export function segmentPath(directory: string, sequence: number): string {
  return `${directory}/${String(sequence).padStart(SEQUENCE_DIGITS, '0')}.journal`;
}

/** Returns the sequence in the name of a segment, or null for any other name. */
function segmentSequence(name: string): number | null {
  const match = NAME_PATTERN.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Returns the sequences of the segments among the names of a directory, oldest first. */
export function segmentSequences(names: readonly string[]): number[] {
  const sequences = names.map(segmentSequence).filter((sequence) => sequence !== null);
  return sequences.sort((a, b) => a - b);
}

/** Returns the path of a segment before it is finished, and while it waits to be recycled. */
export function temporaryPath(path: string): string {
  return `${path}.tmp`;
}

/**
 * Returns the path of a draft. No retired segment ever has such a name, so no retirement replaces a draft.
 *
 * @param owner 16 hexadecimal digits of the session, so that no session takes the draft of another for its own.
 * @param number The number of the draft in its session.
 */
export function draftPath(directory: string, owner: string, number: number): string {
  return `${directory}/${owner}-${number}.draft.tmp`;
}

/** Returns true for the name of a draft, of a segment that is not finished, or of one that waits to be recycled. */
export function isTemporarySegment(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** Returns true for the name of a segment, finished or not. */
export function isSegmentName(name: string): boolean {
  return segmentSequence(name) !== null || isTemporarySegment(name);
}
