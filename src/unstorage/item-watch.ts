// A watch over the items of a store or a namespace: tells each durable change of an item, in the order of the writes.

import type { StringCollection } from '../doors/collection-source.js';
import type { Change, ChangeGroup, ChangesOptions, KeyRange, Namespace, Store } from '../kv/index.js';

/** A listener of watch(), as unstorage gives it. */
export type ItemListener = (event: 'update' | 'remove', key: string) => unknown;

/** A watch that runs from its construction to close(), or to the end of the store. */
export class ItemWatch {
  readonly #listener: ItemListener;
  readonly #stop = new AbortController();
  /** The keys as of the last change that was told. The feed tells the range of a clear, and not its keys. */
  readonly #keys: Set<string>;
  readonly #ended: Promise<void>;

  constructor(collection: StringCollection, listener: ItemListener) {
    this.#listener = listener;
    // In one turn, so that no write comes between the keys and the first change.
    this.#keys = new Set(collection.keys());
    this.#ended = this.#follow(changesOf(collection, { signal: this.#stop.signal }), nameOf(collection));
    // Errors of the listener and of the feed reach nobody but `unhandledRejection`, on purpose.
  }

  /** Ends the watch. Nothing is told after that. */
  async close(): Promise<void> {
    this.#stop.abort();
    // Its error was an unhandled rejection already.
    await this.#ended.catch(() => undefined);
  }

  async #follow(groups: AsyncIterable<ChangeGroup>, name: string): Promise<void> {
    for await (const { changes } of groups) {
      for (const change of changes) {
        if (this.#stop.signal.aborted) return;
        if (change.namespace === name) this.#tell(change as Change<string>);
      }
    }
  }

  #tell(change: Change<string>): void {
    if (change.type === 'put') this.#update(change.key);
    if (change.type === 'delete') this.#remove(change.key);
    if (change.type === 'clear') for (const key of this.#keysIn(change.range)) this.#remove(key);
    if (change.type === 'drop') for (const key of this.#keysIn({})) this.#remove(key);
  }

  #update(key: string): void {
    this.#keys.add(key);
    this.#listener('update', key);
  }

  #remove(key: string): void {
    this.#keys.delete(key);
    this.#listener('remove', key);
  }

  #keysIn(range: KeyRange<string>): string[] {
    return [...this.#keys].filter((key) => isIn(range, key));
  }
}

function changesOf(collection: StringCollection, options: ChangesOptions): AsyncIterable<ChangeGroup> {
  return (collection as Store<string, unknown> | Namespace<string, unknown>).changes(options);
}

/** A store tells the changes of all its namespaces, and its own under the empty name. */
function nameOf(collection: StringCollection): string {
  return (collection as Partial<Namespace<string, unknown>>).name ?? '';
}

/** Strings are keys in the order of `<`. The feed tells a prefix of strings as its two bounds. */
function isIn({ gt, gte, lt, lte }: KeyRange<string>, key: string): boolean {
  return (
    (gt === undefined || key > gt) &&
    (gte === undefined || key >= gte) &&
    (lt === undefined || key < lt) &&
    (lte === undefined || key <= lte)
  );
}
