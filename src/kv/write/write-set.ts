// The write set: the operations of one atomic write, which is one record of the log. A caller fills a write set and so
// builds the record, or readWriteSet() fills it from a record. change-entries.ts applies it to the entries.
//
// A write set is a structure of arrays that are reused, so a put allocates no object for its operation.

import { viewOf } from '../../copy-bytes.js';
import type { ArgumentName } from '../../errors.js';
import type { RecordMemory } from '../../journal/internal.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import { type DefinitionId, definitionIn, NO_DEFINITION } from '../entries/definitions.js';
import type { Schema } from '../entries/schema.js';
import type { EntryPostings } from '../entries/secondary-index.js';
import { type EntryHandle, NO_DEADLINE } from '../entries/slab.js';
import { ROOT_ID, type Space } from '../entries/space.js';
import type { SpaceIndexes } from '../entries/space-indexes.js';
import type { Overlay, WrittenValues } from '../read/overlay.js';
import { DefinedSpaces, type DefinedSpacesMark } from './defined-spaces.js';
import { CLEAR, CREATE, DELETE, DROP, EXPIRE, NO_VALUE, PUT, TOUCH } from './operation-kinds.js';
import { PutsByKey } from './puts-by-key.js';
import { type RecordMark, RecordWriter } from './record-writer.js';

/**
 * The most operations of a write whose arrays are reused; larger arrays are dropped. Arrays that grow anew in each batch
 * of 1,000 take 7 % of its time (`npm run bench:paired -- --only batch`).
 */
const OPERATIONS_KEPT_MAX = 2048;

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** Moves the first `count` items of an array up by some places. */
function moveUp(items: unknown[], count: number, by: number): void {
  for (let at = count - 1; at >= 0; at--) items[at + by] = items[at];
}

/** A mark in the operations of a write. */
export interface WriteMark {
  readonly count: number;
  readonly bounds: number;
  readonly defined: DefinedSpacesMark;
  readonly record: RecordMark;
}

/** The operations of one atomic write. */
export class WriteSet implements WrittenValues {
  /** The memory that holds the values of puts: that of the record, or other memory. */
  bytes: Uint8Array = NO_BYTES;
  /** A view of all of `bytes`. */
  view: DataView = NO_VIEW;
  /** The number of operations. Each array below, apart from `bounds`, has one place for each operation. */
  count = 0;
  kinds: number[] = [];
  /** The spaces of operations; null behind the last operation. */
  spaces: (Space | null)[] = [];
  /** The keys of puts, deletes, touches and expiries. */
  keys: IndexKey[] = [];
  /** The starts of the values of puts in `bytes`. That of a touch is NO_VALUE, unless this write has put the entry. */
  valueStarts: number[] = [];
  /** The ends of the values of puts in `bytes`. */
  valueEnds: number[] = [];
  /** The deadlines of puts and touches, in milliseconds since 1970; NO_DEADLINE for none. */
  deadlines: number[] = [];
  /** The staged entries of puts and touches; NO_HANDLE for the touch of an absent key. */
  handles: EntryHandle[] = [];
  /** The indexes that postings were made for, and the postings, of puts into a namespace; null while they are not made. */
  indexes: (SpaceIndexes | null)[] = [];
  postings: (readonly EntryPostings[] | null)[] = [];
  /** True when postings were made. */
  hasPostings = false;
  /** The bounds of the clears, in their order. Other operations have no place in this array. */
  bounds: KeyBounds[] = [];
  /** The highest drawn id that a record carries which was read; 0 for none. See Schema.nextId(). */
  highestId = 0;
  /**
   * The highest time at which an entry was found due, that a record carries which was read; 0 for none. All entries that are
   * older than the record and due at that time are gone.
   */
  highestNow = 0;
  /** The time of the write if its caller has read the clock, or null. */
  now: number | null = null;
  /** True when the keys were read from a disk. Such keys are not substrings of longer strings. */
  hasOwnKeys = false;
  /** True when an operation is in another space than the root space. */
  isInNamespaces = false;
  /** True when a record that was read creates or defines a space, also one that is known already. */
  definesSpaces = false;
  /** The number of checks. Each array below has one place for each check. */
  checkCount = 0;
  checkSpaces: (Space | null)[] = [];
  checkKeys: IndexKey[] = [];
  /** The version that each key must have; 0 for an absent key. */
  checkVersions: number[] = [];
  /** The puts of this write by their keys, or null while no touch asks. */
  #puts: PutsByKey | null = null;
  readonly #defined = new DefinedSpaces();
  readonly #schema: Schema;
  readonly #writer: RecordWriter;
  /** The epoch of the schema, and the part of the log, in which the record was begun, or last finished. */
  #epoch = 0;
  #part = 0;

