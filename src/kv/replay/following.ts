// The following of a read-only store: refresh() applies what another process has written since.
//
// The files prove all commits durable but the last. refresh() shows that one, too, as open() does, because it may have
// been acknowledged. If its owner dies, the next owner may find that the disk lacks it. So the records of that commit are
// compared when they are read again, and the store is loaded anew if they have become others.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { FileFollower, type FollowerState, type RecordVisit } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import type { Codecs } from '../read/reads.js';
import type { WriteSet } from '../write/write-set.js';
import { LogReplay, type ReplayListener } from './log-replay.js';

/** The log as a store was loaded from it. */
export interface LoadedLog {
  /** The id of the journal. */
  readonly journalId: Uint8Array;
  /** The replay that has loaded the store. */
  readonly replay: LogReplay;
}

/** The store that follows. */
export interface FollowingStore {
  readonly storage: Storage;
  readonly directory: string;
  readonly codecs: Codecs<unknown, unknown>;
  readonly schema: Schema;
  /** Makes the postings of a write before it is applied. */
  followedPostings(writes: WriteSet): void;
  readonly namespaces: { entered(space: Space): void; left(space: Space): void };
  readonly watches: {
    foresee(writes: WriteSet): void;
    /** Wakes the watches whose keys were foreseen. */
    committed(): void;
    wakeAll(mayHaveChanged: boolean): void;
  };
  /** Throws KEELSON_CLOSED. */
  assertOpen(): void;
}

/** Stops the reading of records that are not those which were applied. */
class OtherHistory extends Error {}

/** The records above what was proven durable that have been applied, while they are read again. */
class Repeated {
  /** The LSN of the last record that was compared. */
  lsn: number;
  readonly #replay: LogReplay;
  readonly #endLsn: number;
  readonly #expected: number;
  #checksum = 0;

  constructor(replay: LogReplay) {
    this.#replay = replay;
    this.lsn = Math.min(replay.lsn, replay.checkedFromLsn);
    this.#endLsn = replay.lsn;
    this.#expected = replay.checksum;
  }

  /** True when all of them have been compared. */
  get isComplete(): boolean {
    return this.lsn === this.#endLsn;
  }

  /** Compares the next record. Throws OtherHistory. */
  compare(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    if (lsn <= this.lsn) return;
    this.#checksum = this.#replay.checksumBehind(this.#checksum, lsn, bytes, start, end);
    const isSame = lsn < this.#endLsn || (lsn === this.#endLsn && this.#checksum === this.#expected);
    if (!isSame) throw new OtherHistory();
    this.lsn = lsn;
  }
}

