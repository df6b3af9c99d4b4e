// Mutants of values on their way in and out: plain ones, pooled ones, batches of them, and the walks over them.

import type { Mutant } from './mutants.js';

const PLAIN = 'test/kv/msgpack-plain.test.ts';

export const valueMutants: readonly Mutant[] = [
  {
    name: 'a plain value is written by code that runs while another is',
    edits: [{ file: 'src/kv/msgpack-plain-writer.ts', find: 'if (isBusy) return null;', replace: '' }],
    tests: [PLAIN],
  },
  {
    name: 'an accessor is a plain property',
    edits: [
      {
        file: 'src/kv/msgpack-plain-writer.ts',
        find: 'if (INHERITED_NAMES.has(name) || lookupGetter.call(value, name) !== undefined) return false;',
        replace: 'if (INHERITED_NAMES.has(name)) return false;',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: '-0 is the plain number 0',
    edits: [
      {
        file: 'src/kv/msgpack-plain-writer.ts',
        find: 'else if (Object.is(value, -0)) return false;',
        replace: '',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'a plain text is written past the end of the scratch',
    edits: [
      {
        file: 'src/kv/msgpack-plain-writer.ts',
        find: 'if (at + HEADER_BYTES_MAX + text.length * UTF8_BYTES_PER_UNIT_MAX > SCRATCH_BYTES) return false;',
        replace: '',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'a plain value may end before its bytes do',
    edits: [
      {
        file: 'src/kv/msgpack-plain-reader.ts',
        find: 'return at === end ? value : NOT_PLAIN;',
        replace: 'return value;',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'a plain text is read past its end',
    edits: [
      {
        file: 'src/kv/msgpack-plain-reader.ts',
        find: `  if (size > end - at) return NOT_PLAIN;
  const start = at;`,
        replace: '  const start = at;',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'two names of properties with one hash are one',
    edits: [
      {
        file: 'src/kv/msgpack-plain-reader.ts',
        find: 'if (known !== undefined && known.length === size && isAt(known)) {',
        replace: 'if (known !== undefined && known.length === size) {',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'two pooled binaries overlap',
    edits: [
      {
        file: 'src/kv/value-encoding.ts',
        find: 'poolAt = Math.ceil((poolAt + length) / POOL_ALIGNMENT_BYTES) * POOL_ALIGNMENT_BYTES;',
        replace: 'poolAt = Math.floor((poolAt + length) / POOL_ALIGNMENT_BYTES) * POOL_ALIGNMENT_BYTES;',
      },
    ],
    tests: ['test/kv/value-encoding.test.ts'],
  },
  {
    name: 'bytes that are no UTF-8 are replaced',
    edits: [
      {
        file: 'src/kv/utf8.ts',
        find: 'if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) {',
        replace: 'if (text.includes(REPLACEMENT) && isUtf8(bytes.subarray(start, end))) {',
      },
    ],
    tests: ['test/kv/value-encoding.test.ts'],
  },
  {
    name: 'a batch writes into the record of one that is being made',
    edits: [
      {
        file: 'src/kv/store.ts',
        find: 'this.#batchWriter = null;',
        replace: '',
      },
    ],
    tests: ['test/kv/store-simulated.test.ts'],
  },
  {
    name: 'an iteration upwards ends with its first chunk',
    edits: [
      {
        file: 'src/kv/ordered-index.ts',
        find: 'this.#isAtEnd = result !== STOP.break;',
        replace: 'this.#isAtEnd = true;',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'an iteration upwards begins each chunk with the last key of the one before',
    edits: [
      {
        file: 'src/kv/ordered-index.ts',
        find: 'low: keys.at(-1), lowInclusive: false };',
        replace: 'low: keys.at(-1), lowInclusive: true };',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
];
