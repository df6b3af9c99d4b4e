// The store's records: what is written is read, has the bytes that the format says, and what was not written so is refused.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import {
  bytesKeyCodec,
  KEY_ENCODING_NAMES,
  type KeyCodec,
  type KeyEncodingName,
  resolveKeyEncoding,
  tupleKeyCodec,
  utf8KeyCodec,
} from '../../src/kv/encoding/key-encoding.js';
import { SCRATCH_BYTES_KEPT_MAX } from '../../src/kv/encoding/scratch.js';
import type { ValueCodec } from '../../src/kv/encoding/value-encoding.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { ROOT_ID, type Space, SpaceDefinition } from '../../src/kv/entries/space.js';
import { CLEAR, CREATE, DELETE, EXPIRE, PUT, TOUCH } from '../../src/kv/write/operation-kinds.js';
import {
  RECORD_FORMAT_VERSION,
  RECORD_KIND_BIRTH,
  RECORD_KIND_WRITE,
} from '../../src/kv/write/record-format.js';
import { isBirth, readBirth, readWriteSet } from '../../src/kv/write/record-reader.js';
import { RecordWriter } from '../../src/kv/write/record-writer.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { BYTES_VALUES, recordIn } from './encoded.js';
import { leb128, lengthAnd } from './image-tools.js';
import { addSpace, newSchema, plainSpaces, putEntry } from './schema-tools.js';
import { anyTuple } from './tuple-tools.js';

type Operation =
  | {
      readonly type: 'put';
      readonly space: number;
      readonly key: string;
      readonly value: Uint8Array;
      readonly deadline?: number;
    }
  | { readonly type: 'touch'; readonly space: number; readonly key: string; readonly deadline: number }
  | { readonly type: 'expire'; readonly space: number; readonly key: string }
  | { readonly type: 'delete'; readonly space: number; readonly key: string }
  | { readonly type: 'clear'; readonly space: number; readonly bounds: KeyBounds }
  | {
      readonly type: 'create';
      readonly space: number;
      readonly name: string;
      readonly keyEncoding: KeyEncodingName;
      readonly valueEncoding: string;
    }
  | { readonly type: 'drop'; readonly space: number };

/** One whose id takes one byte, and one whose id takes two. */
const BYTES_SPACE = 1;
const TUPLE_SPACE = 200;
const UTF8_SPACE = 300;
/** The spaces that are there, and what their keys are. */
const SPACES = new Map<number, KeyCodec<unknown>>([
  [ROOT_ID, utf8KeyCodec],
  [BYTES_SPACE, bytesKeyCodec],
  [TUPLE_SPACE, tupleKeyCodec],
  [UTF8_SPACE, utf8KeyCodec],
]);

/** A schema with those spaces, each with an entry. */
function schemaWithSpaces(valueEncodingName = 'bytes', seed = 1): Schema {
  const schema = newSchema(utf8KeyCodec, valueEncodingName, seed);
  addSpace(schema, BYTES_SPACE, 'one', bytesKeyCodec, valueEncodingName);
  addSpace(schema, TUPLE_SPACE, 'tuples', tupleKeyCodec, valueEncodingName);
  addSpace(schema, UTF8_SPACE, 'three hundred', utf8KeyCodec, valueEncodingName);
  for (const space of schema.spaces) {
    const key = space.keyCodec === tupleKeyCodec ? tupleKeyCodec.toIndexKey('key', ['key']) : 'key';
    putEntry(space, key, 7, `in ${space.name}`);
  }
  return schema;
}

function codecNamed(name: KeyEncodingName): KeyCodec<unknown> {
  return resolveKeyEncoding('key encoding', name) as KeyCodec<unknown>;
}

/** Writes operations, some of them in spaces that others create. Creates that are told twice are written twice. */
function write(writer: RecordWriter, schema: Schema, operations: readonly Operation[]): Uint8Array {
  const created = new Map<number, Space>();
  const spaceOf = (id: number) => (schema.space(id) ?? created.get(id))!;
  writer.begin();
  for (const operation of operations) {
    if (operation.type === 'create') {
      const { space: id, name, keyEncoding, valueEncoding } = operation;
      const definition = new SpaceDefinition(name, codecNamed(keyEncoding), valueEncoding);
      const space = schema.newSpace(id, definition);
      created.set(id, space);
      writer.create(space);
      continue;
    }
    const space = spaceOf(operation.space);
    if (operation.type === 'put')
      writer.put(space, operation.key, BYTES_VALUES, operation.value, 'value', operation.deadline);
    else if (operation.type === 'touch') writer.touch(space, operation.key, operation.deadline);
    else if (operation.type === 'expire') writer.expire(space, operation.key);
    else if (operation.type === 'delete') writer.delete(space, operation.key);
    else if (operation.type === 'clear') writer.clear(space, operation.bounds);
    else writer.drop(space);
  }
  return recordIn(writer.finish());
}

function read(schema: Schema, bytes: Uint8Array, start = 0, end = bytes.length): Operation[] {
  const writes = new WriteSet(RECORD_BYTES_MAX, schema);
  readWriteSet(schema, bytes, start, end, writes);
  let clears = 0;
  return Array.from({ length: writes.count }, (_, at): Operation => {
    const { id, name, keyCodec, valueEncodingName } = writes.spaces[at]!;
    const key = writes.keys[at]!;
    switch (writes.kinds[at]) {
      case PUT:
        return {
          type: 'put',
          space: id,
          key,
          value: writes.bytes.slice(writes.valueStarts[at], writes.valueEnds[at]),
          ...(writes.deadlines[at] !== 0 && { deadline: writes.deadlines[at]! }),
        };
      case TOUCH:
        return { type: 'touch', space: id, key, deadline: writes.deadlines[at]! };
      case EXPIRE:
        return { type: 'expire', space: id, key };
      case DELETE:
        return { type: 'delete', space: id, key };
      case CLEAR:
        return { type: 'clear', space: id, bounds: writes.bounds[clears++]! };
      case CREATE:
        return {
          type: 'create',
          space: id,
          name,
          keyEncoding: keyCodec.name,
          valueEncoding: valueEncodingName,
        };
      default:
        return { type: 'drop', space: id };
    }
  });
}

