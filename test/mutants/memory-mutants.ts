// Mutants of the memory of a store: slabs, handles and the hash index.

import type { Mutant } from './mutants.js';

const ENTRIES = 'test/kv/entries.test.ts';
const KEY_TABLE = 'test/kv/hash-index.test.ts';
const HANDLES = 'test/kv/entry-handles.test.ts';
const SLABS = 'test/kv/entry-slabs.test.ts';

export const memoryMutants: readonly Mutant[] = [
  {
    name: 'the table of slabs is changed while a view shares it',
    edits: [{ file: 'src/kv/entries/entry-slabs.ts', find: 'this.table = this.table.slice();', replace: '' }],
    tests: [SLABS],
  },
  {
    name: 'a slab that a view has seen is written to again',
    edits: [
      {
        file: 'src/kv/entries/entry-slabs.ts',
        find: 'if (slab.bytes.length === this.slabBytesMax && slab.epoch === this.#epoch.current) {',
        replace: 'if (slab.bytes.length === this.slabBytesMax) {',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'a view shares the handles that compaction moves',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: 'return new FrozenEntries(\n      this.#orderedIndex.clone(),\n      this.#handles.view(),',
        replace: 'return new FrozenEntries(\n      this.#orderedIndex.clone(),\n      this.#handles,',
      },
    ],
    tests: [ENTRIES],
    filter: 'hold what a Map holds',
  },
  {
    name: 'compaction moves a value and loses its version',
    edits: [
      {
        file: 'src/kv/entries/entry-slabs.ts',
        find: 'copyBytes(to.bytes, to.view, this.#takenAt, from.bytes, from.view, word * 4, word * 4 + entryBytes);',
        replace:
          'copyBytes(to.bytes, to.view, this.#takenAt + 20, from.bytes, from.view, word * 4 + 20, word * 4 + entryBytes);',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'memory is promised and not taken',
    edits: [
      {
        file: 'src/kv/entries/entry-slabs.ts',
        find: 'this.#spares.push(allocateSlab(this.slabBytesMax));',
        replace: 'return true;',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'memory is promised to entries that get slabs of their own',
    edits: [
      {
        file: 'src/kv/entries/entry-slabs.ts',
        find: 'if (longest > this.slabBytesMax * OWN_SLAB_FRACTION) return false;',
        replace: '',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'memory is promised to wide keys as to narrow ones',
    edits: [
      {
        file: 'src/kv/entries/entry-slabs.ts',
        find: 'return entryBytesOf(wideKeyField(key) |',
        replace: 'return entryBytesOf(narrowKeyField(key) |',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'a value that is overwritten keeps its memory',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: '      this.#slabs.release(previous);\n    }\n    this.#compact();',
        replace: '    }\n    this.#compact();',
      },
    ],
    tests: [ENTRIES],
    filter: 'hold what a Map holds',
  },
  {
    name: 'a view shares the ordered index that the store goes on to change',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: 'return new FrozenEntries(\n      this.#orderedIndex.clone(),\n      this.#handles.view(),',
        replace: 'return new FrozenEntries(\n      this.#orderedIndex,\n      this.#handles.view(),',
      },
    ],
    tests: [ENTRIES],
    filter: 'hold what a Map holds',
  },
  {
    name: 'a page of handles that a view shares is written to',
    edits: [
      {
        file: 'src/kv/entries/entry-handles.ts',
        find: 'group[place] = group[place]?.slice() ??',
        replace: 'group[place] ??=',
      },
    ],
    tests: [HANDLES],
  },
  {
    name: 'a group of pages that a view shares is written to',
    edits: [
      {
        file: 'src/kv/entries/entry-handles.ts',
        find: 'this.groups[place] = this.groups[place]?.slice() ?? [];',
        replace: 'this.groups[place] ??= [];',
      },
    ],
    tests: [HANDLES],
  },
  {
    name: 'a view does not start an epoch',
    edits: [
      {
        file: 'src/kv/entries/entry-handles.ts',
        find: '    this.#epoch.current++;\n',
        replace: '',
      },
      { file: 'src/kv/entries/entry-slabs.ts', find: '    this.#epoch.current++;\n', replace: '' },
    ],
    tests: [HANDLES, SLABS],
  },
  {
    name: 'two keys of one hash are one',
    edits: [
      {
        file: 'src/kv/entries/hash-index.ts',
        find: 'if (owner.isKeyOf(handle, key)) return handle;',
        replace: 'return handle;',
      },
    ],
    tests: [KEY_TABLE],
  },
  {
    name: 'a gap in the hash index hides the keys behind it',
    edits: [
      {
        file: 'src/kv/entries/hash-index.ts',
        find: 'closeGap(table.words, at);',
        replace: 'table.words.fill(0, at, at + 2);',
      },
    ],
    tests: [KEY_TABLE],
  },
  {
    name: 'a key that the hash index had no room for is not there',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: 'this.#orderedIndex.set(key, id);\n    if (!this.#hashIndex.insert(hash, handle)) this.#isHashIndexPartial = true;',
        replace: 'this.#orderedIndex.set(key, id);\n    this.#hashIndex.insert(hash, handle);',
      },
    ],
    tests: [ENTRIES],
    filter: 'find every key all the same',
  },
  {
    name: 'a key that is deleted stays in the hash index',
    edits: [
      { file: 'src/kv/entries/entries.ts', find: 'this.#hashIndex.remove(hash, handle);', replace: '' },
    ],
    tests: [ENTRIES],
    filter: 'hold what a Map holds',
  },
  {
    name: 'the units of a wide key are compared by their low bytes',
    edits: [
      {
        file: 'src/kv/entries/key-units.ts',
        find: 'if (wideUnitAt(bytes, start + index * 2) !== key.charCodeAt(index)) return false;',
        replace: 'if (bytes[start + index * 2] !== (key.charCodeAt(index) & 0xff)) return false;',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'a value that gets no memory is told as an error of JavaScript',
    edits: [
      {
        file: 'src/kv/write/write-path.ts',
        find: 'throw new NoMemory(error.message, error.cause);',
        replace: 'throw error;',
      },
    ],
    tests: ['test/kv/store-memory.test.ts', 'test/kv/write-path.test.ts'],
  },
  {
    name: 'a stack that overflows is told as a lack of memory',
    edits: [
      {
        file: 'src/errors.ts',
        find: " || cause.message.includes('call stack')",
        replace: '',
      },
    ],
    tests: ['test/errors.test.ts'],
  },
  {
    name: 'a lack of memory retires files',
    edits: [
      {
        file: 'src/kv/write/write-path.ts',
        find: ' && !(error instanceof NoMemory)) this.#parts.onNoSpace();',
        replace: ') this.#parts.onNoSpace();',
      },
    ],
    tests: ['test/kv/store-memory.test.ts', 'test/kv/write-path.test.ts'],
  },
];
