// The link queue: links that a commit has put off. To link a write is to apply it to the entries (link() in
// change-entries.ts). A commit submits a large write to the disk first and links it while the disk works. Code that
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

  /** Puts `link` off until run(). The caller is inside a commit, and has run the queue before. */
  defer(link: () => void): void {
    this.#due = link;
  }

  /** Runs the link that was put off, if there is one. Throws KEELSON_INTERRUPTED when a change was stopped earlier. */
  run(): void {
    if (this.#due === null) return;
    this.guard.enter();
    this.#due();
    this.#due = null;
    this.guard.leave();
  }

  /** Calls run(), unless a change is under way or was stopped: run() would throw then. */
  runOutsideOfCommits(): void {
    if (this.#due !== null && !this.guard.isInside) this.run();
  }
}