/** Returns the record of operations, after docs/FORMAT.md and not with the writer. */
function recordOf(operations: readonly Operation[], codecs = SPACES): Uint8Array {
  const created = new Map(codecs);
  const bytes: number[] = [2];
  for (const operation of operations) {
    const { type, space } = operation;
    const isExpiring = operation.type === 'put' && operation.deadline !== undefined;
    const opcode =
      { put: 1, delete: 2, expire: 0x42, clear: 3, create: 5, drop: 6, touch: 7 }[type] |
      (isExpiring ? 0x20 : 0);
    if (operation.type === 'create') {
      const { name, keyEncoding, valueEncoding } = operation;
      created.set(space, codecNamed(keyEncoding));
      bytes.push(opcode, ...leb128(space), ...[name, keyEncoding, valueEncoding].flatMap(lengthAnd));
      continue;
    }
    if (operation.type === 'drop') {
      bytes.push(opcode, ...leb128(space));
      continue;
    }
    const keyEncoding = created.get(space)!.name === 'utf8' ? 'utf8' : 'latin1';
    const keyBytes = (key: string) => lengthAnd(Buffer.from(key, keyEncoding));
    bytes.push(...(space === ROOT_ID ? [opcode] : [opcode | 0x10, ...leb128(space)]));
    if (operation.type === 'put' && operation.deadline !== undefined)
      bytes.push(...leb128(operation.deadline));
    if (operation.type === 'put') bytes.push(...keyBytes(operation.key), ...lengthAnd(operation.value));
    else if (operation.type === 'touch')
      bytes.push(...keyBytes(operation.key), ...leb128(operation.deadline));
    else if (operation.type !== 'clear') bytes.push(...keyBytes(operation.key));
    else {
      const { low, lowInclusive, high, highInclusive } = operation.bounds;
      const isLow = low === undefined ? 0 : lowInclusive ? 3 : 1;
      const isHigh = high === undefined ? 0 : highInclusive ? 12 : 4;
      bytes.push(isLow | isHigh, ...[low, high].flatMap((key) => (key === undefined ? [] : keyBytes(key))));
    }
  }
  return Uint8Array.from(bytes);
}

// Short and long, for the writer has one way for keys whose length surely fits a byte and one for the others.
const utf8Key = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ minLength: 100, maxLength: 300 }),
);
const bytesKey = fc.uint8Array({ maxLength: 300 }).map((bytes) => bytesKeyCodec.toIndexKey('key', bytes));

const tupleKey = anyTuple.map((tuple) => tupleKeyCodec.toIndexKey('key', tuple));
const KEYS = { utf8: utf8Key, bytes: bytesKey, tuple: tupleKey };

function operationIn(space: number, codec: KeyCodec<unknown>): fc.Arbitrary<Operation> {
  const key = KEYS[codec.name];
  // The end of a prefix of tuples is no tuple.
  const end = codec === tupleKeyCodec ? key.map((prefix) => tupleKeyCodec.afterPrefix(prefix)!) : key;
  const bounds: fc.Arbitrary<KeyBounds> = fc
    .record({
      low: fc.option(fc.oneof(key, end), { nil: undefined }),
      lowInclusive: fc.boolean(),
      high: fc.option(fc.oneof(key, end), { nil: undefined }),
      highInclusive: fc.boolean(),
    })
    .map((given) => ({
      ...given,
      lowInclusive: given.low === undefined || given.lowInclusive,
      highInclusive: given.high === undefined || given.highInclusive,
    }));
  const at = fc.constant(space);
  return fc.oneof(
    fc.record({
      type: fc.constant('put' as const),
      space: at,
      key,
      value: fc.uint8Array({ maxLength: 300 }),
    }),
    fc.record({
      type: fc.constant('put' as const),
      space: at,
      key,
      value: fc.uint8Array({ maxLength: 300 }),
      deadline: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    }),
    fc.record({ type: fc.constant('touch' as const), space: at, key, deadline: fc.maxSafeNat() }),
    fc.record({ type: fc.constantFrom('delete' as const, 'expire' as const), space: at, key }),
    fc.record({ type: fc.constant('clear' as const), space: at, bounds }),
  );
}

/** What creates a space, does something in it, and may drop it again. */
const lifeOfSpace: fc.Arbitrary<Operation[]> = fc
  .record({
    type: fc.constant('create' as const),
    space: fc.integer({ min: UTF8_SPACE + 1, max: 40_000 }),
    name: fc.string({ unit: 'binary', maxLength: 200 }),
    keyEncoding: fc.constantFrom(...KEY_ENCODING_NAMES),
    valueEncoding: fc.constantFrom('bytes', 'json', 'mine: ünïcode'),
  })
  .chain((create) =>
    fc
      .tuple(
        fc.array(operationIn(create.space, codecNamed(create.keyEncoding)), { maxLength: 4 }),
        fc.boolean(),
      )
      .map(([inside, isDropped]): Operation[] => [
        create,
        ...inside,
        ...(isDropped ? [{ type: 'drop' as const, space: create.space }] : []),
      ]),
  );

const inSpaces = fc.array(fc.oneof(...[...SPACES].map(([space, codec]) => operationIn(space, codec))), {
  maxLength: 12,
});
const operations: fc.Arbitrary<Operation[]> = fc
  .tuple(inSpaces, fc.option(lifeOfSpace, { nil: [] }), fc.boolean())
  .map(([before, life, isDropped]) => [
    ...before,
    ...life,
    ...(isDropped ? [{ type: 'drop' as const, space: BYTES_SPACE }] : []),
  ]);

