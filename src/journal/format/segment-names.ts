// The names of segment files. Pure.

const NAME_PATTERN = /^(\d{12})\.journal$/;
const TEMPORARY_PATTERN = /^\d{12}\.journal\.tmp$/;
const SEQUENCE_DIGITS = 12;
export const SEQUENCE_MAX = 10 ** SEQUENCE_DIGITS - 1;

export function segmentPath(directory: string, sequence: number): string {
  return `${directory}/${String(sequence).padStart(SEQUENCE_DIGITS, '0')}.journal`;
}

/** The sequence in a segment's name, or null when the name is not one. */
export function segmentSequence(name: string): number | null {
  const match = NAME_PATTERN.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Returns the sequences of the segments among the names of a directory, oldest first. */
export function segmentSequences(names: readonly string[]): number[] {
  const sequences = names.map(segmentSequence).filter((sequence) => sequence !== null);
  return sequences.sort((a, b) => a - b);
}

/** What a segment is called before it is finished, and when it waits to be used again. */
export function temporaryPath(path: string): string {
  return `${path}.tmp`;
}

/** True for the name of a segment that was never finished, or waited to be used again. */
export function isTemporarySegment(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** True for the name of a segment, finished or not. */
export function isSegmentName(name: string): boolean {
  return segmentSequence(name) !== null || isTemporarySegment(name);
}