  /** `recordBytesMax` is the longest record that the log takes, in bytes. */
  constructor(recordBytesMax: number, schema: Schema) {
    this.#schema = schema;
    this.#writer = new RecordWriter(recordBytesMax, schema);
  }

  /** Starts a write that put(), delete(), clear(), create() and drop() fill. They also build its record. */
  begin(): void {
    this.#empty();
    this.hasOwnKeys = false;
    this.#epoch = this.#schema.epoch;
    this.#part = this.#schema.part;
    this.#writer.begin();
  }

  /**
   * Starts a write that the methods addPut(), addDelete() and so on fill. They build no record. `bytes` holds the
   * values.
   */
  beginReading(bytes: Uint8Array): void {
    this.#empty();
    this.hasOwnKeys = true;
    // A replay reads many records from one window.
    if (bytes !== this.bytes) this.view = viewOf(bytes);
    this.bytes = bytes;
  }

  /**
   * Adds a put and encodes its value. Throws what the codec throws, and KEELSON_RECORD_TOO_LARGE. May run foreign code.
   */
  put<V>(
    space: Space,
    key: IndexKey,
    codec: ValueCodec<V>,
    value: V,
    argument: ArgumentName,
    deadline = NO_DEADLINE,
  ): void {
    if (space.definedIn < this.#part) this.#defineFirst(space);
    this.#writer.put(space, key, codec, value, argument, deadline);
    this.addPut(space, key, this.#writer.valueStart, this.#writer.length, deadline);
  }

  delete(space: Space, key: IndexKey): void {
    if (space.definedIn < this.#part) this.#defineFirst(space);
    this.#writer.delete(space, key);
    this.addDelete(space, key);
  }

  /** Gives an entry another deadline, or none with NO_DEADLINE. The key is there, with the operations so far. */
  touch(space: Space, key: IndexKey, deadline: number): void {
    if (space.definedIn < this.#part) this.#defineFirst(space);
    this.#writer.touch(space, key, deadline);
    this.addTouch(space, key, deadline);
  }

  /** Removes an entry that has expired. */
  expire(space: Space, key: IndexKey): void {
    if (space.definedIn < this.#part) this.#defineFirst(space);
    this.#writer.expire(space, key);
    this.addExpire(space, key);
  }

  /**
   * Removes entries that have expired before all other operations. They are in spaces that the write does not create.
   * `spaces` and `keys` have the same length.
   */
  expireFirst(spaces: readonly Space[], keys: readonly IndexKey[]): void {
    let shift = this.#writer.expireFirst(spaces, keys);
    // The record may define a space again at a later operation, and must do so before its first.
    const undefinedYet = new Set(spaces.filter(({ definedIn }) => definedIn < this.#part));
    if (undefinedYet.size > 0) shift += this.#writer.defineFirst([], [...undefinedYet]);
    for (const space of undefinedYet) this.#defined.defineAgain(space);
    const added = keys.length;
    for (let at = 0; at < this.count; at++) {
      if (!this.hasValue(at)) continue;
      this.valueStarts[at]! += shift;
      this.valueEnds[at]! += shift;
    }
    for (const places of [this.kinds, this.spaces, this.keys, this.indexes, this.postings] as unknown[][])
      moveUp(places, this.count, added);
    for (const places of [this.valueStarts, this.valueEnds, this.deadlines])
      moveUp(places, this.count, added);
    const count = this.count + added;
    this.count = 0;
    for (const [at, key] of keys.entries()) this.addExpire(spaces[at]!, key);
    this.count = count;
    this.#puts = null;
  }

  clear(space: Space, bounds: KeyBounds): void {
    if (space.definedIn < this.#part) this.#defineFirst(space);
    this.#writer.clear(space, bounds);
    this.addClear(space, bounds);
  }

  /** Adds the creation of a space that the schema does not have yet. */
  create(space: Space): void {
    this.#writer.create(space);
    this.addCreate(space);
  }

  drop(space: Space): void {
    if (space.definedIn < this.#part) this.#defineFirst(space);
    this.#writer.drop(space);
    this.addDrop(space);
  }

  /** Sets the postings of a put: one for each of `indexes`, in their order. */
  setPostings(operation: number, indexes: SpaceIndexes, postings: readonly EntryPostings[]): void {
    this.hasPostings = true;
    this.indexes[operation] = indexes;
    this.postings[operation] = postings;
  }

  /** Adds a condition of the write: a key must have this version when the write is committed; 0 for an absent key. */
  check(space: Space, key: IndexKey, version: number): void {
    const at = this.checkCount++;
    this.checkSpaces[at] = space;
    this.checkKeys[at] = key;
    this.checkVersions[at] = version;
  }

  addPut(space: Space, key: IndexKey, valueStart: number, valueEnd: number, deadline = NO_DEADLINE): void {
    const at = this.#add(PUT, space);
    this.keys[at] = key;
    this.valueStarts[at] = valueStart;
    this.valueEnds[at] = valueEnd;
    this.deadlines[at] = deadline;
  }

  addTouch(space: Space, key: IndexKey, deadline: number): void {
    const source = this.#lastPutOf(space, key);
    const at = this.#add(TOUCH, space);
    this.keys[at] = key;
    this.valueStarts[at] = source === -1 ? NO_VALUE : this.valueStarts[source]!;
    this.valueEnds[at] = source === -1 ? NO_VALUE : this.valueEnds[source]!;
    this.deadlines[at] = deadline;
  }

  addExpire(space: Space, key: IndexKey): void {
    this.keys[this.#add(EXPIRE, space)] = key;
  }

  addDelete(space: Space, key: IndexKey): void {
    this.keys[this.#add(DELETE, space)] = key;
  }

  addClear(space: Space, bounds: KeyBounds): void {
    this.#add(CLEAR, space);
    this.bounds.push(bounds);
  }

  /** With `isAgain`, the log has created the space before. */
  addCreate(space: Space, isAgain = false): void {
    this.#add(CREATE, space);
    this.#defined.create(space);
    if (isAgain) this.#defined.defineAgain(space);
  }

  /** Returns true if a record that was read does not create the space, but defines it again. */
  isDefinedAgain(space: Space): boolean {
    return this.#defined.isAgain(space);
  }

  addDrop(space: Space): void {
    this.#add(DROP, space);
  }

  addHighestNow(now: number): void {
    this.highestNow = Math.max(this.highestNow, now);
  }

  addHighestId(id: number): void {
    this.highestId = Math.max(this.highestId, id);
  }

  /** Shows the operations on a space to an overlay, which is new. */
  replayInto(space: Space, overlay: Overlay): void {
    let clears = 0;
    for (let at = 0; at < this.count; at++) {
      const isClear = this.kinds[at] === CLEAR;
      if (isClear) clears++;
      if (this.spaces[at] !== space) continue;
      const kind = this.kinds[at]!;
      if (isClear) overlay.clear(this.bounds[clears - 1]!);
      else if (kind === PUT || kind === TOUCH) overlay.set(this.keys[at]!, at);
      else if (kind === DELETE || kind === EXPIRE) overlay.delete(this.keys[at]!);
    }
  }

  readValue<T>(operation: number, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    // A write set that was read has no record.
    const bytes = this.hasOwnKeys ? this.bytes : this.#writer.bytes;
    return decode(bytes, this.valueStarts[operation]!, this.valueEnds[operation]!);
  }

  /** Returns true for a put, and for a touch of an entry that this write has put. */
  hasValue(operation: number): boolean {
    const kind = this.kinds[operation];
    return kind === PUT || (kind === TOUCH && this.valueStarts[operation] !== NO_VALUE);
  }

  /** Returns the put whose value a put or a touch has; -1 for a touch of an entry that this write has not put. */
  putOf(operation: number): number {
    const start = this.valueStarts[operation];
    let at = start === NO_VALUE ? -1 : operation;
    while (at >= 0 && (this.kinds[at] !== PUT || this.valueStarts[at] !== start)) at--;
    return at;
  }

  /** True when an operation has given a deadline to an entry. */
  get hasDeadlines(): boolean {
    for (let at = 0; at < this.count; at++)
      if ((this.kinds[at] === PUT || this.kinds[at] === TOUCH) && this.deadlines[at] !== NO_DEADLINE)
        return true;
    return false;
  }

  /** Returns the keys of a space to which operations have given a deadline that is due at `now`. */
  dueKeys(space: Space, now: number): ReadonlySet<IndexKey> {
    const keys = new Set<IndexKey>();
    for (let at = 0; at < this.count; at++) {
      if (this.spaces[at] !== space || (this.kinds[at] !== PUT && this.kinds[at] !== TOUCH)) continue;
      const deadline = this.deadlines[at]!;
      if (deadline !== NO_DEADLINE && deadline <= now) keys.add(this.keys[at]!);
    }
    return keys;
  }

  deadlineOf(operation: number): number {
    return this.deadlines[operation]!;
  }

  keyOf(operation: number): IndexKey {
    return this.keys[operation]!;
  }

  /** Returns a mark of the operations so far, for rollback(). */
  mark(): WriteMark {
    return {
      count: this.count,
      bounds: this.bounds.length,
      defined: this.#defined.mark(),
      record: this.#writer.mark(),
    };
  }

  /** Takes back all operations since a mark, also one that has thrown in its middle. */
  rollback({ count, bounds, defined, record }: WriteMark): void {
    this.#forget(count);
    this.count = count;
    this.#puts = null;
    this.bounds.length = bounds;
    this.#defined.rollback(defined);
    this.#writer.rollback(record);
  }

  /** The bytes of the record so far. */
  get recordBytes(): number {
    return this.#writer.length;
  }

  /** True when the write is one put. */
  get isSinglePut(): boolean {
    return this.count === 1 && this.kinds[0] === PUT;
  }

  /** Returns the space with this id that the write creates, or undefined. */
  created(id: number): Space | undefined {
    return this.#defined.created(id);
  }

  /** Ends the record and returns it. The record is valid until the next begin(). Throws KEELSON_RECORD_TOO_LARGE. */
  finish(): RecordMemory {
    if (this.isOfOldEpoch) this.#defineMissing();
    const record = this.#writer.finish();
    this.bytes = record.bytes;
    this.view = record.view;
    return record;
  }

  /** True when the schema has started an epoch since begin(), whose records must repeat the definitions that they need. */
  get isOfOldEpoch(): boolean {
    return this.#schema.epoch !== this.#epoch;
  }

  /** Adds the definitions that the record refers to and that the log lacks in this epoch. */
  #defineMissing(): void {
    this.#epoch = this.#schema.epoch;
    this.#part = this.#schema.part;
    const missing = new Set<DefinitionId>();
    const before = this.#defined.mark();
    for (let at = 0; at < this.count; at++) {
      const space = this.spaces[at]!;
      if (space.definedIn < this.#part && this.#defined.created(space.id) === undefined)
        this.#defined.defineAgain(space);
      if (!this.hasValue(at)) continue;
      const { bytes } = this.#writer;
      const id = definitionIn(this.spaces[at]!, bytes, this.valueStarts[at]!, this.valueEnds[at]!);
      if (id !== NO_DEFINITION && !this.#schema.isRecorded(id) && !this.#writer.defined.includes(id))
        missing.add(id);
    }
    this.#defined.defineCreatedAgain();
    const spaces = this.#defined.againSince(before);
    if (missing.size === 0 && spaces.length === 0) return;
    const shift = this.#writer.defineFirst([...missing], spaces);
    for (let at = 0; at < this.count; at++) {
      if (!this.hasValue(at)) continue;
      this.valueStarts[at]! += shift;
      this.valueEnds[at]! += shift;
    }
  }

  /**
   * Notes in the schema that the log holds this record at `lsn`, with its definitions, highest id and highest time.
   */
  appended(lsn: number): void {
    this.#writer.appended(lsn);
    if (this.isInNamespaces) this.#defined.noteDefinedIn(this.#part);
  }

  /**
   * Drops the keys, which may be substrings that keep longer strings in memory, and the spaces, which may be dropped
   * later. Frees the memory of a giant write.
   */
  release(): void {
    this.#writer.release();
    this.#puts = null;
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
    if (this.bounds.length > 0) this.bounds = [];
    if (this.checkCount > 0) this.#forgetChecks();
    // Operations that were taken back have had places in the arrays, too.
    if (this.kinds.length <= OPERATIONS_KEPT_MAX) {
      this.#forget(0);
      return;
    }
    this.count = 0;
    this.kinds = [];
    this.spaces = [];
    this.keys = [];
    this.valueStarts = [];
    this.valueEnds = [];
    this.deadlines = [];
    this.handles = [];
    this.indexes = [];
    this.postings = [];
  }

  #empty(): void {
    this.count = 0;
    this.highestId = 0;
    this.highestNow = 0;
    this.now = null;
    this.#puts = null;
    if (this.bounds.length > 0) this.bounds = [];
    this.#defined.clear();
    if (this.checkCount > 0) this.#forgetChecks();
    this.isInNamespaces = false;
    this.definesSpaces = false;
    this.hasPostings = false;
  }

  /** Returns the number of the last operation that gives a value to a key, or -1. */
  #lastPutOf(space: Space, key: IndexKey): number {
    if (this.count === 0) return -1;
    this.#puts ??= new PutsByKey();
    return this.#puts.lastOf(this, space, key);
  }

  /** Drops the keys and spaces of all operations from a place on. */
  #forget(from: number): void {
    for (let at = from; at < this.count; at++) {
      this.keys[at] = '';
      this.spaces[at] = null;
      if (this.hasPostings) this.postings[at] = null;
    }
  }

  #forgetChecks(): void {
    this.checkCount = 0;
    this.checkSpaces = [];
    this.checkKeys = [];
    this.checkVersions = [];
  }

  /** Adds the creation of a space that is not there, or the definition of one that is, unless the write has it already. */
  #defineFirst(space: Space): void {
    if (this.#defined.has(space)) return;
    if (!space.isThere) {
      this.create(space);
      return;
    }
    this.#writer.create(space, true);
    this.#defined.defineAgain(space);
  }

  #add(kind: number, space: Space): number {
    const at = this.count++;
    this.kinds[at] = kind;
    this.spaces[at] = space;
    if (space.id !== ROOT_ID) {
      this.isInNamespaces = true;
      this.indexes[at] = null;
    }
    return at;
  }
}