/** Follows the files of the owner of a store. */
export class Following {
  readonly #store: FollowingStore;
  readonly #journalId: Uint8Array;
  /** Loads the store anew into a draft of its schema. */
  readonly #loadAgain: (draft: Schema) => Promise<LoadedLog>;
  readonly #listener: ReplayListener;
  #replay: LogReplay;
  #follower: FileFollower | null = null;
  #durableLsn: number;
  #tailLsnMax = Number.POSITIVE_INFINITY;
  /** The refresh under way, and the one that starts behind it. */
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(
    store: FollowingStore,
    { journalId, replay }: LoadedLog,
    loadAgain: (draft: Schema) => Promise<LoadedLog>,
  ) {
    this.#store = store;
    this.#journalId = journalId;
    this.#loadAgain = loadAgain;
    const { namespaces, watches } = store;
    this.#listener = {
      foresee: (writes) => {
        if (writes.isInNamespaces) store.followedPostings(writes);
        watches.foresee(writes);
      },
      entered: (space) => namespaces.entered(space),
      left: (space) => namespaces.left(space),
    };
    this.#durableLsn = Math.min(replay.lsn, replay.checkedFromLsn);
    this.#replay = this.#onStore(replay);
  }

  /** The LSN of the last record that was applied. */
  get lastLsn(): Lsn {
    return this.#replay.lsn as Lsn;
  }

  /** The LSN up to which the files prove the store durable, as of the last refresh(). */
  get durableLsn(): Lsn {
    return this.#durableLsn as Lsn;
  }

  /**
   * Applies what is new, and resolves with the LSN of the last record. A call during another one waits for it, and looks
   * again, together with all calls that wait: so each shows what was acknowledged before it.
   *
   * @param tailLsnMax The last commit of the files is shown only up to this LSN, if nothing in the files proves it durable.
   * By default it is shown whole.
   */
  async refresh(tailLsnMax = Number.POSITIVE_INFINITY): Promise<Lsn> {
    this.#tailLsnMax = tailLsnMax;
    const running = this.#running;
    if (running === null) await this.#start();
    else {
      this.#next ??= running.catch(() => {}).then(() => this.#start());
      await this.#next;
    }
    return this.lastLsn;
  }

  /** Applies the next record, which is durable. For a replica, to which its owner sends records. */
  receive(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    if (lsn <= this.#replay.lsn) return;
    this.#replay.proven(lsn);
    this.#apply(lsn, bytes, start, end);
    this.#durableLsn = lsn;
  }

  /** Applies links that were put off. Call it after the last record of a message. */
  received(): void {
    this.#store.schema.links.run();
  }

  /** Loads the store anew, and shows at least what is durable up to `durableLsn`. No refresh() may be under way. */
  async reload(durableLsn: number): Promise<void> {
    await this.#loadAnew();
    await this.refresh(durableLsn);
  }

  /** Resolves when no refresh() is under way. Never rejects. */
  async ended(): Promise<void> {
    while (this.#running !== null) await (this.#next ?? this.#running).catch(() => {});
  }

  #start(): Promise<void> {
    this.#next = null;
    const running = this.#catchUp().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #catchUp(): Promise<void> {
    this.#store.assertOpen();
    let state: FollowerState;
    do state = await this.#follow();
    while (state === 'on the way');
    if (state === 'left behind') await this.#loadAnew();
  }

  /** Applies what the files hold. Resolves with `left behind` also if they hold another history. */
  async #follow(): Promise<FollowerState> {
    const { storage, directory } = this.#store;
    const replay = this.#replay;
    this.#follower ??= new FileFollower(storage, directory, this.#journalId, this.#durableLsn);
    const follower = this.#follower;
    const state = await follower.update();
    if (state === 'left behind') return state;
    const repeated = new Repeated(replay);
    try {
      const visit = this.#visit(repeated, follower.lsn);
      if (!(await follower.replay(repeated.lsn, visit))) return 'left behind';
      this.#durableLsn = Math.max(this.#durableLsn, Math.min(follower.lsn, replay.lsn));
      if (follower.lsn >= replay.lsn) replay.proven(replay.lsn);
      if (state === 'at the end') {
        await follower.replayTail(this.#visit(repeated, null));
        // The last commit that was applied is there no more.
        if (!repeated.isComplete) return 'left behind';
      }
    } catch (error) {
      if (error instanceof OtherHistory) return 'left behind';
      throw error;
    }
    this.#store.schema.links.run();
    this.#store.watches.committed();
    return state;
  }

  /**
   * Returns a visitor of records up to `provenLsn`, or with null of the commit behind them. It compares those that were
   * applied already, and applies the others.
   */
  #visit(repeated: Repeated, provenLsn: number | null): RecordVisit {
    const replay = this.#replay;
    return (lsn, bytes, start, end) => {
      if (!repeated.isComplete) repeated.compare(lsn, bytes, start, end);
      else if (lsn > replay.lsn && (provenLsn !== null || lsn <= this.#tailLsnMax)) {
        if (provenLsn !== null) replay.proven(provenLsn);
        this.#apply(lsn, bytes, start, end);
      }
    };
  }

  #apply(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    this.#store.assertOpen();
    this.#replay.apply(lsn, bytes, start, end, this.#listener);
  }

  /** Loads the store anew, beside the entries that are read meanwhile, and then shows it. */
  async #loadAnew(): Promise<void> {
    const { schema, namespaces, watches, directory } = this.#store;
    schema.links.run();
    const draft = schema.draft();
    const { journalId, replay } = await this.#loadAgain(draft);
    this.#store.assertOpen();
    if (Buffer.compare(journalId, this.#journalId) !== 0) {
      const what = `${directory} holds another store than the one that was opened there`;
      throw new KeelsonError(
        'KEELSON_FOREIGN',
        { what, next: 'Close this one, and open it again' },
        { path: directory },
      );
    }
    schema.links.run();
    for (const space of schema.takeOver(draft)) namespaces.left(space);
    for (const space of schema.spaces) namespaces.entered(space);
    watches.wakeAll(true);
    this.#follower = null;
    this.#durableLsn = Math.min(replay.lsn, replay.checkedFromLsn);
    this.#replay = this.#onStore(replay);
  }

  /** Returns a replay that goes on where `loaded` has ended, into the schema of the store. */
  #onStore(loaded: LogReplay): LogReplay {
    const replay = new LogReplay(this.#store, loaded.lsn, loaded.checkedFromLsn);
    replay.checkedFromLsn = loaded.checkedFromLsn;
    replay.checksum = loaded.checksum;
    return replay;
  }
}
