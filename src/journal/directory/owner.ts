// The owner of a directory, for those who only look: makes and changes nothing.

import { isKeelsonError, whatHappened } from '../../errors.js';
import type { Storage } from '../../storage/index.js';
import { assertUnowned } from './directory-lock.js';

/** The live owner of a directory, as its lock names it. */
export interface DirectoryOwner {
  /** The process id of the owner, or null if no lock file names it. */
  readonly pid: number | null;
  /** A sentence without a full stop: who has the directory. */
  readonly what: string;
}

/** Returns the owner of a directory, or null when nobody has it open. */
export async function ownerOf(storage: Storage, directory: string): Promise<DirectoryOwner | null> {
  const held = await storage.holdDirectory(directory);
  try {
    await assertUnowned(held);
    return null;
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_LOCKED')) throw error;
    const { owner } = error.facts;
    const pid = owner === undefined ? null : (JSON.parse(owner) as { pid: number }).pid;
    return { pid, what: whatHappened(error) };
  } finally {
    await held.close();
  }
}
