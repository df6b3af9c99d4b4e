// Reads the records of a store. Pure. readWriteSet() is the only decoder of writes: replay, salvage and verify use it.
//
// The checksum of the frame vouches for the bytes. So if a record does not decode, a newer version or another program
// wrote it. The reader throws KEELSON_DECODE for such a record, and never guesses.

import { isKeelsonError, KeelsonError, NEXT_STEPS } from '../../errors.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import { bytesKeyCodec, type IndexKey, type KeyCodec, resolveKeyEncoding } from '../encoding/key-encoding.js';
import { type ReadCursor, readLeb128, readLength } from '../encoding/leb128.js';
import { readUtf8 } from '../encoding/utf8.js';
import type { DefinitionId } from '../entries/definitions.js';
import { definitionIn, NO_DEFINITION } from '../entries/definitions.js';
import { NO_DEADLINE } from '../entries/slab.js';
import { ROOT_ID, SPACE_ID_MAX, type Space, SpaceDefinition } from '../entries/space.js';
import {
  BOUND,
  BOUND_MASK,
  DEFINED_AGAIN,
  EXPIRED,
  HAS_DEADLINE,
  IN_SPACE,
  OPCODE,
  OPCODE_MASK,
  RECORD_FORMAT_VERSION,
  RECORD_KIND_BIRTH,
  RECORD_KIND_WRITE,
} from './record-format.js';
import type { WriteSet } from './write-set.js';

