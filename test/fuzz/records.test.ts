// The store's records put together wrongly: kinds, operations, flags, ids of spaces and lengths that lie. What they say, or
// KEELSON_DECODE with the offset; and never a byte of what lies beside the record.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import {
  bytesKeyCodec,
  type KeyCodec,
  tupleKeyCodec,
  utf8KeyCodec,
} from '../../src/kv/encoding/key-encoding.js';
import { writeLeb128 } from '../../src/kv/encoding/leb128.js';
import { CLEAR, DELETE, PUT } from '../../src/kv/write/operation-kinds.js';
import { readBirth, readWriteSet } from '../../src/kv/write/record-reader.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { leb128, lengthAnd } from '../kv/image-tools.js';
import { addSpace, newSchema, plainSpaces } from '../kv/schema-tools.js';
import { anyTuple } from '../kv/tuple-tools.js';
import { anyBytes, codeOf, runs } from './fuzz-tools.js';

const lengthLie = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  fc.integer({ min: -2, max: 2 }),
  fc.constantFrom(127, 128, 2 ** 28, 2 ** 32 - 1, 2 ** 35 - 1),
);

/** A length that may lie, in its shortest form or one byte longer, and the bytes. */
const text = fc
  .tuple(
    fc.oneof(
      anyBytes(200),
      fc.string({ maxLength: 20 }).map((string) => Buffer.from(string)),
      anyTuple.map((tuple) => Buffer.from(tupleKeyCodec.toIndexKey('key', tuple), 'latin1')),
    ),
    lengthLie,
    fc.boolean(),
  )
  .map(([bytes, lie, isLong]) => {
    const length = new Uint8Array(6);
    const end = writeLeb128(length, Math.max(0, bytes.length + lie), 0);
    const rarelyLonger = isLong && lie !== 0;
    if (rarelyLonger) length[end - 1]! |= 0x80;
    return Buffer.concat([length.subarray(0, rarelyLonger ? end + 1 : end), bytes]);
  });

const BYTES_SPACE = 1;
const TUPLE_SPACE = 200;
const MSGPACK_SPACE = 300;

/** The id of a space that is there, of one that is not, or of one that a record may create. */
const spaceId = fc
  .oneof(
    { weight: 8, arbitrary: fc.constantFrom(BYTES_SPACE, TUPLE_SPACE, MSGPACK_SPACE, MSGPACK_SPACE) },
    fc.oneof(fc.constantFrom(0, 301, 302), fc.maxSafeNat()),
  )
  .map((id) => Buffer.from(leb128(id)));

/** A text that is one of those that stand there, or any. */
const textOf = (...usual: readonly string[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...usual).map((string) => Buffer.from(lengthAnd(string))) },
    text,
  );

/** A value that refers to a definition, or starts as if it did. */
const shaped = fc
  .tuple(fc.constantFrom(1, 2), fc.constantFrom(0, 3, 6, 9))
  .map(([id, length]) => Buffer.from(lengthAnd(Uint8Array.of(0xc1, ...Array(length).fill(id)))));

/** Of one of two ids, with one of two lists of names: some of them contradict each other. */
const definition = fc
  .tuple(fc.constantFrom(1, 2), fc.constantFrom(['a'], ['a', 'b']), fc.boolean())
  .map(([id, names, isCut]) => {
    const bytes = [...Array(6).fill(id), names.length, ...names.flatMap(lengthAnd)];
    return Buffer.from(isCut ? bytes.slice(0, -1) : bytes);
  });

const opcode = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 0x11, 0x11, 0x12, 0x13, 0x21, 0x42, 0x17),
  },
  fc.nat(255),
);

function textsOf(byte: number, bounds: number): number {
  if ((byte & 0x0f) === 3) return (bounds & 1) + ((bounds >> 2) & 1);
  return (byte & 0x0f) === 2 || (byte & 0x0f) === 7 ? 1 : 2;
}

const operation = fc
  .record({
    opcode,
    id: spaceId,
    bounds: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 1, 3, 4, 12, 15) }, fc.nat(20)),
    texts: fc.tuple(text, fc.oneof({ weight: 4, arbitrary: text }, shaped)),
    /** Of the texts: as many as the operation has, or others. */
    count: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, fc.nat(2)),
    name: textOf('one', 'new', 'other'),
    keyEncoding: textOf('utf8', 'bytes', 'tuple'),
    valueEncoding: textOf('bytes', 'msgpack'),
    definition,
    deadline: fc.oneof(fc.nat(3), fc.maxSafeNat()),
  })
  .map(
    ({
      opcode: byte,
      id,
      bounds,
      texts,
      count,
      name,
      keyEncoding,
      valueEncoding,
      definition: defined,
      deadline,
    }) => {
      const parts: Uint8Array[] = [Buffer.of(byte)];
      if (byte === 4) parts.push(defined);
      else if (byte === 5) parts.push(id, name, keyEncoding, valueEncoding);
      else if (byte === 6 || byte === 8 || byte === 9) parts.push(id);
      else {
        if ((byte & 0x10) !== 0) parts.push(id);
        if ((byte & 0x2f) === 0x21 || (byte & 0x0f) === 7) parts.push(Buffer.from(leb128(deadline)));
        if ((byte & 0x0f) === 3) parts.push(Buffer.of(bounds));
        parts.push(...texts.slice(0, count ?? textsOf(byte, bounds)));
      }
      return Buffer.concat(parts);
    },
  );

