// The public types of the change feed.

import type { Lsn } from '../../journal/index.js';
import type { KeyRange } from '../encoding/range.js';

/**
 * A change that a write has made, as changes() tells it. `namespace` is the name of a namespace, and `''` for the store
 * itself. Keys and values are copies.
 *
 * - `put`: a key was set, also to the value that it had. `expiresAt` is its deadline, if it has one.
 * - `delete`: a key was deleted (`cause` is `'deleted'`), or its deadline has passed (`cause` is `'expired'`).
 * - `touch`: a key has got another deadline; without `expiresAt`, it has none any more.
 * - `clear`: all keys in a range were deleted. `{}` is the range of all keys.
 * - `create`: a namespace was created, with `keyEncoding` and `valueEncoding`.
 * - `drop`: a namespace was dropped, with all its keys.
 *
 * @example
 * for await (const { lsn, changes } of db.changes()) {
 *   for (const change of changes) if (change.type === 'put') console.log(lsn, change.key, change.value);
 * }
 */
export type Change<K = unknown, V = unknown> =
  | {
      readonly type: 'put';
      readonly namespace: string;
      readonly key: K;
      readonly value: V;
      readonly expiresAt?: number;
    }
  | {
      readonly type: 'delete';
      readonly namespace: string;
      readonly key: K;
      readonly cause: 'deleted' | 'expired';
    }
  | { readonly type: 'touch'; readonly namespace: string; readonly key: K; readonly expiresAt?: number }
  | { readonly type: 'clear'; readonly namespace: string; readonly range: KeyRange<K> }
  | {
      readonly type: 'create';
      readonly namespace: string;
      readonly keyEncoding: string;
      readonly valueEncoding: string;
    }
  | { readonly type: 'drop'; readonly namespace: string };

/**
 * The changes of one atomic write, in their order.
 *
 * @example
 * const { value: group } = await db.changes({ since: 0 }).next();
 */
export interface ChangeGroup<K = unknown, V = unknown> {
  /** The LSN of the write. It is durable. As `since` of a later call, it continues behind this group. */
  readonly lsn: Lsn;
  /** The changes. None in a group that only moves a cursor: see changes() of a namespace. */
  readonly changes: readonly Change<K, V>[];
}

/**
 * The options of changes().
 *
 * @example
 * const options: ChangesOptions = { since: cursor.lsn, id: cursor.id, live: false };
 */
export interface ChangesOptions {
  /**
   * Tells the changes above this LSN: that of a write, or 0 for all of them. Default: the LSN of the last write, so that only
   * later writes are told.
   */
  readonly since?: number | undefined;
  /** The `id` of the store that `since` came from. Give it with a `since` that was kept: an LSN means nothing elsewhere. */
  readonly id?: string | undefined;
  /** With false, the iteration ends behind the last write as of the call. Default true. */
  readonly live?: boolean | undefined;
  /** Ends the iteration when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * The most bytes of journal that the reader may be behind. A reader that is further behind does not keep the journal from
   * being retired, and gets KEELSON_HISTORY_GONE. An integer of 1 or more, or Infinity. Default 256 MiB.
   */
  readonly maxLagBytes?: number | undefined;
}

/**
 * The options of changes() of a namespace.
 *
 * @example
 * const options: NamespaceChangesOptions<string> = { range: { prefix: 'user:' } };
 */
export interface NamespaceChangesOptions<K> extends ChangesOptions {
  /** Tells only changes of keys in this range. Default all keys. */
  readonly range?: KeyRange<K> | undefined;
}
