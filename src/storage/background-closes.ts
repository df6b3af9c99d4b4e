// Files that are done with, closed while nobody waits; until somebody does, at the end, so that nothing stays open.

import type { StorageFile } from './storage.js';

export class BackgroundCloses {
  readonly #underWay = new Set<Promise<void>>();

  /** A close that fails loses nothing here: whoever needed the contents durable has flushed them. */
  close(file: StorageFile): void {
    const closed = file
      .close()
      .catch(() => {})
      .then(() => {
        this.#underWay.delete(closed);
      });
    this.#underWay.add(closed);
  }

  async whenDone(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
