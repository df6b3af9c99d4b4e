// The link queue: links that commits have put off. To link a write is to apply it to the entries (link() in
// change-entries.ts). Single puts and large writes go to the disk first, and are linked while the disk works. Code that
// looks at entries in between runs the queue first. All spaces of a store share one queue, because one batch may write
// to several spaces.

import { CommitGuard } from '../../commit-guard.js';

/** The links that are put off, and the guard around every change of entries. */
export class LinkQueue {
  /**
   * The guard is set during every change of entries. If code outside of a change finds it set, a change was stopped.
   */
  readonly guard = new CommitGuard((cause) => this.onStopped(cause));
  /** Called with the cause when a change was stopped half-way. A store that writes sets this to poison its log. */
  onStopped: (cause: unknown) => void = () => {};
  #due: (() => void) | null = null;

  /** True while a link is put off. */
  get isDue(): boolean {
    return this.#due !== null;
  }

  /** Returns true when nothing but `link` is put off. */
  hasOnly(link: () => void): boolean {
    return this.#due === null || this.#due === link;
  }

  /** Puts `link` off until run(). The caller is inside a commit, and nothing but `link` is put off. */
  defer(link: () => void): void {
    this.#due = link;
  }

  /** Forgets what was put off. The entries that it would link are not used any more. */
  forget(): void {
    this.#due = null;
  }

  /**
   * If a link is due, runs it. Throws KEELSON_INTERRUPTED then if a change was stopped earlier. Errors go to
   * `onStopped`, too.
   */
  run(): void {
    if (this.#due === null) return;
    this.guard.enter();
    try {
      this.#due();
    } catch (error) {
      throw this.guard.stopped(error);
    }
    this.#due = null;
    this.guard.leave();
  }

  /** Links what was put off, while the disk works. The caller is the log, so a failure goes to `onStopped` alone. */
  runBehindSubmit(): void {
    if (this.#due === null || this.guard.isInside) return;
    try {
      this.run();
    } catch {
      // run() has told.
    }
  }

  /** Calls run(), unless a change is under way or was stopped: run() would throw then. */
  runOutsideOfCommits(): void {
    if (this.#due !== null && !this.guard.isInside) this.run();
  }
}
