// The stores that adapters have opened by their directories. A process opens a directory once, so adapters share it.

import { open, type Store } from '../kv/index.js';

type SharedStore = Store<string, unknown>;

interface Shared {
  readonly store: Promise<SharedStore>;
  users: number;
}

/** By absolute path. */
const shared = new Map<string, Shared>();
const closing = new Map<string, Promise<void>>();

/** Opens the store of a directory, or returns the one that is open. Each call that resolves needs a releaseStore(). */
export async function acquireStore(directory: string): Promise<SharedStore> {
  const found = shared.get(directory) ?? { store: openNext(directory), users: 0 };
  shared.set(directory, found);
  found.users++;
  try {
    return await found.store;
  } catch (error) {
    // The next call tries again, because the owner of a lock may have left.
    if (shared.get(directory) === found) shared.delete(directory);
    throw error;
  }
}

/** Closes the store of a directory when this is the last of its users. */
export async function releaseStore(directory: string): Promise<void> {
  const found = shared.get(directory)!;
  found.users--;
  if (found.users > 0) return;
  shared.delete(directory);
  const closed = found.store.then((store) => store.close());
  closing.set(directory, closed);
  try {
    await closed;
  } finally {
    closing.delete(directory);
  }
}

async function openNext(directory: string): Promise<SharedStore> {
  // Whoever closes it is told why it failed. Here the lock decides.
  await closing.get(directory)?.catch(() => undefined);
  return open(directory);
}
