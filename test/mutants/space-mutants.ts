// Mutants of the namespaces of a store: in records and images, and in a store that is damaged.

import type { Mutant } from './mutants.js';

const OUTLINE = 'test/kv/image-outline.test.ts';
const WRITES = 'test/kv/write-path.test.ts';
const RECORDS = 'test/kv/records.test.ts';
const SCHEMA = 'test/kv/schema.test.ts';
const LOST = 'test/kv/salvage-namespaces.test.ts';
const OVERLAYS = 'test/kv/image-overlay.test.ts';

const APPLY_WRITES = 'src/kv/write/change-entries.ts';
const RECORD_READER = 'src/kv/write/record-reader.ts';
const IMAGE_OUTLINE = 'src/kv/image/image-outline.ts';
const IMAGE_OVERLAY = 'src/kv/repair/image-overlay.ts';
const LOST_SPACES = 'src/kv/repair/lost-spaces.ts';

const spaces: readonly Mutant[] = [
  {
    name: 'an applied record is linked with what the record before has staged',
    edits: [
      {
        file: APPLY_WRITES,
        find: '  stage(writes);\n  link(schema, writes, lsn);\n}',
        replace: `  if (writes.handles.length < writes.count) stage(writes);
  link(schema, writes, lsn);\n}`,
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'an unknown space is taken for the root',
    edits: [
      {
        file: RECORD_READER,
        find: '  if (space !== undefined) return space;\n',
        replace: `  if (space !== undefined) return space;
  if (!isCovered) return schema.root;\n`,
      },
    ],
    tests: [RECORDS],
  },
  {
    name: 'a record after the image may be of a space that was dropped',
    edits: [{ file: RECORD_READER, find: 'if (isCovered && id !== ROOT_ID', replace: 'if (id !== ROOT_ID' }],
    tests: [RECORDS],
  },
  {
    name: 'a record that the image covers may not be of a space that was dropped',
    edits: [{ file: RECORD_READER, find: 'if (isCovered && id !== ROOT_ID', replace: 'if (id === ROOT_ID' }],
    tests: ['test/kv/verify.test.ts'],
    filter: 'space',
  },
  {
    name: 'a space stays that is created in a record that does not decode',
    edits: [
      {
        file: RECORD_READER,
        find: 'if (known === undefined) into.addCreate(schema.spaceToCreate(id, definition), flags === DEFINED_AGAIN);',
        replace: `if (known === undefined) {
    const space = schema.spaceToCreate(id, definition);
    schema.add(space);
    into.addCreate(space, flags === DEFINED_AGAIN);
  }`,
      },
    ],
    tests: [RECORDS],
  },
  {
    name: 'a space may be another one when the log defines it again',
    edits: [
      {
        file: RECORD_READER,
        find: 'else if (!known.equals(definition) && lost?.has(known) !== true)',
        replace: 'else if (known.id !== id)',
      },
    ],
    tests: [RECORDS],
  },
  {
    name: 'two spaces are alike whose names are',
    edits: [
      {
        file: 'src/kv/entries/space.ts',
        find: 'this.name === name && this.keyCodec === keyCodec && this.valueEncodingName === valueEncodingName',
        replace: 'this.name === name',
      },
    ],
    tests: [SCHEMA],
  },
  {
    name: 'a space may be another one in a damaged image',
    edits: [
      {
        file: 'src/kv/repair/image-examination.ts',
        find: 'else if (!known.equals(definition)) throw',
        replace: 'else if (known.id !== id) throw',
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'replay leaves out creations of spaces',
    edits: [
      {
        file: APPLY_WRITES,
        find: '        schema.add(space);\n',
        replace: '',
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'a record that drops a space is read as one that does not',
    edits: [{ file: RECORD_READER, find: 'into.addDrop(readSpace(cursor));', replace: 'readSpace(cursor);' }],
    tests: [RECORDS],
  },
  {
    name: 'replay leaves out drops of spaces',
    edits: [{ file: APPLY_WRITES, find: '        schema.drop(space.id);\n', replace: '' }],
    tests: [WRITES],
  },
  {
    name: 'the id of a space that was dropped returns',
    edits: [
      {
        file: 'src/kv/entries/schema.ts',
        find: 'this.#spaces.delete(id);',
        replace: 'if (this.#spaces.delete(id)) this.#nextSpaceId = Math.max(...this.#spaces.keys()) + 1;',
      },
    ],
    tests: [SCHEMA],
  },
  {
    name: 'the last LSN of a space goes back',
    edits: [
      {
        file: APPLY_WRITES,
        find: 'if (lsn > space.lastLsn) space.lastLsn = lsn;',
        replace: 'space.lastLsn = lsn;',
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'a table of an image is not compared with its repetition',
    edits: [
      {
        file: IMAGE_OUTLINE,
        find: 'if (Buffer.compare(block.subarray(IMAGE_BLOCK_HEADER_BYTES), this.#tableBytes) !== 0)',
        replace: 'if (block.length === 0)',
      },
    ],
    tests: [OUTLINE],
  },
  {
    name: 'a space of an image may have more or fewer entries than its table says',
    edits: [
      {
        file: IMAGE_OUTLINE,
        find: 'if (this.#entries !== entries)\n',
        replace: 'if (this.#entries < 0)\n',
      },
    ],
    tests: [OUTLINE],
  },
  {
    name: 'the last spaces of an image may have fewer entries than its table says',
    edits: [
      {
        file: IMAGE_OUTLINE,
        find: 'while (this.#at < this.#table.spaces.length) this.#finishRow(this.#table);',
        replace: '',
      },
    ],
    tests: [OUTLINE],
  },
  {
    name: 'the header and the table of an image may count differently',
    edits: [{ file: IMAGE_OUTLINE, find: 'if (entries !== entryCount)\n', replace: 'if (entries < 0)\n' }],
    tests: [OUTLINE],
  },
  {
    name: 'a space that is loaded from an image does not know its last LSN',
    edits: [{ file: 'src/kv/image/image-loader.ts', find: '  space.lastLsn = lastLsn;\n', replace: '' }],
    tests: [OUTLINE],
  },
  {
    name: 'an overlay leaves the end of a space behind its last block',
    edits: [
      {
        file: IMAGE_OVERLAY,
        find: 'if (space.id < from.spaceId || space.id > to.spaceId) continue;',
        replace: `if (space.id < from.spaceId || space.id > to.spaceId) continue;
      if (space.id === from.spaceId && space.id < to.spaceId) continue;`,
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'an overlay leaves the spaces between two blocks',
    edits: [
      {
        file: IMAGE_OVERLAY,
        find: 'if (space.id < from.spaceId || space.id > to.spaceId) continue;',
        replace: `if (space.id < from.spaceId || space.id > to.spaceId) continue;
      if (space.id > from.spaceId && space.id < to.spaceId) continue;`,
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'an overlay takes the last key of a space for one of the next',
    edits: [
      {
        file: IMAGE_OVERLAY,
        find: 'const low = space.id === from.spaceId ? from.key : undefined;',
        replace: 'const low = from.key;',
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'an overlay knows what is behind damage',
    edits: [{ file: IMAGE_OVERLAY, find: 'this.#position = null;', replace: '' }],
    tests: [WRITES],
  },
  {
    name: 'an overlay leaves the spaces that its table does not have',
    edits: [
      {
        file: IMAGE_OVERLAY,
        find: 'if (space.id >= nextSpaceId || ids.has(space.id) || this.#laterIds.has(space.id)) continue;',
        replace: 'if (ids.size > 0) continue;',
      },
    ],
    tests: [WRITES],
  },
];

const lostSpaces: readonly Mutant[] = [
  {
    name: 'a record of a space that nothing defines does not decode in a salvage',
    edits: [
      {
        file: RECORD_READER,
        find: 'if (lost !== null && id !== ROOT_ID && id <= SPACE_ID_MAX) {',
        replace: 'if (lost !== null && id < ROOT_ID) {',
      },
    ],
    tests: [LOST],
  },
  {
    name: 'a lost space takes the name of another',
    edits: [{ file: LOST_SPACES, find: 'names.has(name); number++', replace: 'number < 2; number++' }],
    tests: [LOST],
  },
  {
    name: 'values of a lost space leave out the names of properties',
    edits: [
      {
        file: LOST_SPACES,
        find: 'this.#writeNames(space);',
        replace: 'if (space.id < 0) this.#writeNames(space);',
      },
    ],
    tests: [LOST],
  },
  {
    name: 'a salvage keeps a namespace whose name was given to another',
    edits: [
      {
        file: LOST_SPACES,
        find: 'if (replaced !== undefined) this.#schema.drop(replaced.id);',
        replace: 'if (replaced === space) this.#schema.drop(replaced.id);',
      },
    ],
    tests: [LOST],
  },
  {
    name: 'a salvage drops the spaces that only a newer image has',
    edits: [
      {
        file: 'src/kv/repair/store-examination.ts',
        find: 'if (!laterIds.has(id)) this.#schema.drop(id);',
        replace: 'if (laterIds.size >= 0) this.#schema.drop(id);',
      },
    ],
    tests: [LOST],
  },
  {
    name: 'an overlay clears a lost space in the order of bytes',
    edits: [{ file: IMAGE_OVERLAY, find: 'if (this.#lost.has(space)) return;', replace: '' }],
    tests: [OVERLAYS],
  },
  {
    name: 'an overlay reads all lost spaces as msgpack',
    edits: [{ file: IMAGE_OVERLAY, find: 'return this.#read(block, LOST_BYTES);', replace: 'throw error;' }],
    tests: [LOST],
  },
];

export const spaceMutants: readonly Mutant[] = [...spaces, ...lostSpaces];
