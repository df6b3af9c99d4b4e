// The decision how much of the log behind an image is retained, for readers of history. Pure.

/** How much of the log behind an image is retained. */
export interface Retention {
  /** The most bytes of segment files. */
  readonly bytes: number;
  /** The most milliseconds since the last commit of a segment became durable. Default Infinity. */
  readonly ms?: number;
}

/** Nothing is retained. */
export const NO_RETENTION: Retention = { bytes: 0 };

/** A segment that may be retained. */
export interface RetainableSegment {
  readonly sizeBytes: number;
  readonly endedMs: number;
}

/**
 * Returns how many of the oldest `count` segments, which an image replaces, are retired. Those that stay are the newest of
 * them, without a gap. A clock that went back makes no segment too old.
 */
export function retiredCount(
  segments: readonly RetainableSegment[],
  count: number,
  { bytes, ms = Number.POSITIVE_INFINITY }: Retention,
  nowMs: number,
): number {
  let retainedBytes = 0;
  for (let at = count - 1; at >= 0; at--) {
    const { sizeBytes, endedMs } = segments[at]!;
    retainedBytes += sizeBytes;
    if (retainedBytes > bytes || nowMs - endedMs > ms) return at + 1;
  }
  return 0;
}
