// The store's journal record: what is written is read, and what was not written so is refused.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec, type KeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import {
  RECORD_FORMAT_VERSION,
  RECORD_KIND_BIRTH,
  RECORD_KIND_WRITE,
  RecordWriter,
  readBirth,
  readWrites,
  recordKind,
  SCRATCH_BYTES_KEPT_MAX,
} from '../../src/kv/write/record-codec.js';

const RECORD_BYTES_MAX = 2 ** 28 - 1;

type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'clear'; readonly bounds: KeyBounds };

function write(writer: RecordWriter, codec: KeyCodec<unknown>, operations: readonly Operation[]): Uint8Array {
  writer.begin();
  for (const operation of operations) {
    if (operation.type === 'put') writer.put(codec, operation.key, operation.value);
    else if (operation.type === 'delete') writer.delete(codec, operation.key);
    else writer.clear(codec, operation.bounds);
  }
  return writer.finish();
}

function read(codec: KeyCodec<unknown>, record: Uint8Array): Operation[] {
  const operations: Operation[] = [];
  readWrites(codec, record, 0, record.length, {
    put: (key, bytes, start, end) =>
      operations.push({ type: 'put', key, value: new Uint8Array(bytes.subarray(start, end)) }),
    delete: (key) => operations.push({ type: 'delete', key }),
    clear: (bounds) => operations.push({ type: 'clear', bounds }),
    shape: () => {},
  });
  return operations;
}

function operationsWith(key: fc.Arbitrary<string>): fc.Arbitrary<Operation[]> {
  const bounds: fc.Arbitrary<KeyBounds> = fc
    .record({
      low: fc.option(key, { nil: undefined }),
      lowInclusive: fc.boolean(),
      high: fc.option(key, { nil: undefined }),
      highInclusive: fc.boolean(),
    })
    .map((given) => ({
      ...given,
      lowInclusive: given.low === undefined || given.lowInclusive,
      highInclusive: given.high === undefined || given.highInclusive,
    }));
  return fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('put' as const), key, value: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ type: fc.constant('delete' as const), key }),
      fc.record({ type: fc.constant('clear' as const), bounds }),
    ),
    { maxLength: 12 },
  );
}

// Short and long, for the writer has one way for keys whose length surely fits a byte and one for the others.
const utf8Key = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ minLength: 100, maxLength: 300 }),
);
const bytesKey = fc.uint8Array({ maxLength: 300 }).map((bytes) => bytesKeyCodec.toIndexKey('key', bytes));
const utf8Operations = operationsWith(utf8Key);