function decodeError(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** All that a record that does not decode must leave alone. */
function stateOf(schema: Schema): unknown {
  return { spaces: plainSpaces(schema.spaces), nextSpaceId: schema.nextSpaceId };
}

describe('a write record', () => {
  test('has the bytes that the format says, and reads back as the operations that were written, in order', () => {
    const schema = schemaWithSpaces();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    fc.assert(
      fc.property(operations, (given) => {
        const record = write(writer, schema, given);
        expect(Buffer.from(record).toString('hex')).toBe(Buffer.from(recordOf(given)).toString('hex'));
        expect(isBirth(record)).toBe(false);
        expect(read(schema, record)).toEqual(given);
      }),
      { numRuns: 300 },
    );
  });

  test('has keys of bytes in a store whose own keys are bytes', () => {
    const schema = newSchema(bytesKeyCodec);
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    fc.assert(
      fc.property(fc.array(operationIn(ROOT_ID, bytesKeyCodec), { maxLength: 12 }), (given) => {
        const record = write(writer, schema, given);
        expect(Buffer.compare(record, recordOf(given, new Map([[ROOT_ID, bytesKeyCodec]])))).toBe(0);
        expect(read(schema, record)).toEqual(given);
      }),
    );
  });

  test('of the store itself is the record that it was before there were spaces', () => {
    const schema = schemaWithSpaces();
    const record = write(new RecordWriter(RECORD_BYTES_MAX, schema), schema, [
      { type: 'put', space: ROOT_ID, key: 'é', value: Uint8Array.of(7, 8) },
      { type: 'delete', space: ROOT_ID, key: 'a'.repeat(130) },
      {
        type: 'clear',
        space: ROOT_ID,
        bounds: { low: 'b', lowInclusive: false, high: 'c', highInclusive: true },
      },
      { type: 'clear', space: ROOT_ID, bounds: ALL_KEYS },
    ]);
    expect(Buffer.from(record).toString('hex')).toBe(
      `02 01 02c3a9 02 0708 02 8201 ${'61'.repeat(130)} 03 0d 0162 0163 03 00`.replaceAll(' ', ''),
    );
  });

  test('of spaces has their ids behind the opcodes', () => {
    const schema = schemaWithSpaces();
    const record = write(new RecordWriter(RECORD_BYTES_MAX, schema), schema, [
      { type: 'put', space: BYTES_SPACE, key: 'é', value: Uint8Array.of(7) },
      { type: 'delete', space: UTF8_SPACE, key: 'é' },
      { type: 'clear', space: UTF8_SPACE, bounds: ALL_KEYS },
      { type: 'create', space: 129, name: 'né', keyEncoding: 'bytes', valueEncoding: 'json' },
      { type: 'put', space: 129, key: '\xff', value: new Uint8Array() },
      { type: 'drop', space: UTF8_SPACE },
    ]);
    const created = `05 8101 03 6ec3a9 05 ${Buffer.from('bytes').toString('hex')} 04 ${Buffer.from('json').toString('hex')}`;
    expect(Buffer.from(record).toString('hex')).toBe(
      `02 11 01 01e9 01 07 12 ac02 02c3a9 13 ac02 00 ${created} 11 8101 01ff 00 06 ac02`.replaceAll(' ', ''),
    );
  });

  test('cut off anywhere is KEELSON_DECODE, or the operations that are whole', () => {
    const schema = schemaWithSpaces();
    const before = stateOf(schema);
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    fc.assert(
      fc.property(operations, fc.nat(), (given, at) => {
        const record = write(writer, schema, given);
        const cut = record.subarray(0, at % record.length);
        const error = decodeError(() => {
          expect(read(schema, cut)).toEqual(given.slice(0, read(schema, cut).length));
        });
        if (error !== undefined && !isKeelsonError(error, 'KEELSON_DECODE')) throw error;
      }),
      { numRuns: 500 },
    );
    expect(stateOf(schema)).toEqual(before);
  });

  test('of any bytes at all is read or KEELSON_DECODE, and changes neither spaces nor entries', () => {
    const schema = schemaWithSpaces();
    const before = stateOf(schema);
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    let refused = 0;
    fc.assert(
      fc.property(operations, changes, (given, mutations) => {
        const record = new Uint8Array(write(writer, schema, given));
        for (const [at, byte] of mutations) record[at % record.length] = byte;
        const error = decodeError(() => read(schema, record));
        if (error !== undefined && !isKeelsonError(error, 'KEELSON_DECODE')) throw error;
        if (error !== undefined) refused++;
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(0);
    expect(stateOf(schema)).toEqual(before);
  });

  const hexOf = (...texts: string[]) => Buffer.from(texts.flatMap(lengthAnd)).toString('hex');
  const otherSpace = { message: /space 1 is defined as another one, too/, offset: 2 };
  const unknownSpace = { message: /nothing says what space 5 is/, offset: 2 };
  const noSpace = { message: /nothing says what space 0 is/, offset: 2 };

  const wrong: readonly { what: string; hex: string; message: RegExp; offset: number }[] = [
    { what: 'no bytes', hex: '', message: /the record is empty/, offset: 0 },
    {
      what: 'an unknown kind',
      hex: '03',
      message: /record kind 3 is unknown, so a newer version/,
      offset: 0,
    },
    { what: 'an unknown operation', hex: '020a', message: /operation 10 is unknown/, offset: 1 },
    { what: 'the deadline 0 of a put', hex: '022100016100', message: /stands for none/, offset: 2 },
    { what: 'the highest time 0', hex: '020800', message: /at which nothing is due/, offset: 2 },
    { what: 'a touch that is cut off', hex: '02070161', message: /length/, offset: 4 },
    { what: 'operation 0', hex: '0200', message: /operation 0 is unknown/, offset: 1 },
    {
      what: 'unknown flags on a put',
      hex: '0241016100',
      message: /operation flags in 65 is unknown/,
      offset: 1,
    },
    { what: 'a key length over what is left', hex: '020205616263', message: /length at byte 2/, offset: 2 },
    {
      what: 'a value length over what is left',
      hex: '020101618080808008',
      message: /length at byte 4/,
      offset: 4,
    },
    { what: 'a length without an end', hex: '0202ffff', message: /length at byte 2/, offset: 2 },
    { what: 'a length of six bytes', hex: '0202808080808001', message: /length at byte 2/, offset: 2 },
    { what: 'a length longer than it need be', hex: '0202810061', message: /length at byte 2/, offset: 2 },
    { what: 'no length', hex: '0202', message: /length at byte 2/, offset: 2 },
    { what: 'a key that is not UTF-8', hex: '020201ff', message: /not UTF-8/, offset: 3 },
    { what: 'a clear without bounds', hex: '0203', message: /a clear is cut off/, offset: 2 },
    { what: 'unknown bound flags', hex: '020310', message: /bound flags 16 is unknown/, offset: 2 },
    {
      what: 'an inclusive bound that is absent',
      hex: '020302',
      message: /absent cannot be inclusive/,
      offset: 2,
    },
    { what: 'a put in an unknown space', hex: '021105016100', ...unknownSpace },
    { what: 'a delete in an unknown space', hex: '0212050161', ...unknownSpace },
    { what: 'a clear in an unknown space', hex: '02130500', ...unknownSpace },
    { what: 'a drop of an unknown space', hex: '020605', ...unknownSpace },
    { what: 'a put in the root space by its id', hex: '021100016100', ...noSpace },
    { what: 'a delete in the root space by its id', hex: '0212000161', ...noSpace },
    { what: 'a clear in the root space by its id', hex: '02130000', ...noSpace },
    { what: 'a drop of the root space', hex: '020600', message: /./, offset: 2 },
    { what: 'no id of a space', hex: '0211', message: /length at byte 2/, offset: 2 },
    { what: 'no id in a drop', hex: '0206', message: /length at byte 2/, offset: 2 },
    { what: 'an id longer than it need be', hex: '02118100016100', message: /length at byte 2/, offset: 2 },
    {
      what: 'an id beyond all numbers',
      hex: `0211${'ff'.repeat(7)}7f016100`,
      message: /length at byte 2/,
      offset: 2,
    },
    { what: 'a key of a space that is cut off', hex: '0212010261', message: /length at byte 3/, offset: 3 },
    {
      what: 'a key of a space that is not UTF-8',
      hex: '0212ac0201ff',
      message: /not UTF-8/,
      offset: 5,
    },
    { what: 'a clear of a space without bounds', hex: '021301', message: /a clear is cut off/, offset: 3 },
    {
      what: 'a space under another name',
      hex: `020501${hexOf('two', 'bytes', 'bytes')}`,
      ...otherSpace,
    },
    {
      what: 'a space with other keys',
      hex: `020501${hexOf('one', 'utf8', 'bytes')}`,
      ...otherSpace,
    },
    {
      what: 'a space with other values',
      hex: `020501${hexOf('one', 'bytes', 'json')}`,
      ...otherSpace,
    },
    {
      what: 'two different spaces of one id',
      hex: `020507${hexOf('a', 'utf8', 'json')}0507${hexOf('b', 'utf8', 'json')}`,
      message: /space 7 is defined as another one, too/,
      offset: 2 + 1 + 12 + 1,
    },
    {
      what: 'another root space',
      hex: `020500${hexOf('root', 'utf8', 'bytes')}`,
      message: /space 0 is defined as another one, too/,
      offset: 2,
    },
    { what: 'a space without an id', hex: '0205', message: /length at byte 2/, offset: 2 },
    { what: 'a space without a name', hex: '020507', message: /length at byte 3/, offset: 3 },
    {
      what: 'a space without a key encoding',
      hex: `020507${hexOf('a')}`,
      message: /length at byte 5/,
      offset: 5,
    },
    {
      what: 'a space without a value encoding',
      hex: `020507${hexOf('a', 'utf8')}`,
      message: /length at byte 10/,
      offset: 10,
    },
    {
      what: 'a space with a name that is not UTF-8',
      hex: '02050701ff',
      message: /not UTF-8/,
      offset: 4,
    },
    {
      what: 'a space with unknown keys',
      hex: `020507${hexOf('a', 'latin1', 'json')}`,
      message: /the key encoding latin1 is unknown, so a newer version/,
      offset: 5,
    },
    {
      what: 'a put before its space is there',
      hex: `021107016100 0507${hexOf('a', 'utf8', 'json')}`.replace(' ', ''),
      message: /nothing says what space 7 is/,
      offset: 2,
    },
    {
      what: 'something wrong behind spaces that are right',
      hex: `020507${hexOf('a', 'utf8', 'json')}0601110701610015`,
      message: /operation flags in 21 is unknown/,
      offset: 2 + 1 + 12 + 2 + 5,
    },
    { what: 'the id of a definition that is cut off', hex: '0204010203', message: /cut off/, offset: 2 },
  ];

  test.each(wrong)(
    'with $what is KEELSON_DECODE, says where, and changes nothing',
    ({ hex, message, offset }) => {
      const schema = schemaWithSpaces();
      const before = stateOf(schema);
      const error = decodeError(() => read(schema, Buffer.from(hex, 'hex')));
      expect(error).toMatchObject({ code: 'KEELSON_DECODE', facts: { offset } });
      expect((error as Error).message).toMatch(message);
      expect(stateOf(schema)).toEqual(before);
    },
  );

  test.each(wrong)('with $what says the same when other bytes are around it', ({ hex, message, offset }) => {
    const record = Buffer.from(hex, 'hex');
    const bytes = Buffer.concat([Buffer.alloc(9, 0x02), record, Buffer.alloc(300, 0x01)]);
    const schema = schemaWithSpaces();
    const before = stateOf(schema);
    const error = decodeError(() => read(schema, bytes, 9, 9 + record.length));
    expect(error).toMatchObject({ code: 'KEELSON_DECODE', facts: { offset } });
    expect((error as Error).message).toMatch(message);
    expect(stateOf(schema)).toEqual(before);
  });

  // The flags of each operation, as docs/FORMAT.md has them.
  const FLAGS = new Map([
    [1, 0x30],
    [2, 0x50],
    [3, 0x10],
    [4, 0],
    [5, 0x20],
    [6, 0],
    [7, 0x10],
    [8, 0],
    [9, 0],
  ]);

  test('with any operation but those nine, or any flag that it does not have, is KEELSON_DECODE there', () => {
    const schema = schemaWithSpaces();
    const first = [0x12, 0x01, 0x01, 0x61];
    let refused = 0;
    for (let operation = 0; operation <= 0xff; operation++) {
      const opcode = operation & 0x0f;
      const flags = operation & 0xf0;
      const knownFlags = FLAGS.get(opcode);
      if (knownFlags !== undefined && (flags & ~knownFlags) === 0) continue;
      refused++;
      const message =
        knownFlags !== undefined
          ? `operation flags in ${operation} is unknown`
          : `operation ${operation} is unknown`;
      for (const before of [[], first]) {
        // Whatever follows could be read as the rest of any operation.
        const record = Uint8Array.of(2, ...before, operation, 1, 1, 1, 1, 1, 1);
        const error = decodeError(() => read(schema, record));
        expect(error).toMatchObject({ code: 'KEELSON_DECODE', facts: { offset: 1 + before.length } });
        expect((error as Error).message).toContain(message);
      }
    }
    expect(refused).toBe(256 - 9 - 3 - 3 - 1 - 1 - 1);
  });

  test('may define a space again, if alike, which creates it once', () => {
    const schema = schemaWithSpaces();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const one = { type: 'create', space: BYTES_SPACE, name: 'one', keyEncoding: 'bytes' } as const;
    const seven = {
      type: 'create',
      space: 7,
      name: 'a',
      keyEncoding: 'utf8',
      valueEncoding: 'json',
    } as const;
    const puts = [BYTES_SPACE, 7].map(
      (space) => ({ type: 'put', space, key: 'k', value: Uint8Array.of(1) }) as const,
    );
    const record = write(writer, schema, [
      { ...one, valueEncoding: 'bytes' },
      seven,
      puts[0]!,
      seven,
      puts[1]!,
      { ...one, valueEncoding: 'bytes' },
      seven,
    ]);
    expect(read(schema, record)).toEqual([seven, ...puts]);
    const root = { type: 'create', space: ROOT_ID, name: '', keyEncoding: 'utf8' } as const;
    expect(read(schema, recordOf([{ ...root, valueEncoding: 'bytes' }]))).toEqual([]);
  });

  test('creates spaces that have nothing in them, and are not in the schema yet', () => {
    const schema = schemaWithSpaces();
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    const create = {
      type: 'create',
      space: 400,
      name: 'n',
      keyEncoding: 'bytes',
      valueEncoding: 'own',
    } as const;
    const record = recordOf([create]);
    readWriteSet(schema, record, 0, record.length, writes);
    const [space] = writes.spaces;
    expect(space).toMatchObject({ id: 400, name: 'n', valueEncodingName: 'own', lastLsn: 0 });
    expect(space!.keyCodec).toBe(bytesKeyCodec);
    expect(space!.entries.size).toBe(0);
    expect(writes.created(400)).toBe(space);
    expect([writes.created(401), schema.space(400), schema.nextSpaceId]).toEqual([undefined, undefined, 301]);
  });
});

describe('a birth record', () => {
  const birthOf = (keyEncodingName: string, valueEncodingName: string) =>
    new Uint8Array(new RecordWriter(RECORD_BYTES_MAX, newSchema()).birth(keyEncodingName, valueEncodingName));

  test('reads back', () => {
    const record = birthOf('utf8', 'mine: ünïcode');
    expect(record[0]).toBe(RECORD_KIND_BIRTH);
    expect(isBirth(record)).toBe(true);
    expect(readBirth(record, '/s')).toEqual({
      formatVersion: RECORD_FORMAT_VERSION,
      keyEncodingName: 'utf8',
      valueEncodingName: 'mine: ünïcode',
    });
  });

  test('is told by its first byte, wherever it stands', () => {
    const bytes = Uint8Array.of(RECORD_KIND_WRITE, RECORD_KIND_BIRTH, RECORD_KIND_WRITE);
    expect([isBirth(bytes, 0, 3), isBirth(bytes, 1, 3), isBirth(bytes, 1, 2), isBirth(bytes, 2, 3)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect([isBirth(bytes, 1, 1), isBirth(new Uint8Array())]).toEqual([false, false]);
  });

  test('has the bytes that the format says', () => {
    expect(Buffer.from(birthOf('bytes', 'json')).toString('latin1')).toBe('\x01\x01\x05bytes\x04json');
  });

  test('of a later format is KEELSON_FORMAT_VERSION', () => {
    const record = birthOf('utf8', 'json');
    record[1] = RECORD_FORMAT_VERSION + 1;
    expect(decodeError(() => readBirth(record, '/s'))).toMatchObject({
      code: 'KEELSON_FORMAT_VERSION',
      facts: { path: '/s' },
    });
  });

  test('cut off, or with bytes behind it, or of another kind, is KEELSON_DECODE', () => {
    const record = birthOf('utf8', 'json');
    const decode = { code: 'KEELSON_DECODE' };
    for (let length = 0; length < record.length; length++) {
      expect(decodeError(() => readBirth(record.subarray(0, length), '/s'))).toMatchObject(decode);
    }
    expect(decodeError(() => readBirth(Uint8Array.of(...record, 0), '/s'))).toMatchObject(decode);
    expect(decodeError(() => readBirth(Uint8Array.of(RECORD_KIND_WRITE), '/s'))).toMatchObject(decode);
    expect(decodeError(() => read(newSchema(), record))).toMatchObject(decode);
  });
});

describe('the record writer', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const put = (value: Uint8Array, space = ROOT_ID): Operation => ({ type: 'put', space, key: 'k', value });

  test('lets giant memory go at the next record', () => {
    const schema = newSchema();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const giant = new Uint8Array(3 * SCRATCH_BYTES_KEPT_MAX).fill(5);
    const record = write(writer, schema, [put(giant)]);
    const [operation] = read(schema, record);
    expect(Buffer.compare((operation as { value: Uint8Array }).value, giant)).toBe(0);
    expect(record.buffer.byteLength).toBeGreaterThan(SCRATCH_BYTES_KEPT_MAX);
    writer.begin();
    expect(writer.finish().bytes.byteLength).toBeLessThanOrEqual(SCRATCH_BYTES_KEPT_MAX);
  });

  test('lets giant memory go at once when it is released, and none that serves the next record', () => {
    const schema = newSchema();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    for (const [bytes, allocations] of [
      [100_000, 0],
      [3 * SCRATCH_BYTES_KEPT_MAX, 1],
    ] as const) {
      write(writer, schema, [put(new Uint8Array(bytes))]);
      const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
      writer.release();
      write(writer, schema, [put(new Uint8Array(100))]);
      expect(allocate.mock.calls).toHaveLength(allocations);
      vi.restoreAllMocks();
    }
  });

  // The copy that moves a put behind its definition counted against the limit.
  test('writes a record of exactly the limit when a definition comes before its last put', () => {
    const limit = 40_000;
    for (const over of [0, 1]) {
      const schema = schemaWithSpaces('msgpack');
      const { root, msgpack } = schema;
      const value = { id: 1, name: 'x'.repeat(5000) };
      const probe = new RecordWriter(RECORD_BYTES_MAX, schema);
      for (let times = 0; times < 8; times++) {
        probe.begin();
        probe.put(root, 'k', msgpack, value, 'value');
      }
      const shapedBytes = probe.finish().at - 1;
      const writer = new RecordWriter(limit, schema);
      writer.begin();
      // Kind, opcode, and a key with two bytes of length.
      writer.delete(root, 'd'.repeat(limit - 1 - shapedBytes - 3 - 1 + over - 1));
      writer.put(root, 'k', msgpack, value, 'value');
      if (over === 0) expect(writer.finish().at).toBeLessThanOrEqual(limit);
      expect(writer.length).toBe(limit - 1 + over);
    }
  });

  test('writes every operation whole, however little room is left in its memory', () => {
    const MEMORY_BYTES = 16 * 1024;
    const short = 'ab';
    const long = 'é'.repeat(200);
    const between = (low: string, high: string): Operation => ({
      type: 'clear',
      space: ROOT_ID,
      bounds: { low, lowInclusive: true, high, highInclusive: false },
    });
    const last: Operation[] = [ROOT_ID, UTF8_SPACE].flatMap((space) =>
      [short, long].flatMap((key): Operation[] => [
        { type: 'put', space, key, value: Uint8Array.of(1, 2, 3) },
        { type: 'delete', space, key },
        { ...between(key, short), space } as Operation,
        { ...between(short, key), space } as Operation,
      ]),
    );
    const rooms = [...Array(24).keys(), ...Array.from({ length: 24 }, (_, at) => 392 + at)];
    for (const operation of last) {
      for (const room of rooms) {
        const schema = schemaWithSpaces();
        const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
        // Kind, opcode, the key with its length, and two bytes of the value's length.
        const value = new Uint8Array(MEMORY_BYTES - room - 6);
        const first: Operation = { type: 'put', space: ROOT_ID, key: 'f', value };
        expect(write(writer, schema, [first])).toHaveLength(MEMORY_BYTES - room);
        const record = write(writer, schema, [first, operation]);
        expect(read(schema, record).at(-1), `${room} bytes left`).toEqual(operation);
      }
    }
  });

  test('writes a record of exactly the limit, refuses one more byte, and goes on with the next', () => {
    for (const limit of [64, 40_000]) {
      const schema = newSchema();
      const writer = new RecordWriter(limit, schema);
      // Kind, opcode, one byte of key length, the key, and the value's length and bytes.
      const lengthBytes = limit > 128 ? 3 : 1;
      const value = new Uint8Array(limit - 4 - lengthBytes);
      expect(write(writer, schema, [put(value)])).toHaveLength(limit);
      const tooLong = new Uint8Array(value.length + 1);
      expect(decodeError(() => write(writer, schema, [put(tooLong)]))).toMatchObject({
        code: 'KEELSON_RECORD_TOO_LARGE',
      });
      const small: Operation[] = [{ type: 'delete', space: ROOT_ID, key: 'k' }];
      expect(read(schema, write(writer, schema, small))).toEqual(small);
    }
  });

  // An encoder asks for the worst case: a small value at the end of a large batch was refused, though it fitted.
  test.each([
    ['a number', 1],
    ['a text', 'x'.repeat(5000)],
    ['a text that is longer in the worst case', 'x'.repeat(15_000)],
    ['a Date', new Date(5)],
  ])(
    'writes a record of exactly the limit when %s is its last value, and refuses one more byte',
    (_, value) => {
      const schema = newSchema(utf8KeyCodec, 'msgpack');
      const probe = new RecordWriter(RECORD_BYTES_MAX, schema);
      probe.begin();
      probe.put(schema.root, 'k', schema.msgpack, value, 'value');
      const putBytes = probe.length - 1;
      for (const limit of [40_000, 100_000]) {
        const writer = new RecordWriter(limit, schema);
        const fillUpTo = (bytes: number) => {
          writer.begin();
          // A kind; an opcode and three bytes of length.
          writer.delete(schema.root, 'd'.repeat(bytes - putBytes - 1 - 4));
          writer.put(schema.root, 'k', schema.msgpack, value, 'value');
          return writer.finish();
        };
        expect(fillUpTo(limit).at).toBe(limit);
        expect(decodeError(() => fillUpTo(limit + 1))).toMatchObject({ code: 'KEELSON_RECORD_TOO_LARGE' });
      }
    },
  );

  test('refuses a record far over the limit before it makes room for it', () => {
    const schema = newSchema();
    const writer = new RecordWriter(1000, schema);
    const value = new Uint8Array(1_000_000);
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    writer.begin();
    expect(decodeError(() => writer.put(schema.root, 'k', BYTES_VALUES, value, 'value'))).toMatchObject({
      code: 'KEELSON_RECORD_TOO_LARGE',
    });
    expect(allocate.mock.calls.filter(([bytes]) => bytes >= value.length)).toEqual([]);
  });

  test('passes on what an encoder throws, and writes the next record as ever', () => {
    const schema = schemaWithSpaces();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const own = new Error('mine');
    const angry: ValueCodec<unknown> = {
      name: 'angry',
      encode: (_value, _argument, out) => {
        out.append(new Uint8Array(200));
        throw own;
      },
      decode: () => null,
    };
    const given = [put(Uint8Array.of(1)), put(new Uint8Array(130), BYTES_SPACE)];
    writer.begin();
    writer.put(schema.root, 'before', BYTES_VALUES, Uint8Array.of(7), 'value');
    expect(decodeError(() => writer.put(schema.root, 'k', angry, 1, 'value'))).toBe(own);
    expect(Buffer.compare(write(writer, schema, given), recordOf(given))).toBe(0);
  });

  test('puts the shortest length before every value, whatever the lengths before it, in one record and the next', () => {
    const schema = schemaWithSpaces();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const length = fc.constantFrom(0, 1, 126, 127, 128, 129, 300, 16_382, 16_383, 16_384, 16_385, 20_000);
    const space = fc.constantFrom(ROOT_ID, BYTES_SPACE, UTF8_SPACE);
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(length, space), { maxLength: 6 }), { maxLength: 4 }),
        (records) => {
          for (const lengths of records) {
            const given = lengths.map(([bytes, id], at) => put(new Uint8Array(bytes).fill(at + 1), id));
            const record = write(writer, schema, given);
            expect(Buffer.compare(record, recordOf(given))).toBe(0);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each([
    [127, 128],
    [16_383, 16_384],
    [2 ** 21 - 1, 2 ** 21],
  ])('says where values are when their lengths are %i and %i by turns', (short, long) => {
    const schema = newSchema();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    writer.begin();
    const values = [short, long, short, short, long, long, short].map((bytes, at) =>
      new Uint8Array(bytes).fill(at),
    );
    const places = values.map((value, at) => {
      writer.put(schema.root, `k${at}`, BYTES_VALUES, value, 'value');
      return [writer.valueStart, writer.length] as const;
    });
    const record = recordIn(writer.finish());
    expect(record.length).toBe(writer.length);
    for (const [at, [start, end]] of places.entries()) {
      expect(Buffer.compare(record.subarray(start, end), values[at]!)).toBe(0);
    }
    const found = read(schema, record).map((operation) => (operation as { value: Uint8Array }).value);
    expect(found.map((value, at) => Buffer.compare(value, values[at]!))).toEqual(values.map(() => 0));
  });
});

describe('a definition', () => {
  const names = ['id', 'name'];
  const user = (id: number, name = 'Ada') => ({ id, name });
  const order = (sum: number) => ({ sum, items: [sum] });

  /** A schema whose msgpack has seen these objects often enough. */
  function schemaThatKnows(...values: readonly unknown[]): Schema {
    const schema = schemaWithSpaces('msgpack');
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    for (let times = 0; times < 10; times++) {
      writer.begin();
      for (const value of values) writer.put(schema.root, 'k', schema.msgpack, value, 'value');
    }
    return schema;
  }

  interface Put {
    readonly space: number;
    readonly key: string;
    readonly value: unknown;
  }

  function writePuts(writer: RecordWriter, schema: Schema, puts: readonly Put[]): Uint8Array {
    writer.begin();
    for (const { space, key, value } of puts) {
      const valueStart = writer.length;
      writer.put(schema.space(space)!, key, schema.msgpack, value, 'value');
      expect(writer.valueStart).toBeGreaterThan(valueStart);
      const record = recordIn(writer.finish());
      expect(schema.msgpack.decode(record, writer.valueStart, writer.length)).toEqual(value);
    }
    return recordIn(writer.finish());
  }

  /** Reads a record into a schema that has seen nothing of these values. */
  function readPuts(record: Uint8Array, schema = schemaWithSpaces('msgpack', 2)): Put[] {
    return read(schema, record).map((operation) => {
      const { space, key, value } = operation as { space: number; key: string; value: Uint8Array };
      return { space, key, value: schema.msgpack.decode(value, 0, value.length) };
    });
  }

  /** How many definitions with these names there are in a record. */
  function definitionsIn(record: Uint8Array, given = names): number {
    const text = Buffer.from([given.length, ...given.flatMap(lengthAnd)]).toString('latin1');
    return Buffer.from(record).toString('latin1').split(text).length - 1;
  }

  test('stands right before the first put that refers to it, and no other', () => {
    const schema = schemaThatKnows(user(1), order(1));
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const puts = [
      { space: ROOT_ID, key: 'plain', value: [1] },
      { space: BYTES_SPACE, key: 'a', value: user(1) },
      { space: UTF8_SPACE, key: 'b', value: user(2) },
      { space: ROOT_ID, key: 'c', value: order(3) },
      { space: ROOT_ID, key: 'd', value: user(4) },
    ];
    const record = writePuts(writer, schema, puts);
    expect(readPuts(record)).toEqual(puts);
    expect([definitionsIn(record), definitionsIn(record, ['sum', 'items'])]).toEqual([1, 1]);
    // Kind, and the put of [1]; then the definition, and the put in space 1.
    const start = 1 + 1 + 6 + 1 + 2;
    expect(record[start]).toBe(4);
    const put = start + 1 + 6 + 1 + 3 + 5;
    expect([...record.subarray(put, put + 4)]).toEqual([0x11, 1, 1, 0x61]);
  });

  test('stands before its put whatever the lengths of key and value, and of the value before', () => {
    const schema = schemaThatKnows(user(1));
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    // Of a text that may be too large to be written without the library, no more.
    const length = fc.constantFrom(0, 1, 100, 127, 128, 300, 5000);
    const space = fc.constantFrom(ROOT_ID, BYTES_SPACE, UTF8_SPACE);
    const put = fc
      .tuple(space, fc.constantFrom(0, 1, 42, 43, 127, 128, 60_000), length, fc.boolean())
      .map(([id, keyLength, bytes, isShaped]) => ({
        space: id,
        key: 'k'.repeat(keyLength),
        value: isShaped ? user(bytes, 'x'.repeat(bytes)) : 'y'.repeat(4 * bytes),
      }));
    fc.assert(
      fc.property(fc.array(put, { maxLength: 5 }), (puts) => {
        const record = writePuts(writer, schema, puts);
        expect(readPuts(record)).toEqual(puts);
        expect(definitionsIn(record)).toBe(puts.some(({ value }) => typeof value === 'object') ? 1 : 0);
      }),
      { numRuns: 200 },
    );
  });

  test('is in every record until one of them is in the log, and again in the next epoch', () => {
    const schema = schemaThatKnows(user(1));
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const count = () =>
      definitionsIn(writePuts(writer, schema, [{ space: ROOT_ID, key: 'k', value: user(1) }]));
    expect([count(), count()]).toEqual([1, 1]);
    writer.appended(1);
    expect([count(), count()]).toEqual([0, 0]);
    writer.appended(1);
    expect(count()).toBe(0);
    schema.startEpoch(1);
    expect([count(), count()]).toEqual([1, 1]);
    // A record that was given up is in no log.
    writer.begin();
    writer.appended(1);
    expect(count()).toBe(1);
  });

  test('is in the records of each writer until the log has it', () => {
    const schema = schemaThatKnows(user(1));
    const [one, other] = [0, 1].map(() => new RecordWriter(RECORD_BYTES_MAX, schema));
    const put = { space: ROOT_ID, key: 'k', value: user(1) };
    const counts = [one!, other!].map((writer) => definitionsIn(writePuts(writer, schema, [put])));
    expect(counts).toEqual([1, 1]);
    one!.appended(1);
    expect(definitionsIn(writePuts(other!, schema, [put]))).toBe(0);
  });

  test('is not for values of spaces that have none, whatever their bytes', () => {
    const schema = schemaWithSpaces('bytes');
    const value = Uint8Array.of(0xc1, 1, 2, 3, 4, 5, 6, 7);
    for (const bytes of [value, value.subarray(0, 1), value.subarray(0, 4)]) {
      const given: Operation[] = [{ type: 'put', space: ROOT_ID, key: 'k', value: bytes }];
      const record = write(new RecordWriter(RECORD_BYTES_MAX, schema), schema, given);
      expect(Buffer.compare(record, recordOf(given))).toBe(0);
      expect(read(schema, record)).toEqual(given);
    }
  });

  test('that nothing has given, or an id that is cut off, is KEELSON_DECODE and changes nothing', () => {
    const schema = schemaWithSpaces('msgpack');
    const before = stateOf(schema);
    for (const value of [Uint8Array.of(0xc1, 1, 2, 3, 4, 5, 6, 7), Uint8Array.of(0xc1, 1, 2)]) {
      for (const space of SPACES.keys()) {
        const record = recordOf([
          { type: 'delete', space, key: 'key' },
          { type: 'put', space, key: 'k', value },
        ]);
        expect(decodeError(() => read(schema, record))).toMatchObject({ code: 'KEELSON_DECODE' });
      }
    }
    expect(stateOf(schema)).toEqual(before);
  });

  test('is good wherever it stands, also in a record that does not decode', () => {
    const schema = schemaThatKnows(user(1));
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    const put = { space: ROOT_ID, key: 'k', value: user(1) };
    const record = Uint8Array.of(...writePuts(writer, schema, [put]), 0x0a);
    writer.appended(1);
    const other = schemaWithSpaces('msgpack', 2);
    const before = stateOf(other);
    expect(decodeError(() => read(other, record))).toMatchObject({
      code: 'KEELSON_DECODE',
      facts: { offset: record.length - 1 },
    });
    expect(stateOf(other)).toEqual(before);
    const next = writePuts(writer, schema, [put]);
    expect(definitionsIn(next)).toBe(0);
    expect(readPuts(next, other)).toEqual([put]);
  });
});
