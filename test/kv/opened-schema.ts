// The schema of a store that is opened, for tests that look below the public API.

import { vi } from 'vitest';
import { Schema } from '../../src/kv/entries/schema.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';

export interface OpenedStore {
  readonly store: Store<string, unknown>;
  readonly schema: Schema;
}

/** Opens a store. Nothing else may open one meanwhile. */
export async function openWithSchema(
  storage: Storage,
  directory: string,
  options: object = {},
  journalOptions: object = {},
): Promise<OpenedStore> {
  const reset = vi.spyOn(Schema.prototype, 'reset');
  try {
    const store = await openStoreOn(storage, directory, resolveStoreOptions(options), journalOptions);
    return { store: store as Store<string, unknown>, schema: reset.mock.contexts.at(-1) as Schema };
  } finally {
    reset.mockRestore();
  }
}
