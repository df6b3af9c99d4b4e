// The write log: the changes of keys since the oldest view of an open transaction. A transaction checks at its commit
// whether a change is in a range that it has read. There is a log only while an asynchronous transaction is open.

import { ALL_KEYS, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { Posting } from '../encoding/postings.js';
import { LogReaders } from './log-readers.js';
import type { SecondaryIndex } from './secondary-index.js';
import { NO_DEADLINE } from './slab.js';
import type { Space } from './space.js';

/** The most changes in the log. A transaction whose changes are lost compares two views instead. */
const CHANGES_MAX = 16_384;
/** The most characters of keys in the log. */
const KEY_CHARACTERS_MAX = 1024 * 1024;

/** A change of one key, or of all keys in a range: of a space, or of the postings of an index. */
export interface LoggedChange {
  readonly space: Space;
  /** The index whose postings have changed; null for the keys of the space itself. */
  readonly index: SecondaryIndex | null;
  /** The key, or the bounds of a range. */
  readonly where: IndexKey | KeyBounds;
  /** True for a change that may have added or removed a key, false for a new value. */
  readonly isOfKeys: boolean;
  /** The deadline of a key that has expired; otherwise NO_DEADLINE. A view of that time or a later one lacks the key. */
  readonly deadline: number;
}

/** The recent changes of all spaces. Places in the log count from the first change of the store. */
export class WriteLog {
  /** True while a transaction is open. Otherwise nobody needs to note a change. */
  isOpen = false;
  #changes: LoggedChange[] = [];
  #keyCharacters = 0;
  /** The place of the first change that is held. */
  #start = 0;
  readonly #readers = new LogReaders();
  readonly #changesMax: number;

  /** Tests make `changesMax`, the most changes in the log, small. */
  constructor(changesMax = CHANGES_MAX) {
    this.#changesMax = changesMax;
  }

  /** The place of the next change. */
  get end(): number {
    return this.#start + this.#changes.length;
  }

  /** Begins to hold changes for a reader, and returns its place. */
  open(): number {
    const place = this.end;
    this.#readers.open(place);
    this.isOpen = true;
    return place;
  }

  /** Ends a reader that began at a place, and drops the changes that nobody needs. */
  close(place: number): void {
    this.#readers.close(place);
    this.isOpen = this.#readers.count > 0;
    if (this.isOpen) this.#trim();
    else this.#forget();
  }

  /** Notes that a write put or deleted a key, or that it has expired, with its deadline. */
  changeKey(space: Space, key: IndexKey, isOfKeys: boolean, deadline = NO_DEADLINE): void {
    this.#add({ space, index: null, where: key, isOfKeys, deadline }, key.length);
  }

  /** Notes that a posting of an index has come or gone; with the deadline of its entry, that it has expired. */
  changePosting(space: Space, index: SecondaryIndex, posting: Posting, deadline = NO_DEADLINE): void {
    this.#add({ space, index, where: posting, isOfKeys: true, deadline }, posting.length);
  }

  /** Notes that an index has lost all its postings. */
  changeAllPostings(space: Space, index: SecondaryIndex): void {
    this.#add({ space, index, where: ALL_KEYS, isOfKeys: true, deadline: NO_DEADLINE }, 0);
  }

  /** Notes that a write deleted the keys in a range. */
  changeRange(space: Space, bounds: KeyBounds): void {
    this.#add(
      { space, index: null, where: bounds, isOfKeys: true, deadline: NO_DEADLINE },
      (bounds.low?.length ?? 0) + (bounds.high?.length ?? 0),
    );
  }

  /** Returns true when the log holds all changes since a place. */
  holds(place: number): boolean {
    return place >= this.#start;
  }

  /** Returns the changes since a place, or null when the log does not hold all of them any more. */
  since(place: number): readonly LoggedChange[] | null {
    if (!this.holds(place)) return null;
    return place === this.#start ? this.#changes : this.#changes.slice(place - this.#start);
  }

  #add(change: LoggedChange, keyCharacters: number): void {
    this.#keyCharacters += keyCharacters;
    if (this.#changes.length >= this.#changesMax || this.#keyCharacters > KEY_CHARACTERS_MAX) this.#forget();
    else this.#changes.push(change);
  }

  /** Drops all changes, and the one that comes next has a higher place than all of them. */
  #forget(): void {
    this.#start = this.end + 1;
    this.#changes = [];
    this.#keyCharacters = 0;
  }

  /** Drops the changes before the oldest reader when they are more than half of the log. */
  #trim(): void {
    const oldest = this.#readers.oldest!;
    const unneeded = oldest - this.#start;
    if (unneeded * 2 <= this.#changes.length) return;
    for (let at = 0; at < unneeded; at++) this.#keyCharacters -= charactersOf(this.#changes[at]!);
    this.#changes = this.#changes.slice(unneeded);
    this.#start = oldest;
  }
}

function charactersOf({ where }: LoggedChange): number {
  return typeof where === 'string' ? where.length : (where.low?.length ?? 0) + (where.high?.length ?? 0);
}
