// Links that a commit has put off. A large batch goes to the disk first and changes the entries while the disk works; it is
// linked before anybody looks at entries. One queue serves all namespaces of a store, so a look at one links them all.

import { CommitGuard } from '../../commit-guard.js';

export class LinkQueue {
  /** Set around every change of entries. Code outside of a change that finds it set knows that a change was stopped. */
  readonly guard = new CommitGuard((cause) => this.onStopped(cause));
  /** Called with the cause when a change was stopped half-way. The store poisons its log here. */
  onStopped: (cause: unknown) => void = () => {};
  #due: (() => void) | null = null;

  /** True while a link is put off. */
  get isDue(): boolean {
    return this.#due !== null;
  }

  /** Puts `link` off until run(). Called inside a commit, after the queue was run. */
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

  /** Links what was put off, unless a commit is under way: inside of a commit nobody else looks. */
  runOutsideOfCommits(): void {
    if (this.#due !== null && !this.guard.isInside) this.run();
  }
}
