// The link queue: links that commits have put off. Single puts and large batches go to the disk first, and change the
// entries while the disk works. They are linked before the next look at entries. All spaces of a store share one queue,
// because one batch may write to several spaces.

import { CommitGuard } from '../../commit-guard.js';

/** The links that are put off, and the guard around every change of entries. */
export class LinkQueue {
  /** Set during every change of entries. Code outside of a change that finds it set knows that a change was stopped. */
  readonly guard = new CommitGuard((cause) => this.onStopped(cause));
  /** Called with the cause when a change was stopped half-way. The store sets it to poison its log. */
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

  /**
   * Links what was put off. Throws KEELSON_INTERRUPTED when a change was stopped earlier. An error in a link goes to
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

  /** Links what was put off, unless a change is under way or was stopped, where run() would throw. */
  runOutsideOfCommits(): void {
    if (this.#due !== null && !this.guard.isInside) this.run();
  }
}
