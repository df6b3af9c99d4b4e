// The change feeds of a store that was opened read-only: they read the files of its owner, up to what those prove durable.

import {
  type FollowedLog,
  FollowerFeed,
  type RecordFeed,
  type RecordFeedOptions,
} from '../../journal/internal.js';
import type { FedLog } from '../feed/change-feeds.js';
import type { Following } from './following.js';

/** The log of the owner, as the feeds of a read-only store read it. Nothing is pinned: the owner does not know of them. */
export class FollowedFeeds implements FedLog {
  readonly #log: FollowedLog;
  readonly #following: Following;
  /** The feeds that may have a file open. */
  readonly #open = new Set<FollowerFeed>();

  constructor(log: FollowedLog, following: Following) {
    this.#log = log;
    this.#following = following;
  }

  /** Unknown before the files are read: the first step of a feed throws KEELSON_HISTORY_GONE. */
  get oldestLsn(): number {
    return 0;
  }

  get durableLsn(): number {
    return this.#following.durableLsn;
  }

  get lastLsn(): number {
    return this.#following.lastLsn;
  }

  /** A crash may take back the last commit that the store shows, so a feed that is not live ends before it. */
  get endLsn(): number {
    return this.durableLsn;
  }

  /** The spaces of the store may be older or newer than the log from here on, so a feed reads the definitions in the log. */
  get isOwn(): boolean {
    return false;
  }

  feed({ fromLsn, ...rest }: RecordFeedOptions): RecordFeed {
    // The follower starts at an LSN that is durable. The consumer skips what is before the one that it was asked for.
    const options = { ...rest, fromLsn: Math.min(fromLsn, this.durableLsn) };
    const feed = new FollowerFeed(this.#log, options, this.durableLsn, (ended) => this.#open.delete(ended));
    this.#open.add(feed);
    return feed;
  }

  /** Ends all feeds. Resolves when they have no file open. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((feed) => feed.end()));
  }
}
