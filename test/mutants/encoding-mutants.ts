// Mutants of the encodings of keys and values.

import type { Mutant } from './mutants.js';

const CONTRACT = 'test/kv/store-simulated.test.ts';

export const encodingMutants: readonly Mutant[] = [
  {
    name: 'the value -0 comes back as 0',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/check.ts',
        find: 'return Object.is(value, -0) ? NEGATIVE_ZERO : value;',
        replace: 'void NEGATIVE_ZERO;\n        return value;',
      },
    ],
    tests: ['test/kv/msgpack-profile.test.ts'],
  },
  {
    name: 'a binary that was decoded shares the memory of the store',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/extensions.ts',
        find: 'return new Uint8Array(new Uint8Array(this.buffer, this.byteOffset + start, end - start));',
        replace:
          'return new Uint8Array(this.buffer, this.byteOffset + start, end - start) as Uint8Array<ArrayBuffer>;',
      },
    ],
    tests: ['test/kv/msgpack-profile.test.ts', CONTRACT],
  },
  {
    name: 'keys are in the order of a language, and not of their code units',
    edits: [
      {
        file: 'src/kv/entries/ordered-index.ts',
        find: 'return a < b ? -1 : a === b ? 0 : 1;',
        replace: 'return a.localeCompare(b);',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'the end of a prefix forgets that surrogates sort below U+E000',
    edits: [{ file: 'src/kv/encoding/key-encoding.ts', find: 'return 0x10000;', replace: 'return 0xe000;' }],
    tests: ['test/kv/key-encoding.test.ts'],
  },
  {
    name: 'a key may have lone surrogates, which UTF-8 cannot hold',
    edits: [
      {
        file: 'src/kv/encoding/key-encoding.ts',
        find: "if (!key.isWellFormed()) throw misuse(argument, 'a string without lone surrogates', key, WELL_FORMED);",
        replace: '',
      },
    ],
    tests: ['test/kv/key-encoding.test.ts'],
  },
  {
    name: 'the keys 0 and −0 of a tuple are two',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-writer.ts',
        find: 'view.setFloat64(at, value + 0);',
        replace: 'view.setFloat64(at, value);',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'a U+0000 ends the string of a tuple that it is in',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-writer.ts',
        find: 'if (unit === 0) bytes[at++] = ESCAPE;',
        replace: '',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'the lengths of negative bigints are in the order of positive ones',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-writer.ts',
        find: 'bytes[at++] = length ^ inverted;',
        replace: 'bytes[at++] = length;',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'a key that is written while another is read shares its memory',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-writer.ts',
        find: '  spare = null;\n  const key =',
        replace: '  const key =',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'a tuple may have a string with lone surrogates',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-writer.ts',
        find: 'if (hasSurrogates && !text.isWellFormed())',
        replace: 'if (hasSurrogates && false)',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'the −0 of a disk is a key',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-reader.ts',
        find: 'return Number.isNaN(number) || Object.is(number, -0) ? MALFORMED',
        replace: 'return Number.isNaN(number) ? MALFORMED',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'a bigint of a disk may have leading zeros',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-reader.ts',
        find: 'return start + length > end || bytes[start] === inverted ? MALFORMED',
        replace: 'return start + length > end ? MALFORMED',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'a key of a disk may be the end of a prefix',
    edits: [
      {
        file: 'src/kv/encoding/key-encoding.ts',
        find: 'if (end - start > KEY_BYTES_MAX || !isTuple(bytes, start, end)) throw',
        replace:
          'if (end - start > KEY_BYTES_MAX || (!isTuple(bytes, start, end) && !isTuple(bytes, start, end - 1))) throw',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
  {
    name: 'the end of a prefix of tuples has no byte more than a key',
    edits: [
      {
        file: 'src/kv/encoding/key-encoding.ts',
        find: 'end - 1 - start <= KEY_BYTES_MAX',
        replace: 'end - start <= KEY_BYTES_MAX',
      },
    ],
    tests: ['test/kv/tuple-key.test.ts'],
  },
];
