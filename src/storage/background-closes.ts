// Files that are done with, closed while nobody waits; until somebody does, at the end, so that nothing stays open.

import type { StorageFile } from './storage.js';

export class BackgroundCloses {
  readonly #underWay = new Set<Promise<void>>();

  /**
   * A close that fails loses nothing here: whoever needed the contents durable has flushed them. Resolves, true without
   * an error, when nothing is under way on the file any more.
   */
  close(file: StorageFile): Promise<boolean> {
    const closed = file.close().then(
      () => true,
      () => false,
    );
    const ended = closed.then(() => {
      this.#underWay.delete(ended);
    });
    this.#underWay.add(ended);
    return closed;
  }

  async whenDone(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
