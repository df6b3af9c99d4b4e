// The interface of a view of the table of handles.

import type { EntryHandle } from './slab.js';

/** The id of an entry: a small integer. When the key is deleted, another entry may get the id. */
export type EntryId = number;

/** A table of handles, live or as it was at one moment. */
export interface HandlesView {
  /** Returns the handle of an id in use. */
  get(id: EntryId): EntryHandle;
}
