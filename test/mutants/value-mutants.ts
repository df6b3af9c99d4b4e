// Mutants of values on their way in and out: plain ones, pooled ones, batches of them, and the walks over them.

import type { Mutant } from './mutants.js';

// Of what is in dist/.
const KEPT_STRINGS = 'test/processes/kept-strings.test.ts';
const ENTRIES = 'test/kv/entries.test.ts';
const ERRORS = 'test/errors.test.ts';
const REALMS = 'test/kv/realms.test.ts';
const PLAIN = 'test/kv/msgpack-plain.test.ts';
const SHAPES = 'test/kv/shapes.test.ts';
const SHAPES_ON_DISK = 'test/kv/shapes-on-disk.test.ts';

export const valueMutants: readonly Mutant[] = [
  {
    name: 'a promise is stored as {} by json',
    edits: [
      {
        file: 'src/kv/encoding/value-encoding.ts',
        find: "if (text === '{}' && types.isPromise(value))",
        replace: "if (text === '' && types.isPromise(value))",
      },
    ],
    tests: ['test/kv/slips.test.ts'],
  },
  {
    name: 'no next step tells a namespace from a key',
    edits: [
      {
        file: 'src/kv/encoding/slips.ts',
        find: "'getEntryMany' in given && 'put' in given",
        replace: "'getEntryMany' in given && 'puts' in given",
      },
    ],
    tests: ['test/kv/slips.test.ts'],
  },
  {
    name: 'a put looks at its options before its key',
    edits: [
      {
        file: 'src/kv/collection.ts',
        find: `    const indexKey = this.codecs.key.toIndexKey('key', key);
    const durability = resolveDurability(options, PUT_OPTIONS);
`,
        replace: `    const durability = resolveDurability(options, PUT_OPTIONS);
    const indexKey = this.codecs.key.toIndexKey('key', key);
`,
      },
    ],
    tests: ['test/kv/slips.test.ts'],
  },
  {
    name: 'an encoding is taken for the options of a namespace',
    edits: [
      {
        file: 'src/kv/namespaces.ts',
        find: "return isObject(given) && Object.hasOwn(given, 'name');",
        replace: 'return false;',
      },
    ],
    tests: ['test/kv/slips.test.ts'],
  },
  {
    name: 'console.log() of a closed store throws',
    edits: [
      {
        file: 'src/kv/read/shown.ts',
        find: '} catch (error) {\n',
        replace: '} catch (error) {\n      if (fact !== undefined) throw error;\n',
      },
    ],
    tests: ['test/kv/shown.test.ts'],
  },
  {
    name: 'console.log() of a dropped namespace shows entries',
    edits: [
      {
        file: 'src/kv/namespace.ts',
        find: '        assertNotDropped(this.#space);\n        return this.#space.entries.size;',
        replace: '        return this.#space.entries.size;',
      },
    ],
    tests: ['test/kv/shown.test.ts'],
  },
  {
    name: 'a key that begins with FF is read as a part of the index value before it',
    edits: [
      {
        file: 'src/kv/encoding/tuple-key-format.ts',
        find: "export const AFTER_PART = '\\x01';",
        replace: "export const AFTER_PART = '\\xff';",
      },
    ],
    tests: ['test/kv/indexes.test.ts'],
  },
  {
    name: 'the id of a shape comes from elsewhere than the storage',
    edits: [
      {
        file: 'src/kv/encoding/shapes.ts',
        find: 'shapeFrom(readId(this.#randomBytes(ID_BYTES), 0), names)',
        replace: 'shapeFrom(Math.floor(Math.random() * 2 ** 48), names)',
      },
    ],
    tests: ['test/simulation/reproducible.test.ts'],
    filter: 'two runs',
  },
  {
    name: 'an iteration that close() cuts short ends like any other',
    edits: [
      {
        file: 'src/kv/read/reads.ts',
        find: '      this.#access.assertOpen();\n      const value = this.#project',
        replace: '      const value = this.#project',
      },
    ],
    tests: ['test/kv/store-simulated.test.ts'],
  },
  {
    name: 'there is a listener for events of any name',
    edits: [
      {
        file: 'src/kv/store.ts',
        find: 'if (!EVENTS.includes(event as keyof StoreEvents)) {',
        replace: "if (event === '') {",
      },
    ],
    tests: ['test/unknown-names.test.ts'],
  },
  {
    name: 'a clone of an error has no code',
    edits: [{ file: 'src/errors.ts', find: '    void this.stack;\n', replace: '' }],
    tests: [ERRORS],
  },
  {
    name: 'an error of another copy of the package is none',
    edits: [
      { file: 'src/errors.ts', find: '  if (name === NAME && isCode(code)) return code;\n', replace: '' },
    ],
    tests: [ERRORS],
  },
  {
    name: 'any name with a code of ours is one of our errors',
    edits: [
      {
        file: 'src/errors.ts',
        find: 'if (name === NAME && isCode(code)) return',
        replace: 'if (isCode(code)) return',
      },
    ],
    tests: [ERRORS],
  },
  {
    name: 'a new key keeps the string that it was cut out of',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: 'const isKept = isOwnKey || !mayBeSlice(key);',
        replace: 'const isKept = true;',
      },
    ],
    tests: [KEPT_STRINGS],
  },
  {
    name: 'a key above U+00FF is copied as its low bytes',
    edits: [
      {
        file: 'src/kv/entries/key-units.ts',
        find: 'return (keyField & 1) === 1 ? readUtf16(bytes, start, end) : readLatin1(bytes, start, end);',
        replace: 'return readLatin1(bytes, start, end);',
      },
    ],
    tests: [ENTRIES],
  },
  {
    name: "a prototype whose constructor is another one's is that of plain objects",
    edits: [
      {
        file: 'src/kv/encoding/realms.ts',
        find: "  if (getOwnPropertyDescriptor(maker, 'prototype')?.value !== prototype) return false;\n",
        replace: '',
      },
    ],
    tests: [REALMS],
  },
  {
    name: 'a class of a name is native code of that name',
    edits: [
      {
        file: 'src/kv/encoding/realms.ts',
        find: 'if (!isNative(maker, name)) return false;',
        replace: 'if (maker.name !== name) return false;',
      },
    ],
    tests: [REALMS],
  },
  {
    name: 'a Map without a prototype is a plain object',
    edits: [{ file: 'src/kv/encoding/realms.ts', find: '    !types.isMap(value) &&\n', replace: '' }],
    tests: [REALMS],
  },
  {
    name: 'a plain value is written by code that runs while another is',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/plain-writer.ts',
        find: '    if (serial !== ownSerial) return false;\n',
        replace: '',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'an accessor is a plain property',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/plain-writer.ts',
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
        file: 'src/kv/encoding/msgpack/plain-writer.ts',
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
        file: 'src/kv/encoding/msgpack/plain-writer.ts',
        find: 'if (at + HEADER_BYTES_MAX + size > limit) {',
        replace: 'if (at + HEADER_BYTES_MAX + size > 2 * limit) {',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'a plain value may end before its bytes do',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/plain-reader.ts',
        find: 'const value = readValue(0);\n    return at === end ? value : NOT_PLAIN;',
        replace: 'return readValue(0);',
      },
    ],
    tests: [PLAIN],
  },
  {
    name: 'a plain text is read past its end',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/plain-reader.ts',
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
        file: 'src/kv/encoding/msgpack/plain-reader.ts',
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
        file: 'src/kv/encoding/value-encoding.ts',
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
        file: 'src/kv/encoding/utf8.ts',
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
        file: 'src/kv/write/write-path.ts',
        find: 'this.#resting.pop() ??',
        replace: 'this.#resting.at(-1) ??',
      },
    ],
    tests: ['test/kv/nested-writes.test.ts'],
  },
  {
    name: 'an iteration ends with its first leaf',
    edits: [
      {
        file: 'src/kv/entries/tree-walk.ts',
        find: 'if (depth === -1) return false;',
        replace: 'if (depth !== -2) return false;',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'an iteration downwards passes over the last key of each leaf',
    edits: [
      {
        file: 'src/kv/entries/tree-walk.ts',
        find: 'this.#at = this.#step > 0 ? 0 : node.keys.length - 1;',
        replace: 'this.#at = this.#step > 0 ? 0 : node.keys.length - 2;',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'an offset leads to the key before',
    edits: [
      {
        file: 'src/kv/entries/tree-walk.ts',
        find: 'return { way, leaf: node, at: left };',
        replace: 'return { way, leaf: node, at: Math.max(0, left - 1) };',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'a rank counts the keys on the wrong side',
    edits: [
      {
        file: 'src/kv/entries/order-statistics.ts',
        find: 'return node.size() - sum;',
        replace: 'return sum;',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'the version of an entry is read behind its value',
    edits: [
      {
        file: 'src/kv/read/reads.ts',
        find: '    const version = view.versionOf(handle) as Lsn;\n    const deadline = view.deadlineOf(handle);\n    const value = view.read(handle, this.#codecs.value.decode);\n',
        replace:
          '    const value = view.read(handle, this.#codecs.value.decode);\n    const version = view.versionOf(handle) as Lsn;\n    const deadline = view.deadlineOf(handle);\n',
      },
    ],
    tests: ['test/kv/reads.test.ts'],
  },
  {
    name: 'an accessor is read where the names have a shape',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/plain-writer.ts',
        find: '    if (lookupGetter.call(value, name) !== undefined) return false;\n',
        replace: '',
      },
    ],
    tests: [SHAPES],
  },
  {
    name: 'one id may stand for two sets of names',
    edits: [
      {
        file: 'src/kv/encoding/shapes.ts',
        find: 'if (!isSame(known.names, shape.names)) throw',
        replace: 'if (known.id !== shape.id) throw',
      },
    ],
    tests: [SHAPES],
  },
  {
    name: 'a store gives out any number of shapes',
    edits: [
      {
        file: 'src/kv/encoding/shapes.ts',
        find: 'this.#byId.size - this.#learned < SHAPES_MAX',
        replace: 'this.#byId.size >= 0',
      },
    ],
    tests: [SHAPES],
  },
  {
    name: 'a value with a shape may end before its bytes do',
    edits: [
      {
        file: 'src/kv/encoding/msgpack/plain-reader.ts',
        find: 'const value = shape.read();\n    return at === end ? value : NOT_PLAIN;',
        replace: 'return shape.read();',
      },
    ],
    tests: [SHAPES],
  },
  {
    name: 'the log behind an image does not say anew what values need',
    edits: [
      {
        file: 'src/kv/image/checkpoint-schedule.ts',
        find: '    schema.startEpoch(lsn);\n',
        replace: '',
      },
    ],
    tests: [SHAPES_ON_DISK],
  },
  {
    name: 'a definition counts as recorded before its record is accepted',
    edits: [
      {
        file: 'src/kv/write/record-writer.ts',
        find: 'this.#defined = [...this.#defined, id];',
        replace: 'this.#schema.recorded(id);',
      },
    ],
    tests: [SHAPES_ON_DISK],
  },
  {
    name: 'a long log says once what values need',
    edits: [
      {
        file: 'src/kv/entries/schema.ts',
        find: 'if (lsn >= this.#epochEndLsn) this.startEpoch(lsn);',
        replace: '',
      },
    ],
    tests: [SHAPES_ON_DISK],
  },
  {
    name: 'replay does not ask for the shapes of values',
    edits: [
      {
        file: 'src/kv/write/record-reader.ts',
        find: 'if (reference !== NO_DEFINITION && !isCovered) schema.assertDefined(reference);',
        replace: '',
      },
    ],
    tests: [SHAPES_ON_DISK],
  },
  {
    name: 'a block of an image does not say what the block before has said',
    edits: [
      {
        file: 'src/kv/image/image-block-writer.ts',
        find: '    this.#lastDefinition = NO_DEFINITION;\n',
        replace: '',
      },
    ],
    tests: [SHAPES_ON_DISK],
  },
  {
    name: 'a block of an image may define other shapes than its values have',
    edits: [
      {
        file: 'src/kv/image/image-block-reader.ts',
        find: 'if (!isOwn) throw',
        replace: 'if (count < 0) throw',
      },
    ],
    tests: ['test/kv/image-files.test.ts'],
  },
  {
    name: 'a block of an image begins with a part of the last key before it',
    edits: [
      {
        file: 'src/kv/image/image-block-writer.ts',
        find: 'const shared = this.#entries === 0 ? 0 : common;',
        replace: 'const shared = common;',
      },
    ],
    tests: ['test/kv/image-files.test.ts'],
  },
  {
    name: 'a key of an image may have more in common than there is',
    edits: [
      {
        file: 'src/kv/image/image-block-reader.ts',
        find: 'if (shared > lastBytes || shared + rest',
        replace: 'if (shared + rest',
      },
    ],
    tests: ['test/kv/image-files.test.ts'],
  },
  {
    name: 'an entry of an image may be older than the log',
    edits: [
      {
        file: 'src/kv/image/image-block-reader.ts',
        find: 'if (version < 0) throw',
        replace: 'if (version < Number.NEGATIVE_INFINITY) throw',
      },
    ],
    tests: ['test/kv/image-files.test.ts'],
  },
  {
    name: 'a key among those that gather beside the tree goes into the tree before them',
    edits: [
      {
        file: 'src/kv/entries/ordered-index.ts',
        find: 'return (isBelowTail ? this.#tree : this.#wholeTree).set(key, value);',
        replace: 'return (isBelowTail ? this.#tree : this.#tree).set(key, value);',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'the highest key may come twice beside the tree',
    edits: [
      {
        file: 'src/kv/entries/ordered-index.ts',
        find: 'if (key > this.#highest) {',
        replace: 'if (key >= this.#highest) {',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'what Object.prototype has decides whether a definition is one',
    edits: [
      {
        file: 'src/kv/encoding/shapes.ts',
        find: "if (names.includes('__proto__') || ",
        replace: 'if (names.some((name) => name in {}) || ',
      },
    ],
    tests: [SHAPES],
  },
  {
    name: 'what gathers beside the tree outlives the deletion of everything',
    edits: [
      {
        file: 'src/kv/entries/ordered-index.ts',
        find: 'const { size } = this;\n    this.#tree.clear();\n    this.#tailKeys = [];\n    this.#tailValues = [];',
        replace: 'const { size } = this;\n    this.#tree.clear();',
      },
    ],
    tests: ['test/kv/ordered-index.test.ts'],
  },
  {
    name: 'a large batch is not submitted before its keys are linked',
    edits: [
      {
        file: 'src/kv/write/write-path.ts',
        find: '      log.submitAtOnce();\n',
        replace: '',
      },
    ],
    tests: ['test/kv/large-batches.test.ts'],
  },
  {
    name: 'a text of several bytes a character is written past the end of the scratch',
    edits: [
      {
        file: 'src/kv/encoding/scratch.ts',
        find: 'text.length * UTF8_BYTES_PER_UNIT_MAX > room',
        replace: 'text.length > room',
      },
    ],
    tests: ['test/kv/scratch.test.ts'],
  },
  {
    name: 'a text goes beyond the limit of a record where there is memory',
    edits: [
      {
        file: 'src/kv/encoding/scratch.ts',
        find: 'Math.min(this.bytes.length, this.#bytesMax) - this.at',
        replace: 'this.bytes.length - this.at',
      },
    ],
    tests: ['test/kv/scratch.test.ts'],
  },
];
