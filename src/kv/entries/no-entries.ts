// No entries: what a view shows of a namespace that was not there.

import { Entries } from './entries.js';
import type { FrozenEntries } from './frozen-entries.js';

/** The frozen entries of an empty space. Nobody writes to them, so all stores share them. */
export const NO_ENTRIES: FrozenEntries = new Entries(0).view();
