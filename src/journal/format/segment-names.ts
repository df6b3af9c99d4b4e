// The names of segment files. Pure.

const NAME_PATTERN = /^(\d{12})\.journal$/;
const TEMPORARY_PATTERN = /^\d{12}\.journal\.tmp$/;
const SEQUENCE_DIGITS = 12;
/** Limit of a sequence: the highest one that has a name. */
export const SEQUENCE_MAX = 10 ** SEQUENCE_DIGITS - 1;

/** Returns the path of the segment with that sequence. */
export function segmentPath(directory: string, sequence: number): string {
  return `${directory}/${String(sequence).padStart(SEQUENCE_DIGITS, '0')}.journal`;
}

/** Returns the sequence in the name of a segment, or null for any other name. */
export function segmentSequence(name: string): number | null {
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

/** Returns true for the name of a segment that is not finished, or that waits to be recycled. */
export function isTemporarySegment(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** Returns true for the name of a segment, finished or not. */
export function isSegmentName(name: string): boolean {
  return segmentSequence(name) !== null || isTemporarySegment(name);
}