function decodeError(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a write record', () => {
  test('reads back as the operations that were written, in order', () => {
    const writer = new RecordWriter(RECORD_BYTES_MAX, null);
    fc.assert(
      fc.property(utf8Operations, (operations) => {
        const record = write(writer, utf8KeyCodec, operations);
        expect(recordKind(record)).toBe(RECORD_KIND_WRITE);
        expect(read(utf8KeyCodec, record)).toEqual(operations);
      }),
    );
    fc.assert(
      fc.property(operationsWith(bytesKey), (operations) => {
        expect(read(bytesKeyCodec, write(writer, bytesKeyCodec, operations))).toEqual(operations);
      }),
    );
  });

  test('has the bytes that the format says', () => {
    const record = write(new RecordWriter(RECORD_BYTES_MAX, null), utf8KeyCodec, [
      { type: 'put', key: 'é', value: Uint8Array.of(7, 8) },
      { type: 'delete', key: 'a'.repeat(130) },
      { type: 'clear', bounds: { low: 'b', lowInclusive: false, high: 'c', highInclusive: true } },
      { type: 'clear', bounds: ALL_KEYS },
    ]);
    expect(Buffer.from(record).toString('hex')).toBe(
      `02 01 02c3a9 02 0708 02 8201 ${'61'.repeat(130)} 03 0d 0162 0163 03 00`.replaceAll(' ', ''),
    );
  });

  test('cut off anywhere is KEELSON_DECODE, or the operations that are whole', () => {
    const writer = new RecordWriter(RECORD_BYTES_MAX, null);
    fc.assert(
      fc.property(utf8Operations, fc.nat(), (operations, at) => {
        const record = write(writer, utf8KeyCodec, operations);
        const cut = record.subarray(0, at % record.length);
        const error = decodeError(() => {
          expect(read(utf8KeyCodec, cut)).toEqual(operations.slice(0, read(utf8KeyCodec, cut).length));
        });
        if (error !== undefined && !isKeelsonError(error, 'KEELSON_DECODE')) throw error;
      }),
      { numRuns: 500 },
    );
  });

  test('of any bytes at all is read or KEELSON_DECODE', () => {
    const writer = new RecordWriter(RECORD_BYTES_MAX, null);
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    let refused = 0;
    fc.assert(
      fc.property(utf8Operations, changes, (operations, mutations) => {
        const record = new Uint8Array(write(writer, utf8KeyCodec, operations));
        for (const [at, byte] of mutations) record[at % record.length] = byte;
        const error = decodeError(() => read(utf8KeyCodec, record));
        if (error !== undefined && !isKeelsonError(error, 'KEELSON_DECODE')) throw error;
        if (error !== undefined) refused++;
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  const wrong: readonly { what: string; hex: string; message: RegExp; offset: number }[] = [
    { what: 'no bytes', hex: '', message: /the record is empty/, offset: 0 },
    {
      what: 'an unknown kind',
      hex: '03',
      message: /record kind 3 is unknown, so a newer version/,
      offset: 0,
    },
    { what: 'an unknown operation', hex: '0205', message: /operation 5 is unknown/, offset: 1 },
    { what: 'operation 0', hex: '0200', message: /operation 0 is unknown/, offset: 1 },
    { what: 'flags on a put', hex: '0211016100', message: /operation flags in 17 is unknown/, offset: 1 },
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
  ];

  test.each(wrong)('with $what is KEELSON_DECODE, and says where', ({ hex, message, offset }) => {
    const error = decodeError(() => read(utf8KeyCodec, Buffer.from(hex, 'hex')));
    expect(error).toMatchObject({ code: 'KEELSON_DECODE', facts: { offset } });
    expect((error as Error).message).toMatch(message);
  });

  test.each(wrong)('with $what says the same when other bytes are around it', ({ hex, message, offset }) => {
    const record = Buffer.from(hex, 'hex');
    const bytes = Buffer.concat([Buffer.alloc(9, 0x02), record, Buffer.alloc(300, 0x01)]);
    const visitor = { put: () => {}, delete: () => {}, clear: () => {}, shape: () => {} };
    const error = decodeError(() => readWrites(utf8KeyCodec, bytes, 9, 9 + record.length, visitor));
    expect(error).toMatchObject({ code: 'KEELSON_DECODE', facts: { offset } });
    expect((error as Error).message).toMatch(message);
  });
});

describe('a birth record', () => {
  test('reads back', () => {
    const record = new RecordWriter(RECORD_BYTES_MAX, null).birth('utf8', 'mine: ünïcode');
    expect(recordKind(record)).toBe(RECORD_KIND_BIRTH);
    expect(readBirth(record, '/s')).toEqual({
      formatVersion: RECORD_FORMAT_VERSION,
      keyEncodingName: 'utf8',
      valueEncodingName: 'mine: ünïcode',
    });
  });

  test('has the bytes that the format says', () => {
    const record = new RecordWriter(RECORD_BYTES_MAX, null).birth('bytes', 'json');
    expect(Buffer.from(record).toString('latin1')).toBe('\x01\x01\x05bytes\x04json');
  });

  test('of a later format is KEELSON_FORMAT_VERSION', () => {
    const record = new Uint8Array(new RecordWriter(RECORD_BYTES_MAX, null).birth('utf8', 'json'));
    record[1] = RECORD_FORMAT_VERSION + 1;
    expect(decodeError(() => readBirth(record, '/s'))).toMatchObject({
      code: 'KEELSON_FORMAT_VERSION',
      facts: { path: '/s' },
    });
  });

  test('cut off, or with bytes behind it, or of another kind, is KEELSON_DECODE', () => {
    const record = new Uint8Array(new RecordWriter(RECORD_BYTES_MAX, null).birth('utf8', 'json'));
    const decode = { code: 'KEELSON_DECODE' };
    for (let length = 0; length < record.length; length++) {
      expect(decodeError(() => readBirth(record.subarray(0, length), '/s'))).toMatchObject(decode);
    }
    expect(decodeError(() => readBirth(Uint8Array.of(...record, 0), '/s'))).toMatchObject(decode);
    expect(decodeError(() => readBirth(Uint8Array.of(RECORD_KIND_WRITE), '/s'))).toMatchObject(decode);
    expect(decodeError(() => read(utf8KeyCodec, record))).toMatchObject(decode);
  });
});

describe('the record writer', () => {
  test('lets a giant scratch buffer go at the next record', () => {
    const writer = new RecordWriter(RECORD_BYTES_MAX, null);
    const giant = new Uint8Array(3 * SCRATCH_BYTES_KEPT_MAX).fill(5);
    const [operation] = read(
      utf8KeyCodec,
      write(writer, utf8KeyCodec, [{ type: 'put', key: 'k', value: giant }]),
    );
    expect(Buffer.compare((operation as { value: Uint8Array }).value, giant)).toBe(0);
    expect(writer.scratchBytes).toBeGreaterThan(SCRATCH_BYTES_KEPT_MAX);
    writer.begin();
    expect(writer.scratchBytes).toBeLessThanOrEqual(SCRATCH_BYTES_KEPT_MAX);
  });

  test('writes every operation whole, however little room is left in its memory', () => {
    const short = 'ab';
    const long = 'é'.repeat(200);
    const everything: Operation = { type: 'clear', bounds: ALL_KEYS };
    const between = (low: string, high: string): Operation => ({
      type: 'clear',
      bounds: { low, lowInclusive: true, high, highInclusive: false },
    });
    const last: Operation[] = [
      ...[short, long].flatMap((key): Operation[] => [
        { type: 'put', key, value: Uint8Array.of(1, 2, 3) },
        { type: 'delete', key },
        between(key, short),
        between(short, key),
      ]),
      everything,
    ];
    const rooms = [...Array(24).keys(), ...Array.from({ length: 24 }, (_, at) => 392 + at)];
    for (const operation of last) {
      for (const room of rooms) {
        const writer = new RecordWriter(RECORD_BYTES_MAX, null);
        const memoryBytes = writer.scratchBytes;
        // A put asks for three bytes more than it takes; to clear everything takes two, and asks for no more.
        const before = room < 3 ? [everything, everything] : [];
        // Kind, opcode, the key with its length, and two bytes of the value's length.
        const value = new Uint8Array(memoryBytes - room - 2 * before.length - 6);
        const operations: Operation[] = [{ type: 'put', key: 'f', value }, ...before];
        write(writer, utf8KeyCodec, operations);
        expect([writer.length, writer.scratchBytes]).toEqual([memoryBytes - room, memoryBytes]);
        const record = write(writer, utf8KeyCodec, [...operations, operation]);
        expect(read(utf8KeyCodec, record).at(-1), `${room} bytes left`).toEqual(operation);
      }
    }
  });

  test('writes a record of exactly the limit, refuses one more byte, and goes on with the next', () => {
    for (const limit of [64, 40_000]) {
      const writer = new RecordWriter(limit, null);
      // Kind, opcode, one byte of key length, the key, and the value's length and bytes.
      const lengthBytes = limit > 128 ? 3 : 1;
      const value = new Uint8Array(limit - 4 - lengthBytes);
      expect(write(writer, utf8KeyCodec, [{ type: 'put', key: 'k', value }])).toHaveLength(limit);
      const tooLong = new Uint8Array(value.length + 1);
      expect(
        decodeError(() => write(writer, utf8KeyCodec, [{ type: 'put', key: 'k', value: tooLong }])),
      ).toMatchObject({
        code: 'KEELSON_RECORD_TOO_LARGE',
      });
      const small: Operation[] = [{ type: 'delete', key: 'k' }];
      expect(read(utf8KeyCodec, write(writer, utf8KeyCodec, small))).toEqual(small);
    }
  });

  test('refuses a record far over the limit before it makes room for it', () => {
    const writer = new RecordWriter(1000, null);
    const before = writer.scratchBytes;
    writer.begin();
    expect(decodeError(() => writer.put(utf8KeyCodec, 'k', new Uint8Array(1_000_000)))).toMatchObject({
      code: 'KEELSON_RECORD_TOO_LARGE',
    });
    expect(writer.scratchBytes).toBe(before);
  });
});
