// Keys: what is one, their order, their bytes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import {
  bytesKeyCodec,
  KEY_BYTES_MAX,
  resolveKeyEncoding,
  utf8KeyCodec,
} from '../../src/kv/encoding/key-encoding.js';

const wellFormed = fc.string({ unit: 'binary', maxLength: 80 });
const bytes = fc.uint8Array({ maxLength: 80 });

const refusals: readonly { what: string; run: () => unknown; message: RegExp }[] = [
  {
    what: 'a number as a utf8 key',
    run: () => utf8KeyCodec.toIndexKey('key', 7),
    message: /^key: expected a string, got the number 7\. Make a string of it; numbers padded with zeros/,
  },
  {
    what: 'a lone surrogate',
    run: () => utf8KeyCodec.toIndexKey('range.gte', 'a\ud800'),
    message: /^range\.gte: expected a string without lone surrogates, got the string/,
  },
  {
    what: 'a string as a bytes key',
    run: () => bytesKeyCodec.toIndexKey('keys[3]', 'abc'),
    message: /^keys\[3\]: expected a Uint8Array, got the string "abc"\. Make bytes of it/,
  },
  {
    what: 'an array as a bytes key',
    run: () => bytesKeyCodec.toIndexKey('key', [1, 2]),
    message: /^key: expected a Uint8Array, got an array\. Make a Uint8Array of it$/,
  },
  {
    what: 'an unknown encoding',
    run: () => resolveKeyEncoding('keyEncoding', 'latin1'),
    message: /^keyEncoding: expected one of 'utf8', 'bytes', 'tuple', got the string "latin1"$/,
  },
];

describe('a key', () => {
  test.each(refusals)('refuses $what, and says so', ({ run, message }) => {
    expect(run).toThrow(TypeError);
    expect(run).toThrow(message);
  });

  test('may be empty', () => {
    expect(utf8KeyCodec.toIndexKey('key', '')).toBe('');
    expect(bytesKeyCodec.fromIndexKey(bytesKeyCodec.toIndexKey('key', new Uint8Array()))).toEqual(
      new Uint8Array(),
    );
  });

  test('may have KEY_BYTES_MAX bytes and not one more, counted in bytes and not in characters', () => {
    const tooLarge = (run: () => unknown): boolean => {
      try {
        run();
        return false;
      } catch (error) {
        return isKeelsonError(error, 'KEELSON_KEY_TOO_LARGE');
      }
    };
    const three = '€'.repeat(Math.floor(KEY_BYTES_MAX / 3));
    expect(utf8KeyCodec.toIndexKey('key', 'a'.repeat(KEY_BYTES_MAX))).toHaveLength(KEY_BYTES_MAX);
    expect(utf8KeyCodec.toIndexKey('key', `${three}a`)).toBe(`${three}a`);
    expect(tooLarge(() => utf8KeyCodec.toIndexKey('key', 'a'.repeat(KEY_BYTES_MAX + 1)))).toBe(true);
    expect(tooLarge(() => utf8KeyCodec.toIndexKey('key', `${three}ab`))).toBe(true);
    expect(bytesKeyCodec.toIndexKey('key', new Uint8Array(KEY_BYTES_MAX))).toHaveLength(KEY_BYTES_MAX);
    expect(tooLarge(() => bytesKeyCodec.toIndexKey('key', new Uint8Array(KEY_BYTES_MAX + 1)))).toBe(true);
  });

  test('reads back from its bytes as it was written, at any offset', () => {
    fc.assert(
      fc.property(fc.oneof(wellFormed, fc.string({ maxLength: 80 })), fc.nat({ max: 9 }), (text, at) => {
        const target = new Uint8Array(at + utf8KeyCodec.byteLength(text) + 3).fill(0xee);
        const length = utf8KeyCodec.write(text, target, at);
        expect(length).toBe(utf8KeyCodec.byteLength(text));
        expect(length).toBe(Buffer.byteLength(text));
        expect(utf8KeyCodec.read(target, at, at + length)).toBe(text);
        // Nothing outside its place was touched.
        expect(target.subarray(0, at).every((byte) => byte === 0xee)).toBe(true);
        expect(target.subarray(at + length).every((byte) => byte === 0xee)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(bytes, fc.nat({ max: 9 }), (given, at) => {
        const key = bytesKeyCodec.toIndexKey('key', given);
        const target = Buffer.alloc(at + bytesKeyCodec.byteLength(key));
        expect(bytesKeyCodec.write(key, target, at)).toBe(given.length);
        expect(new Uint8Array(target.subarray(at))).toEqual(given);
        expect(bytesKeyCodec.read(target, at, target.length)).toBe(key);
      }),
    );
  });

  test('keeps a leading byte order mark', () => {
    for (const text of ['\ufeffa', `\ufeff${'a'.repeat(300)}`]) {
      const target = Buffer.from(text);
      expect(utf8KeyCodec.read(target, 0, target.length)).toBe(text);
    }
  });

  test('of bytes is a plain, fresh Uint8Array that shares no memory with what was given', () => {
    const given = Buffer.from('abc');
    const key = bytesKeyCodec.toIndexKey('key', given);
    given.fill(0);
    const out = bytesKeyCodec.fromIndexKey(key);
    expect(Object.getPrototypeOf(out)).toBe(Uint8Array.prototype);
    expect(out).toEqual(new Uint8Array([97, 98, 99]));
    out.fill(0);
    expect(bytesKeyCodec.fromIndexKey(key)).toEqual(new Uint8Array([97, 98, 99]));
  });

  test('of bytes is ordered bytewise', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [left, right] = [bytesKeyCodec.toIndexKey('a', a), bytesKeyCodec.toIndexKey('b', b)];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(Buffer.compare(a, b));
      }),
    );
  });

  test('on disk that is not UTF-8 is KEELSON_DECODE, short or long', () => {
    const wrong = [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xff]];
    for (const pattern of wrong) {
      for (const padding of [0, 100]) {
        const onDisk = Uint8Array.from([...new Array<number>(padding).fill(97), ...pattern]);
        expect(() => utf8KeyCodec.read(onDisk, 0, onDisk.length)).toThrow(
          expect.objectContaining({ code: 'KEELSON_DECODE' }),
        );
      }
    }
  });
});

