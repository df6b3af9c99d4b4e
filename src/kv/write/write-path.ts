// The write path: the only code that changes entries. commit() brings a write set into the log and into the entries.
// applyWrites() brings a write set that a log or an image holds already into the entries: replay and salvage use it.
//
// A commit has four phases. First, the caller fills the write set, which may run foreign code. Second, the log makes
// room, which may run hooks of the program. Third, between enter() and leave() of the guard, log and entries change
// together, and no foreign code runs. Fourth, the observers are told. docs/ARCHITECTURE.md has the reasons.

import { isKeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { StoreLog } from '../../journal/internal.js';
import { RECORD_BYTES_MAX } from '../../storage/index.js';
import { NoSlabMemory } from '../entries/entry-slabs.js';
import type { Schema } from '../entries/schema.js';
import { CLEAR, CREATE, DELETE, DROP, PUT, WriteSet } from './write-set.js';

/** A record of at least this size is submitted before its entries are linked, so that the disk works meanwhile. */
const SUBMIT_FIRST_BYTES = 32 * 1024;

/** An observer of commits. */
export interface WriteObserver {
  /** Called after a commit with the LSN of its record. Must not throw. */
  committed(lsn: Lsn): void;
}

/** The parts of a store on which a write path works. */
export interface WritePathParts {
  readonly log: StoreLog;
  readonly schema: Schema;
  /** Throws when the store takes no writes. */
  readonly assertWritable: () => void;
  /** Called when the log finds no room for a record. */
  readonly onNoSpace: () => void;
}

/** The write path of one store. */
export class WritePath {
  readonly #parts: WritePathParts;
  readonly #observers: WriteObserver[] = [];
  /** A write set for the next write, or null. Encoders and hooks may write during a write, so a write takes it away. */
  #resting: WriteSet | null = null;

  constructor(parts: WritePathParts) {
    this.#parts = parts;
  }

  /** Adds an observer of all later commits. */
  observe(observer: WriteObserver): void {
    this.#observers.push(observer);
  }

  /** Returns a write set to fill. The caller calls giveBack() for it, whether the write succeeds or throws. */
  take(): WriteSet {
    const writes = this.#resting ?? new WriteSet(RECORD_BYTES_MAX, this.#parts.schema);
    this.#resting = null;
    writes.begin();
    return writes;
  }

  /** Takes a write set back for the next write. */
  giveBack(writes: WriteSet): void {
    // This commit was stopped before its links, which still need the write set.
    if (this.#parts.schema.links.isDue) return;
    // Memory is freed now, because the next write may never come.
    writes.release();
    this.#resting = writes;
  }

  /**
   * Appends a write to the log and applies it to the entries. Returns the LSN of its record, which is not durable yet.
   * Throws, with nothing changed, KEELSON_RECORD_TOO_LARGE, NoSlabMemory, and what the log and `assertWritable` throw.
   */
  commit(writes: WriteSet): Lsn {
    const { log, schema } = this.#parts;
    const record = writes.finish();
    const records = [record];
    const frameBytes = this.#ensureRoom(records);
    // Encoders and hooks may have closed the store meanwhile.
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

  /** Makes room in the log, and returns the bytes that the records take there. */
  #ensureRoom(records: readonly Uint8Array[]): number {
    try {
      return this.#parts.log.ensureRoom(records);
    } catch (error) {
      if (isKeelsonError(error, 'KEELSON_NO_SPACE')) this.#parts.onNoSpace();
      throw error;
    }
  }

  /**
   * Changes log and entries together. NoSlabMemory comes before anything has changed. Any other error, and a stop of
   * JavaScript, leaves the guard set: memory may disagree with the log then, so the log is poisoned.
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

/** Stages the entries of all puts. Throws NoSlabMemory, with none of them staged. */
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

/** Applies all operations, in their order, after stage(). */
function link(schema: Schema, writes: WriteSet, lsn: number): void {
  const { count, kinds, spaces, keys, handles, bounds, hasOwnKeys } = writes;
  let clears = 0;
  for (let at = 0; at < count; at++) {
    const space = spaces[at]!;
    // A damaged image that is put over older entries has its versions in no order.
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
