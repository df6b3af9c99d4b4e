// Writes the records of a store, one after the other, in memory that is reused. The value of a put is encoded right
// into the record.

import type { ArgumentName } from '../../errors.js';
import type { RecordMemory } from '../../journal/internal.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { LEB128_BYTES_MAX, leb128Bytes, NUMBER_BYTES_MAX, writeLeb128 } from '../encoding/leb128.js';
import { Scratch } from '../encoding/scratch.js';
import { UTF8_BYTES_PER_UNIT_MAX } from '../encoding/utf8.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import {
  DEFINITION_BYTES_MAX,
  type DefinitionId,
  definitionIn,
  NO_DEFINITION,
} from '../entries/definitions.js';
import type { Schema } from '../entries/schema.js';
import { NO_DEADLINE } from '../entries/slab.js';
import { ROOT_ID, type Space } from '../entries/space.js';
import {
  BOUND,
  DEFINED_AGAIN,
  EXPIRED,
  HAS_DEADLINE,
  IN_SPACE,
  OPCODE,
  RECORD_FORMAT_VERSION,
  RECORD_KIND_BIRTH,
  RECORD_KIND_WRITE,
} from './record-format.js';

/** The longest key whose length takes one byte, whatever its characters, in UTF-16 code units. */
const SHORT_KEY_UNITS_MAX = Math.floor(0x7f / UTF8_BYTES_PER_UNIT_MAX);

/** The most bytes of an operation with a short key: the opcode, the key with its length, and the length of a value. */
const SHORT_OPERATION_BYTES_MAX = 2 + 0x7f + LEB128_BYTES_MAX;

/** The length of the kind of a record, which stands before all operations. */
const KIND_BYTES = 1;

const NONE_DEFINED: readonly DefinitionId[] = [];

/** A mark in a record. */
export interface RecordMark {
  readonly at: number;
  readonly defined: readonly DefinitionId[];
}

/**
 * A writer of one record at a time: begin(), operations, finish(). After a throw, only begin(), rollback() and
 * release() may be called.
 */
export class RecordWriter {
  readonly #schema: Schema;
  readonly #out: Scratch;
  /**
   * The ids of the definitions in this record. An array, because most records have none and emptying a Set takes
   * longer.
   */
  #defined = NONE_DEFINED;
  /** The highest drawn id that the record carries; 0 for none. */
  #highestId = 0;
  /** The time at which entries were found due, that the record carries; 0 for none. */
  #highestNow = 0;
  /** The number of bytes that the length of the last value took. The guess for the next value. */
  #lengthBytes = 1;
  #valueStart = 0;

  /** `recordBytesMax` is the longest record that the log takes, in bytes. */
  constructor(recordBytesMax: number, schema: Schema) {
    this.#schema = schema;
    this.#out = new Scratch(recordBytesMax);
  }

  /** The bytes of the record so far. */
  get length(): number {
    return this.#out.at;
  }

  /** The start of the value of the last put in the record. Right after put(), the value ends at `length`. */
  get valueStart(): number {
    return this.#valueStart;
  }

  /** The memory of the record so far. */
  get bytes(): Uint8Array {
    return this.#out.bytes;
  }

