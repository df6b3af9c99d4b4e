// Edits that random mutants draw and that change nothing anybody could see, judged one at a time. They are taken out of
// the count. `npm run mutants:random` writes the fields of an edit that survives into build/mutants/random-survivors.json.

export interface Equivalent {
  readonly file: string;
  /** The function, method or constant around the edit. */
  readonly within: string;
  /** Whole lines, without the white space around them. */
  readonly original: string;
  readonly replacement: string;
  /** Why no test can tell the two apart. */
  readonly reason: string;
}

export const EQUIVALENTS: readonly Equivalent[] = [
  {
    file: 'src/journal/recovery/segment-scan.ts',
    within: 'hasNonZero',
    original:
      'for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== 0; at++) if (bytes[at] !== 0) return true;',
    replacement:
      'for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== (-1); at++) if (bytes[at] !== 0) return true;',
    reason: 'The loop looks at every byte itself, and leaves none to the faster one behind it.',
  },
  {
    file: 'src/journal/format/segment-format.ts',
    within: 'unusedSalt',
    original: 'view.setUint32(countedAt, (view.getUint32(countedAt, true) + 1) >>> 0, true);',
    replacement: 'view.setUint32(countedAt, (view.getUint32(countedAt, true) + 1) >> 0, true);',
    reason: 'setUint32() takes a number modulo 2^32, and so writes the same bytes for both.',
  },
  {
    file: 'src/kv/entries/ordered-index.ts',
    within: 'OrderedIndex.appendTail',
    original: 'const isShort = keys.length < TAIL_KEYS_MIN && keys.length < this.#tailKeysMax;',
    replacement: 'const isShort = (keys.length <= TAIL_KEYS_MIN) && keys.length < this.#tailKeysMax;',
    reason:
      'Both ways take the same keys into the tree. Near that number of keys neither is the quicker one.',
  },
  {
    file: 'src/kv/image/checkpoint-schedule.ts',
    within: 'CheckpointSchedule.noRoomLsn',
    original: '#noRoomLsn = -1;',
    replacement: '#noRoomLsn = (1);',
    reason:
      'No log is ever at LSN 1: its LSN is 0 or that of a record, and the frame of the first takes 12 bytes alone.',
  },
];

/** A constant of which only time or memory depends: an edit of it that survives is equivalent. */
export interface Tuning {
  readonly file: string;
  readonly within: string;
  /** What depends on it. */
  readonly reason: string;
}

export const TUNINGS: readonly Tuning[] = [];
