// A range of keys in the index's terms. Pure.

import type { IndexKey } from './key-encoding.js';

/** A range of index keys. An absent bound is open; its inclusive flag then says nothing. */
export interface KeyBounds {
  readonly low: IndexKey | undefined;
  readonly lowInclusive: boolean;
  readonly high: IndexKey | undefined;
  readonly highInclusive: boolean;
}

export const ALL_KEYS: KeyBounds = {
  low: undefined,
  lowInclusive: true,
  high: undefined,
  highInclusive: true,
};
