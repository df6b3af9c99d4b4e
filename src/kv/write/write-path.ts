// The write path: the only code that changes entries. commit() brings a write set into the log and into the entries;
// applyWrites() brings one into the entries that a log or an image holds already: replay, salvage, a replica.
//
// A commit has phases. The caller fills the write set, which may run foreign code. Then the log makes room, where hooks of
// the program may run. Between enter() and leave() of the guard nothing foreign runs: log and entries change together.
// Then observers are told. docs/ARCHITECTURE.md has the reasons.

import { isKeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { StoreLog } from '../../journal/internal.js';
import { RECORD_BYTES_MAX } from '../../storage/index.js';
import { NoSlabMemory } from '../entries/entry-slabs.js';
import type { Schema } from '../entries/schema.js';
import { CLEAR, CREATE, DELETE, DROP, PUT, WriteSet } from './write-set.js';

/** A record of at least this size goes to the disk before its keys go into the indexes. */
const SUBMIT_FIRST_BYTES = 32 * 1024;

/** Hears of every write when it is in the log and in the entries, or put off until somebody looks at entries. */
export interface WriteObserver {
  /** `lsn` is the LSN of the record. Must not throw. */
  committed(lsn: Lsn): void;
}

export interface WritePathParts {
  readonly log: StoreLog;
  readonly schema: Schema;
  /** Throws when the store takes no writes. Asked again after hooks have run. */
  readonly assertWritable: () => void;
  /** Called when the log has found no room. */
  readonly onNoSpace: () => void;
}

export class WritePath {
  readonly #parts: WritePathParts;
  readonly #observers: WriteObserver[] = [];
  /** A write set at rest; null while a write has it, for encoders and hooks may write meanwhile. */
  #resting: WriteSet | null = null;

  constructor(parts: WritePathParts) {
    this.#parts = parts;
  }

  observe(observer: WriteObserver): void {
    this.#observers.push(observer);
  }

  /** Returns a write set to fill. The caller gives it back, whether the write succeeds or throws. */
  take(): WriteSet {
    const writes = this.#resting ?? new WriteSet(RECORD_BYTES_MAX, this.#parts.schema);
    this.#resting = null;
    writes.begin();
    return writes;
  }

  giveBack(writes: WriteSet): void {
    // A write that was stopped between its record and its links still needs the set.
    if (this.#parts.schema.links.isDue) return;
    // Not at the next write, which may never come.
    writes.release();
    this.#resting = writes;
  }

  /**
   * Appends a write to the log and applies it. Returns the LSN of its record, which is not durable yet. Throws, with nothing
   * changed, what the log throws, KEELSON_RECORD_TOO_LARGE, and NoSlabMemory.
   */
  commit(writes: WriteSet): Lsn {
    const { log, schema } = this.#parts;
    const record = writes.finish();
    const records = [record];
    const frameBytes = this.#ensureRoom(records);
    // Encoders and hooks may have closed the store.
    this.#parts.assertWritable();
    const lsn = this.#change(writes, records, frameBytes);
    writes.appended();
    if (schema.links.isDue) {
      log.submitAtOnce();
      schema.links.run();
    }
    log.prepareAhead();
    for (let at = 0; at < this.#observers.length; at++) this.#observers[at]!.committed(lsn);
    return lsn;
  }

  #ensureRoom(records: readonly Uint8Array[]): number {
    try {
      return this.#parts.log.ensureRoom(records);
    } catch (error) {
      if (isKeelsonError(error, 'KEELSON_NO_SPACE')) this.#parts.onNoSpace();
      throw error;
    }
  }

  /**
   * Changes log and entries together. An error before the record has its place has changed nothing. A stop after that leaves
   * the guard set, and the next caller poisons the log.
   */
  #change(writes: WriteSet, records: readonly Uint8Array[], frameBytes: number): Lsn {
    const { log, schema } = this.#parts;
    const { links } = schema;
    links.run();
    links.guard.enter();
    let lsn: Lsn;
    try {
      stage(writes);
      lsn = log.claim(records, frameBytes);
      if (writes.bytes.length < SUBMIT_FIRST_BYTES) link(schema, writes, lsn);
      else links.defer(() => link(schema, writes, lsn));
    } catch (error) {
      if (!(error instanceof NoSlabMemory)) {
        const stopped = links.guard.stopped(error);
        throw log.poisoned ?? stopped;
      }
      links.guard.leave();
      throw error;
    }
    links.guard.leave();
    return lsn;
  }
}

/** Applies a write that is in the log already, without judging it. Throws NoSlabMemory, with nothing changed. */
export function applyWrites(schema: Schema, writes: WriteSet, lsn: number): void {
  stage(writes);
  link(schema, writes, lsn);
}

/** Copies all values into slabs; or throws NoSlabMemory, and none is there. */
function stage(writes: WriteSet): void {
  const { count, kinds, spaces, keys, bytes, valueStarts, valueEnds, handles } = writes;
  let at = 0;
  try {
    for (; at < count; at++) {
      if (kinds[at] !== PUT) continue;
      handles[at] = spaces[at]!.entries.stage(keys[at]!, bytes, valueStarts[at]!, valueEnds[at]!);
    }
  } catch (error) {
    while (--at >= 0) if (kinds[at] === PUT) spaces[at]!.entries.discard(handles[at]!);
    throw error;
  }
  if (count === 1) return;
  for (at = 0; at < count; at++) if (kinds[at] === PUT) spaces[at]!.entries.prefetchLink(handles[at]!);
}

/** Applies all operations, in their order, to entries in which stage() has put the values. */
function link(schema: Schema, writes: WriteSet, lsn: number): void {
  const { count, kinds, spaces, keys, handles, bounds, hasOwnKeys } = writes;
  let clears = 0;
  for (let at = 0; at < count; at++) {
    const space = spaces[at]!;
    // An image that is put over older entries comes with versions in no order.
    if (lsn > space.lastLsn) space.lastLsn = lsn;
    switch (kinds[at]) {
      case PUT:
        space.entries.link(keys[at]!, lsn, handles[at]!, hasOwnKeys);
        break;
      case DELETE:
        space.entries.delete(keys[at]!);
        break;
      case CLEAR:
        space.entries.deleteRange(bounds[clears++]!);
        break;
      case CREATE:
        schema.add(space);
        break;
      case DROP:
        schema.drop(space.id);
        break;
    }
  }
}
