// Closes files in the background. The owner waits for all closes once, at its own end, so that no descriptor stays
// open.

import type { StorageFile } from './storage.js';

export class BackgroundCloses {
  readonly #underWay = new Set<Promise<void>>();

  /**
   * Starts to close a file. A failed close loses nothing: contents that must be durable were flushed before. Resolves
   * when the file is closed: to true, or to false if the close failed.
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

  /** Resolves when every close that has been started has ended. Never rejects. */
  async whenDone(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