  /** Returns a mark of the record so far, for rollback(). */
  mark(): RecordMark {
    return { at: this.#out.at, defined: this.#defined };
  }

  /** Takes back what was added since a mark, also by an operation that has thrown. */
  rollback({ at, defined }: RecordMark): void {
    this.#out.at = at;
    this.#defined = defined;
  }

  /** Starts a write record. It overwrites the record that finish() returned before. */
  begin(): void {
    this.#start(RECORD_KIND_WRITE);
  }

  /**
   * Adds a put, and before it the definition that its value refers to, if the log lacks it in this epoch. Throws what
   * the codec throws, and KEELSON_RECORD_TOO_LARGE. May run foreign code: see ValueCodec.encode().
   */
  put<V>(
    space: Space,
    key: IndexKey,
    codec: ValueCodec<V>,
    value: V,
    argument: ArgumentName,
    deadline = NO_DEADLINE,
  ): void {
    const out = this.#out;
    const start = out.at;
    this.#operation(OPCODE.put, space, key, deadline);
    const lengthAt = out.at;
    // If the length takes as many bytes as guessed, the value need not move.
    out.at = lengthAt + this.#lengthBytes;
    codec.encode(value, argument, out);
    this.#finishValue(lengthAt);
    const id = definitionIn(space, out.bytes, this.#valueStart, out.at);
    if (id !== NO_DEFINITION && !this.#schema.isRecorded(id) && !this.#defined.includes(id))
      this.#defineBefore(start, id);
  }

  delete(space: Space, key: IndexKey): void {
    this.#operation(OPCODE.delete, space, key);
  }

  /** Adds a touch. `deadline` is NO_DEADLINE for an entry that shall not expire any more. */
  touch(space: Space, key: IndexKey, deadline: number): void {
    this.#opcode(OPCODE.touch, space.id);
    this.#safeInteger(deadline);
    this.#key(space, key);
  }

  /** Adds the removal of an entry that has expired. */
  expire(space: Space, key: IndexKey): void {
    this.#opcode(OPCODE.delete | EXPIRED, space.id);
    this.#key(space, key);
  }

  clear(space: Space, bounds: KeyBounds): void {
    const { low, high } = bounds;
    const flags =
      (low === undefined ? 0 : BOUND.low | (bounds.lowInclusive ? BOUND.lowInclusive : 0)) |
      (high === undefined ? 0 : BOUND.high | (bounds.highInclusive ? BOUND.highInclusive : 0));
    this.#opcode(OPCODE.clear, space.id);
    this.#byte(flags);
    if (low !== undefined) this.#key(space, low);
    if (high !== undefined) this.#key(space, high);
  }

  /**
   * Adds the creation of a space, or with `isAgain` the definition of a space that an earlier record has created. It must
   * stand before all operations in the space.
   */
  create({ id, name, keyCodec, valueEncodingName }: Space, isAgain = false): void {
    this.#byte(isAgain ? OPCODE.create | DEFINED_AGAIN : OPCODE.create);
    this.#number(id);
    for (const text of [name, keyCodec.name, valueEncodingName]) this.#text(text);
  }

  drop({ id }: Space): void {
    this.#byte(OPCODE.drop);
    this.#number(id);
  }

  /**
   * Returns the record, at the start of memory that the next begin() overwrites. Adds the highest id that was drawn, and the
   * highest time at which entries were found due, if no record of the log carries them yet. Throws KEELSON_RECORD_TOO_LARGE.
   */
  finish(): RecordMemory {
    const id = this.#schema.idToRecord;
    if (id > this.#highestId) this.#addHighestId(id);
    const now = Math.floor(this.#schema.expiry.nowToRecord);
    if (now > this.#highestNow) this.#addHighestNow(now);
    // reserve() refuses nothing that may still fit, so the record may be too large by now.
    this.#out.check();
    return this.#out;
  }

  /** The definitions that this record holds. */
  get defined(): readonly DefinitionId[] {
    return this.#defined;
  }

  /**
   * Inserts definitions, also those of spaces, before all operations. Returns the number of bytes by which the operations
   * move.
   */
  defineFirst(ids: readonly DefinitionId[], spaces: readonly Space[]): number {
    const end = this.#out.at;
    for (const space of spaces) this.create(space, true);
    for (const id of ids) {
      this.#byte(OPCODE.definition);
      this.#schema.writeDefinition(id, this.#out);
    }
    this.#defined = [...this.#defined, ...ids];
    return this.#moveToFront(end);
  }

  /** Inserts removals of expired entries before all operations. Returns the bytes by which the operations move. */
  expireFirst(spaces: readonly Space[], keys: readonly IndexKey[]): number {
    const end = this.#out.at;
    for (const [at, key] of keys.entries()) this.expire(spaces[at]!, key);
    return this.#moveToFront(end);
  }

  /** Moves what stands behind `end` before all operations. Returns its number of bytes. */
  #moveToFront(end: number): number {
    const out = this.#out;
    const moved = out.bytes.slice(end, out.at);
    out.bytes.copyWithin(KIND_BYTES + moved.length, KIND_BYTES, end);
    out.bytes.set(moved, KIND_BYTES);
    return moved.length;
  }

  /** Returns a whole birth record: a view of memory that the next begin() overwrites. */
  birth(keyEncodingName: string, valueEncodingName: string): Uint8Array {
    this.#start(RECORD_KIND_BIRTH);
    this.#byte(RECORD_FORMAT_VERSION);
    this.#text(keyEncodingName);
    this.#text(valueEncodingName);
    this.#out.check();
    const { bytes, at } = this.#out;
    return bytes.subarray(0, at);
  }

  /** Notes in the schema that the log holds this record at `lsn`, with its definitions, highest id and highest time. */
  appended(lsn: number): void {
    if (this.#highestId !== 0) this.#schema.idRecorded(this.#highestId);
    if (this.#highestNow !== 0) this.#schema.expiry.recorded(this.#highestNow, lsn);
    if (this.#defined === NONE_DEFINED) return;
    for (const id of this.#defined) this.#schema.recorded(id);
    this.#defined = NONE_DEFINED;
  }

  /** Drops the record, and frees memory that a giant record took. */
  release(): void {
    this.#out.reset();
  }

  #start(kind: number): void {
    this.#out.reset();
    this.#defined = NONE_DEFINED;
    this.#highestId = 0;
    this.#highestNow = 0;
    this.#byte(kind);
  }

  #addHighestNow(now: number): void {
    this.#byte(OPCODE.highestNow);
    this.#safeInteger(now);
    this.#highestNow = now;
  }

  #addHighestId(id: number): void {
    this.#byte(OPCODE.highestId);
    this.#safeInteger(id);
    this.#highestId = id;
  }

  /**
   * Writes the length of a value at `lengthAt`. Moves the value if the length takes more or fewer bytes than guessed.
   */
  #finishValue(lengthAt: number): void {
    const out = this.#out;
    const guessedStart = lengthAt + this.#lengthBytes;
    const valueBytes = out.at - guessedStart;
    const lengthBytes = valueBytes < 0x80 ? 1 : leb128Bytes(valueBytes);
    if (lengthBytes !== this.#lengthBytes) {
      out.reserve(LEB128_BYTES_MAX);
      out.bytes.copyWithin(lengthAt + lengthBytes, guessedStart, out.at);
      out.at += lengthBytes - this.#lengthBytes;
      this.#lengthBytes = lengthBytes;
    }
    this.#valueStart = writeLeb128(out.bytes, valueBytes, lengthAt);
  }

  /**
   * Inserts a definition before the put at `start`, which is the last operation. Its value refers to the definition.
   */
  #defineBefore(start: number, id: DefinitionId): void {
    const out = this.#out;
    const putBytes = out.at - start;
    // The definition is written behind the put, and a copy of the put behind the definition. Then both move to `start`.
    out.reserve(1 + DEFINITION_BYTES_MAX + putBytes);
    const definitionAt = out.at;
    this.#byte(OPCODE.definition);
    this.#schema.writeDefinition(id, out);
    const end = out.at;
    const shift = end - definitionAt;
    out.reserve(putBytes);
    out.bytes.copyWithin(end, start, definitionAt);
    out.bytes.copyWithin(start, definitionAt, end + putBytes);
    this.#valueStart += shift;
    this.#defined = [...this.#defined, id];
  }

  /** Writes an opcode, a deadline if there is one, and a key, and reserves room for the length of a value. */
  #operation(opcode: number, space: Space, key: IndexKey, deadline = NO_DEADLINE): void {
    const out = this.#out;
    if (space.id !== ROOT_ID || key.length > SHORT_KEY_UNITS_MAX || deadline !== NO_DEADLINE) {
      this.#opcode(deadline === NO_DEADLINE ? opcode : opcode | HAS_DEADLINE, space.id);
      if (deadline !== NO_DEADLINE) this.#safeInteger(deadline);
      this.#key(space, key);
      out.reserve(LEB128_BYTES_MAX);
      return;
    }
    out.reserve(SHORT_OPERATION_BYTES_MAX);
    const { bytes, at } = out;
    bytes[at] = opcode;
    // The length of a short key takes one byte. It is filled in after the key, which is read once instead of twice.
    const keyBytes = space.keyCodec.write(key, bytes, at + 2);
    bytes[at + 1] = keyBytes;
    out.at = at + 2 + keyBytes;
  }

  #opcode(opcode: number, spaceId: number): void {
    if (spaceId === ROOT_ID) {
      this.#byte(opcode);
      return;
    }
    this.#byte(opcode | IN_SPACE);
    this.#number(spaceId);
  }

  #byte(byte: number): void {
    const out = this.#out;
    out.reserve(1);
    out.bytes[out.at++] = byte;
  }

  #number(value: number): void {
    const out = this.#out;
    out.reserve(LEB128_BYTES_MAX);
    out.at = writeLeb128(out.bytes, value, out.at);
  }

  #safeInteger(value: number): void {
    const out = this.#out;
    out.reserve(NUMBER_BYTES_MAX);
    out.at = writeLeb128(out.bytes, value, out.at);
  }

  #key({ keyCodec }: Space, key: IndexKey): void {
    const out = this.#out;
    const lengthBytes = keyCodec.byteLength(key);
    this.#number(lengthBytes);
    out.reserve(lengthBytes);
    out.at += keyCodec.write(key, out.bytes, out.at);
  }

  #text(text: string): void {
    this.#number(Buffer.byteLength(text));
    this.#out.appendText(text);
  }
}