describe('the end of a prefix', () => {
  // Letters around every edge of the order: the end of ASCII, the surrogates, the last code unit.
  const edgy = fc
    .array(
      fc.constantFrom(
        'a',
        '\x7f',
        '\ud7ff',
        '\ue000',
        '\uffff',
        '\u{10000}',
        '\u{103ff}',
        '\u{10400}',
        '\u{10ffff}',
      ),
      { maxLength: 4 },
    )
    .map((letters) => letters.join(''));
  const text = fc.oneof(edgy, wellFormed);

  test('for utf8 parts the keys that start with it from those above, and is well-formed', () => {
    fc.assert(
      fc.property(text, text, (prefix, other) => {
        const end = utf8KeyCodec.afterPrefix(prefix);
        expect(end === undefined || end.isWellFormed()).toBe(true);
        for (const candidate of [other, prefix + other]) {
          const isBetween = candidate >= prefix && (end === undefined || candidate < end);
          expect(isBetween).toBe(candidate.startsWith(prefix));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('for bytes parts the keys that start with it from those above', () => {
    const near = fc
      .array(fc.constantFrom(0, 1, 0x7f, 0xfe, 0xff), { maxLength: 4 })
      .map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(near, near, (a, b) => {
        const [prefix, other] = [bytesKeyCodec.toIndexKey('a', a), bytesKeyCodec.toIndexKey('b', b)];
        const end = bytesKeyCodec.afterPrefix(prefix);
        for (const candidate of [other, prefix + other]) {
          const isBetween = candidate >= prefix && (end === undefined || candidate < end);
          expect(isBetween).toBe(candidate.startsWith(prefix));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('is nowhere for a prefix of nothing but the last code unit', () => {
    expect(utf8KeyCodec.afterPrefix('')).toBeUndefined();
    expect(utf8KeyCodec.afterPrefix('\uffff\uffff')).toBeUndefined();
    expect(bytesKeyCodec.afterPrefix('\xff')).toBeUndefined();
    expect(utf8KeyCodec.afterPrefix('\ud7ff')).toBe('\u{10000}');
    expect(utf8KeyCodec.afterPrefix('a\u{10ffff}')).toBe('a\ue000');
  });
});

// The length was read once for the limit and once for the copy: a key of 70,000 bytes got into the log, and its image could
// not be loaded.
test('a bytes key whose length lies is as long as its memory', () => {
  class Liar extends Uint8Array {
    #looks = 0;
    override get length(): number {
      return this.#looks++ === 0 ? 1 : 70_000;
    }
  }
  const key = new Liar(70_000);
  expect(() => bytesKeyCodec.toIndexKey('key', key)).toThrow(/at most 65536 bytes, this one has 70000/);
  expect(bytesKeyCodec.toIndexKey('key', new Liar(3).fill(65))).toBe('AAA');
});
