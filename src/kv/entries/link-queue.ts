// The link queue: links that a commit has put off. A large batch goes to the disk first and changes the entries while the
// disk works. It is linked before the next look at entries. All spaces of a store share one queue, because one batch may
// write to several spaces.

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

  /** Puts `link` off until run(). The caller is inside a commit, and has run the queue before. */
  defer(link: () => void): void {
    this.#due = link;
  }

  /** Links what was put off. Throws KEELSON_INTERRUPTED when a change was stopped earlier. */
  run(): void {
    if (this.#due === null) return;
    this.guard.enter();
    this.#due();
    this.#due = null;
    this.guard.leave();
  }

  /** Links what was put off, unless a change is under way or was stopped, where run() would throw. */
  runOutsideOfCommits(): void {
    if (this.#due !== null && !this.guard.isInside) this.run();
  }
}