const record = fc
  .tuple(
    fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 2, 2) }, fc.nat(255)),
    fc.array(operation, { maxLength: 6 }),
  )
  .map(([kind, operations]) => new Uint8Array(Buffer.concat([Buffer.of(kind), ...operations])));

const birth = fc
  .tuple(fc.constantFrom(1, 2), fc.constantFrom(0, 1, 1, 1, 2, 255), fc.array(text, { maxLength: 3 }))
  .map(([kind, version, names]) => new Uint8Array(Buffer.concat([Buffer.of(kind, version), ...names])));

const codecs: fc.Arbitrary<KeyCodec<unknown>> = fc.constantFrom(utf8KeyCodec, bytesKeyCodec, tupleKeyCodec);

/** What a reading has found: operations, or the offset of the error; and for what is wrong with definitions its message. */
interface Found {
  readonly operations: readonly unknown[];
  readonly error: number | string | null;
}

/** Reads a record into a schema of its own, whose spaces it leaves alone. */
function read(codec: KeyCodec<unknown>, bytes: Uint8Array, start: number, end: number): Found {
  const schema = newSchema(codec);
  addSpace(schema, BYTES_SPACE, 'one', bytesKeyCodec);
  addSpace(schema, TUPLE_SPACE, 'tuples', tupleKeyCodec);
  addSpace(schema, MSGPACK_SPACE, 'three hundred', utf8KeyCodec, 'msgpack');
  const before = plainSpaces(schema.spaces);
  const writes = new WriteSet(RECORD_BYTES_MAX, schema);
  let error: number | string | null = null;
  try {
    readWriteSet(schema, bytes, start, end, writes);
  } catch (thrown) {
    if (!isKeelsonError(thrown, 'KEELSON_DECODE')) throw thrown;
    const { message, facts } = thrown;
    const isOfDefinition = facts.offset === undefined && message.includes('A value with a shape');
    error = isOfDefinition ? message : facts.offset!;
    if (typeof error !== 'string') assert(error >= 0 && error <= end - start, `the offset ${error}`);
  }
  assert.deepEqual(plainSpaces(schema.spaces), before);
  assert.equal(schema.nextSpaceId, MSGPACK_SPACE + 1);
  return { operations: error === null ? operationsOf(writes, bytes, start, end) : [], error };
}

function operationsOf(writes: WriteSet, bytes: Uint8Array, start: number, end: number): unknown[] {
  let clears = 0;
  return Array.from({ length: writes.count }, (_, at) => {
    const { id, name, keyCodec, valueEncodingName } = writes.spaces[at]!;
    const kind = writes.kinds[at];
    if (kind === PUT) {
      const [from, to] = [writes.valueStarts[at]!, writes.valueEnds[at]!];
      assert(
        writes.bytes === bytes && from >= start && from <= to && to <= end,
        `a value of [${from}, ${to})`,
      );
      return [id, writes.keys[at], Buffer.from(bytes.subarray(from, to)).toString('hex')];
    }
    if (kind === DELETE) return [id, writes.keys[at]];
    if (kind === CLEAR) return [id, writes.bounds[clears++]];
    return [id, kind, name, keyCodec.name, valueEncodingName];
  });
}

describe('a record that lies', () => {
  test('is read alike wherever it stands, and only as far as it goes', () => {
    const counts = { read: 0, refused: 0, ofDefinitions: 0 };
    fc.assert(
      fc.property(record, codecs, fc.nat(40), fc.nat(), (bytes, codec, before, filling) => {
        const around = new Uint8Array(before + bytes.length + 300).fill(filling);
        around.set(bytes, before);
        const alone = read(codec, bytes, 0, bytes.length);
        expect(read(codec, around, before, before + bytes.length)).toEqual(alone);
        if (alone.error === null && alone.operations.length > 0) counts.read++;
        else if (typeof alone.error === 'string') counts.ofDefinitions++;
        else if (alone.error !== null) counts.refused++;
      }),
      runs(2000),
    );
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(50);
    expect(counts.ofDefinitions).toBeGreaterThan(0);
  });

  test('of the birth of a store is read, or is KEELSON_DECODE or KEELSON_FORMAT_VERSION', () => {
    const codes = new Set<string | null>();
    fc.assert(
      fc.property(fc.oneof(birth, anyBytes(40)), (bytes) => {
        codes.add(codeOf(() => readBirth(bytes, '/s')));
      }),
      runs(2000),
    );
    expect(codes).toEqual(new Set([null, 'KEELSON_DECODE', 'KEELSON_FORMAT_VERSION']));
  });
});