/** The content of a birth record. */
export interface Birth {
  readonly formatVersion: number;
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

/** The schema by which records are read. */
export interface RecordSchema {
  readonly root: Space;
  /** Ids of at least this number have not been used. */
  readonly nextSpaceId: number;
  /** Returns the space with this id, or undefined. */
  space(id: number): Space | undefined;
  /** Returns the space with this id if it was created or defined in the log that was read; otherwise undefined. */
  enteredSpace(id: number): Space | undefined;
  /** Returns the space that a creation in the log adds. */
  spaceToCreate(id: number, definition: SpaceDefinition): Space;
  newSpace(id: number, definition: SpaceDefinition): Space;
  /** Reads a definition at the cursor, moves past it, adds it, and returns its id. */
  readDefinition(bytes: Uint8Array, cursor: ReadCursor, end: number): DefinitionId;
  /** Throws KEELSON_DECODE when there is no definition with this id. */
  assertDefined(id: DefinitionId): void;
}

/** Stands in for spaces that nothing defines, in a log of which a part is lost. */
export interface LostDefinitions {
  /** Returns a new space in the place of one that nothing defines. The record then counts as the one that creates it. */
  make(id: number): Space;
  /** Returns true for a space that make() has made. */
  has(space: Space): boolean;
}

/** Throws KEELSON_DECODE for a record of another kind. */
function assertKind(kindExpected: number, bytes: Uint8Array, start: number, end: number): void {
  const kind = start < end ? bytes[start] : undefined;
  if (kind === kindExpected) return;
  if (kind === RECORD_KIND_BIRTH) throw undecodable('expected a write record', 0);
  if (kind === RECORD_KIND_WRITE) throw undecodable('expected a birth record', 0);
  throw kind === undefined ? undecodable('the record is empty', 0) : newerVersion(`record kind ${kind}`, 0);
}

/** Returns true for a birth record, which names the encodings of a store. */
export function isBirth(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  return start < end && bytes[start] === RECORD_KIND_BIRTH;
}

/**
 * Reads the birth record of the store in `directory`. Throws KEELSON_DECODE for another or a malformed record, and
 * KEELSON_FORMAT_VERSION for a record of a newer Keelson.
 */
export function readBirth(record: Uint8Array, directory: string): Birth {
  assertKind(RECORD_KIND_BIRTH, record, 0, record.length);
  if (record.length < 2) throw undecodable('the birth record is cut off', record.length);
  const formatVersion = record[1]!;
  if (formatVersion === 0 || formatVersion > RECORD_FORMAT_VERSION) {
    throw new KeelsonError(
      'KEELSON_FORMAT_VERSION',
      `The records of the store in ${directory} have format version ${formatVersion}; this Keelson reads up to ${RECORD_FORMAT_VERSION}`,
      { path: directory },
    );
  }
  const cursor: ReadCursor = { at: 2 };
  const keyEncodingName = readText(record, cursor, record.length);
  const valueEncodingName = readText(record, cursor, record.length);
  if (cursor.at !== record.length) throw undecodable('bytes follow the birth record', cursor.at);
  return { formatVersion, keyEncodingName, valueEncodingName };
}

/**
 * Reads the write record `bytes[start, end)` into a write set, which then refers to `bytes`. Adds the definitions in
 * the record to the schema, and changes nothing else there. Throws KEELSON_DECODE for a record that does not decode;
 * the definitions before the fault stay added.
 *
 * @param isCovered True for a record that is not newer than an image. Such a record may write to spaces that were
 * dropped before the image, and refer to definitions that only older records have. So the keys in an unknown space may
 * be any bytes, and an unknown definition is no error.
 * @param lost For a log of which a part is lost. With null, a record does not decode if nothing defines a space of it.
 */
export function readWriteSet(
  schema: RecordSchema,
  bytes: Uint8Array,
  start: number,
  end: number,
  into: WriteSet,
  isCovered = false,
  lost: LostDefinitions | null = null,
): void {
  try {
    readOperations({ at: start, schema, record: bytes, end, into, isCovered, lost });
  } catch (error) {
    // A copy of the record is read again, because the offset in the error must count from the start of the record.
    if (isKeelsonError(error, 'KEELSON_DECODE') && start > 0) {
      const record = bytes.slice(start, end);
      readOperations({ at: 0, schema, record, end: record.length, into, isCovered, lost });
    }
    throw error;
  }
}

/** A record while it is read, and the position in it. */
interface Reading extends ReadCursor {
  readonly schema: RecordSchema;
  readonly record: Uint8Array;
  readonly end: number;
  readonly into: WriteSet;
  readonly isCovered: boolean;
  readonly lost: LostDefinitions | null;
}

const NO_FLAGS = 0;

/** The flags that each operation may have, by its opcode; undefined for an opcode that no writer writes. */
const KNOWN_FLAGS: readonly (number | undefined)[] = flagsByOpcode({
  [OPCODE.put]: IN_SPACE | HAS_DEADLINE,
  [OPCODE.delete]: IN_SPACE | EXPIRED,
  [OPCODE.clear]: IN_SPACE,
  [OPCODE.touch]: IN_SPACE,
  [OPCODE.definition]: NO_FLAGS,
  [OPCODE.create]: DEFINED_AGAIN,
  [OPCODE.drop]: NO_FLAGS,
  [OPCODE.highestNow]: NO_FLAGS,
  [OPCODE.highestId]: NO_FLAGS,
});

function flagsByOpcode(flags: Readonly<Record<number, number>>): readonly (number | undefined)[] {
  return Array.from({ length: OPCODE_MASK + 1 }, (_, opcode) => flags[opcode]);
}

function readOperations(cursor: Reading): void {
  const { schema, record, end, into, isCovered } = cursor;
  assertKind(RECORD_KIND_WRITE, record, cursor.at, end);
  into.beginReading(record);
  cursor.at++;
  while (cursor.at < end) {
    const at = cursor.at++;
    const operation = record[at]!;
    const opcode = operation & OPCODE_MASK;
    const flags = operation & ~OPCODE_MASK;
    const known = KNOWN_FLAGS[opcode];
    if (known === undefined) throw newerVersion(`operation ${operation}`, at);
    if ((flags & ~known) !== 0) throw newerVersion(`operation flags in ${operation}`, at);
    if ((known & IN_SPACE) === 0) {
      readOfSchema(opcode, flags, cursor);
      continue;
    }
    const space = (flags & IN_SPACE) === 0 ? schema.root : readSpace(cursor);
    const { keyCodec } = space;
    if (opcode === OPCODE.put) {
      const deadline = (flags & HAS_DEADLINE) === 0 ? NO_DEADLINE : readDeadline(cursor);
      const key = readKey(keyCodec, record, cursor, end);
      const valueLength = readLength(record, cursor, end);
      const valueStart = cursor.at;
      cursor.at = valueStart + valueLength;
      const reference = definitionIn(space, record, valueStart, cursor.at);
      if (reference !== NO_DEFINITION && !isCovered) schema.assertDefined(reference);
      into.addPut(space, key, valueStart, cursor.at, deadline);
    } else if (opcode === OPCODE.delete) {
      const key = readKey(keyCodec, record, cursor, end);
      if ((flags & EXPIRED) === 0) into.addDelete(space, key);
      else into.addExpire(space, key);
    } else if (opcode === OPCODE.touch) {
      const key = readKey(keyCodec, record, cursor, end);
      into.addTouch(space, key, readLeb128(record, cursor, end));
    } else {
      into.addClear(space, readBounds(keyCodec, record, cursor, end));
    }
  }
}

/** Reads the deadline of a put. */
function readDeadline(cursor: Reading): number {
  const { at, record, end } = cursor;
  const deadline = readLeb128(record, cursor, end);
  if (deadline === NO_DEADLINE) throw undecodable('a put has the deadline 0, which stands for none', at);
  return deadline;
}

/** Reads the rest of a definition, a creation, a drop, a highest now or a highest id. */
function readOfSchema(opcode: number, flags: number, cursor: Reading): void {
  const { schema, record, end, into, lost } = cursor;
  if (opcode === OPCODE.definition) {
    schema.readDefinition(record, cursor, end);
    return;
  }
  if (opcode === OPCODE.drop) {
    into.addDrop(readSpace(cursor));
    return;
  }
  const at = cursor.at;
  const id = readLeb128(record, cursor, end);
  if (opcode === OPCODE.highestId) {
    if (id === 0) throw undecodable('it carries the highest id 0, which is never drawn', at);
    into.addHighestId(id);
    return;
  }
  if (opcode === OPCODE.highestNow) {
    if (id === 0) throw undecodable('it carries the highest time 0, at which nothing is due', at);
    into.addHighestNow(id);
    return;
  }
  if (id > SPACE_ID_MAX) throw undecodable(`space ${id} is above the highest id`, at);
  const name = readText(record, cursor, end);
  const keyCodec = readKeyEncoding(record, cursor, end);
  const definition = new SpaceDefinition(name, keyCodec, readText(record, cursor, end));
  into.definesSpaces = true;
  const known = schema.enteredSpace(id) ?? into.created(id);
  // The log repeats the definition of a space, so that the log can be read from this record on.
  if (known === undefined) into.addCreate(schema.spaceToCreate(id, definition), flags === DEFINED_AGAIN);
  else if (!known.equals(definition) && lost?.has(known) !== true)
    throw undecodable(`space ${id} is defined as another one, too`, at);
}

/** Stands in for the definition of a space that was dropped. Its keys may be any bytes. */
const DROPPED = new SpaceDefinition('', bytesKeyCodec as KeyCodec<unknown>, 'bytes');

/** Reads the id of a space, which must not be the root space, and returns the space. */
function readSpace(cursor: Reading): Space {
  const { schema, record, end, into, isCovered, lost } = cursor;
  const at = cursor.at;
  const id = readLeb128(record, cursor, end);
  const space = id === ROOT_ID ? undefined : (schema.space(id) ?? into.created(id));
  if (space !== undefined) return space;
  if (isCovered && id !== ROOT_ID && id < schema.nextSpaceId) return schema.newSpace(id, DROPPED);
  if (lost !== null && id !== ROOT_ID && id <= SPACE_ID_MAX) {
    const made = lost.make(id);
    into.addCreate(made);
    return made;
  }
  throw undecodable(`nothing says what space ${id} is`, at);
}

function readKeyEncoding(record: Uint8Array, cursor: ReadCursor, end: number): KeyCodec<unknown> {
  const at = cursor.at;
  const name = readText(record, cursor, end);
  try {
    return resolveKeyEncoding('key encoding', name) as KeyCodec<unknown>;
  } catch {
    throw newerVersion(`the key encoding ${name}`, at);
  }
}

function readKey(codec: KeyCodec<unknown>, record: Uint8Array, cursor: ReadCursor, end: number): IndexKey {
  const length = readLength(record, cursor, end);
  const start = cursor.at;
  cursor.at = start + length;
  return codec.read(record, start, cursor.at);
}

function readBound(codec: KeyCodec<unknown>, record: Uint8Array, cursor: ReadCursor, end: number): IndexKey {
  const length = readLength(record, cursor, end);
  const start = cursor.at;
  cursor.at = start + length;
  return codec.readBound(record, start, cursor.at);
}

function readText(record: Uint8Array, cursor: ReadCursor, end: number): string {
  const length = readLength(record, cursor, end);
  const start = cursor.at;
  cursor.at = start + length;
  return readUtf8(record, start, cursor.at);
}

function readBounds(
  codec: KeyCodec<unknown>,
  record: Uint8Array,
  cursor: ReadCursor,
  end: number,
): KeyBounds {
  if (cursor.at >= end) throw undecodable('a clear is cut off', cursor.at);
  const flags = record[cursor.at]!;
  if ((flags & ~BOUND_MASK) !== 0) throw newerVersion(`bound flags ${flags}`, cursor.at);
  const lowInclusive = (flags & BOUND.lowInclusive) !== 0;
  const highInclusive = (flags & BOUND.highInclusive) !== 0;
  if ((lowInclusive && (flags & BOUND.low) === 0) || (highInclusive && (flags & BOUND.high) === 0)) {
    throw undecodable('a bound that is absent cannot be inclusive', cursor.at);
  }
  cursor.at++;
  const low = (flags & BOUND.low) === 0 ? undefined : readBound(codec, record, cursor, end);
  const high = (flags & BOUND.high) === 0 ? undefined : readBound(codec, record, cursor, end);
  // An absent bound counts as inclusive, as in the bounds that resolveRange() returns.
  return {
    low,
    lowInclusive: low === undefined || lowInclusive,
    high,
    highInclusive: high === undefined || highInclusive,
  };
}

function undecodable(what: string, offset: number): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `A record of the store does not decode: ${what}`, { offset });
}

function newerVersion(what: string, offset: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_DECODE',
    {
      what: `A record of the store does not decode: ${what} is unknown, so a newer version of Keelson wrote it`,
      next: NEXT_STEPS.KEELSON_FORMAT_VERSION,
    },
    { offset },
  );
}
