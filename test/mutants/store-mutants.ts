// Mutants of the store: what is visible when, checkpoints, replay, the memory of values, backups, encodings.

import type { Mutant } from './mutants.js';

const CHECKPOINTS = 'test/kv/checkpoint-schedule.test.ts';
const ORDER = 'test/simulation/durable-order.test.ts';
const MODEL = 'test/simulation/store-model.test.ts';
const IMAGES = 'test/kv/image-files.test.ts';
const OUTLINE = 'test/kv/image-outline.test.ts';
const ENTRIES = 'test/kv/entries.test.ts';
const KEY_TABLE = 'test/kv/hash-index.test.ts';
const HANDLES = 'test/kv/entry-handles.test.ts';
const SLABS = 'test/kv/entry-slabs.test.ts';
const BACKUP_CRASHES = 'test/simulation/backup.test.ts';
const SHORT = 'test/kv/short-lives.test.ts';
const CUT = 'test/journal/cut-segments.test.ts';
const CONTRACT = 'test/kv/store-simulated.test.ts';
const DRAINED = 'test/kv/drained.test.ts';
const TURNS = 'test/kv/fair-turns.test.ts';
const WRITES = 'test/kv/write-path.test.ts';
const RECORDS = 'test/kv/records.test.ts';
const SCHEMA = 'test/kv/schema.test.ts';
const LOST = 'test/kv/salvage-namespaces.test.ts';
const OVERLAYS = 'test/kv/image-overlay.test.ts';

const WRITE_PATH = 'src/kv/write/write-path.ts';
const APPLY_WRITES = 'src/kv/write/change-entries.ts';
const WRITE_SET = 'src/kv/write/write-set.ts';
const RECORD_READER = 'src/kv/write/record-reader.ts';
const IMAGE_WRITER = 'src/kv/image/image-writer.ts';
const IMAGE_OUTLINE = 'src/kv/image/image-outline.ts';
const IMAGE_OVERLAY = 'src/kv/repair/image-overlay.ts';
const LOST_SPACES = 'src/kv/repair/lost-spaces.ts';

const writes: readonly Mutant[] = [
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
    name: 'a put is visible before the journal has accepted it',
    edits: [
      {
        file: WRITE_PATH,
        find: '    let record = writes.finish();\n',
        replace: `    let record = writes.finish();
    stage(writes);
    link(schema, writes, log.nextLsn);\n`,
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'a delete is visible before the journal has accepted it',
    edits: [
      {
        file: WRITE_PATH,
        find: '    let record = writes.finish();\n',
        replace: `    let record = writes.finish();
    if (!writes.kinds.includes(PUT)) link(schema, writes, log.nextLsn);\n`,
      },
      {
        file: WRITE_PATH,
        find: "import { WriteSet } from './write-set.js';",
        replace: "import { PUT, WriteSet } from './write-set.js';",
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'a put resolves before it is durable',
    edits: [
      {
        file: 'src/kv/write/writer.ts',
        find: "return durability === 'memory' ? this.#turns.resolved(lsn, work) : this.log.syncThrough(lsn);",
        replace: 'void durability;\n    void work;\n    return Promise.resolve(lsn);',
      },
    ],
    tests: [CONTRACT, MODEL],
  },
  {
    name: 'a store that was opened is not born before its first write',
    edits: [
      {
        file: 'src/kv/open-store.ts',
        find: 'if (store.lastLsn === 0) await giveBirth(journal, opening);',
        replace: 'void giveBirth;',
      },
    ],
    tests: [CONTRACT],
  },
  {
    name: 'a clear of everything takes what the same batch has staged',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: 'if (this.#stagedCount === 0) this.#slabs.clear();',
        replace: 'if (this.#stagedCount >= 0) this.#slabs.clear();',
      },
    ],
    tests: [ENTRIES],
    filter: 'keep what is staged',
  },
  {
    name: 'a write set keeps the key of its caller',
    edits: [{ file: WRITE_SET, find: "      this.keys[at] = '';\n", replace: '' }],
    tests: [WRITES],
  },
  {
    name: 'a write set keeps a space that may be dropped',
    edits: [{ file: WRITE_SET, find: '      this.spaces[at] = null;\n', replace: '' }],
    tests: ['test/kv/write-sets.test.ts'],
  },
  {
    name: 'a write set keeps the keys of a large batch',
    edits: [{ file: WRITE_SET, find: '    this.keys = [];\n', replace: '' }],
    tests: ['test/kv/write-sets.test.ts'],
  },
  {
    name: 'a write set keeps the bounds of its caller',
    edits: [
      {
        file: WRITE_SET,
        find: '    this.view = NO_VIEW;\n    if (this.bounds.length > 0) this.bounds = [];\n',
        replace: '    this.view = NO_VIEW;\n',
      },
    ],
    tests: [WRITES],
  },
];

const pressure: readonly Mutant[] = [
  {
    name: 'a close leaves what a segment does not use',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: `await segment.file.truncate(segment.nextOffset).catch(() => {});`,
        replace: `await null;`,
      },
    ],
    tests: [CUT],
  },
  {
    name: 'a close cuts the seal away',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: `segment.file.truncate(segment.nextOffset)`,
        replace: `segment.file.truncate(segment.nextOffset - segment.header.blockBytes)`,
      },
    ],
    tests: [CUT],
  },
  {
    name: 'a segment that was not sealed is cut',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: `if (segment !== null && this.poisoned === null)
      await segment.file`,
        replace: `if (segment !== null)
      await segment.file`,
      },
    ],
    tests: [CUT],
  },
  {
    name: 'a file that ends in the middle of a commit is sound',
    edits: [
      {
        file: 'src/journal/recovery/tail-decision.ts',
        find: `scan?.endsBecause === 'header' && scan.endOffset`,
        replace: `scan !== null && scan.endOffset`,
      },
    ],
    tests: [CUT],
  },
  {
    name: 'a damaged seal makes all of a file that was cut unreadable',
    edits: [
      {
        file: 'src/journal/recovery/tail-decision.ts',
        find: `return scan?.endsBecause === 'header' && scan.endOffset + blockBytes === fileBytes;`,
        replace: `return scan === null && blockBytes === 0;`,
      },
    ],
    tests: [CUT],
  },
  {
    name: 'a seal anywhere in a file makes a shorter one sound',
    edits: [
      {
        file: 'src/journal/recovery/segment-scan.ts',
        find: `const isLastBlock = offset + this.#blockBytes === this.#lengthBytes;`,
        replace: `const isLastBlock = offset > 0;`,
      },
    ],
    tests: [CUT],
  },
  {
    name: 'a close aborts the checkpoint that short lives make due',
    edits: [
      {
        file: 'src/kv/image/checkpoint-schedule.ts',
        find: `if (this.#isClosed && !this.#outlivesClose)`,
        replace: `if (this.#isClosed)`,
      },
    ],
    tests: [SHORT],
  },
  {
    name: 'a close waits for a large checkpoint',
    edits: [
      {
        file: 'src/kv/image/checkpoint-schedule.ts',
        find: `this.#valueBytes <= closingBytes`,
        replace: `closingBytes > 0`,
      },
    ],
    tests: [SHORT],
  },
  {
    name: 'a close waits for a checkpoint that was asked for',
    edits: [
      {
        file: 'src/kv/image/checkpoint-schedule.ts',
        find: `isAutomatic && this.#hasManySegments`,
        replace: `this.#hasManySegments`,
      },
    ],
    tests: [SHORT],
  },
  {
    name: 'whoever waits for the journal to drain is told of the next commit',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: 'if (this.#isDrained) this.#drainWaiters.settle(0);',
        replace: 'this.#drainWaiters.settle(0);',
      },
    ],
    tests: [DRAINED],
  },
  {
    name: 'whoever waits for the journal to drain is not told that it is poisoned',
    edits: [
      { file: 'src/journal/journal.ts', find: 'this.#drainWaiters.end(-1, error);', replace: 'void error;' },
    ],
    tests: [DRAINED],
  },
  {
    name: 'a loop of writes that resolve at once leaves the event loop no turn',
    edits: [
      {
        file: 'src/fair-turns.ts',
        find: 'if (this.#work < WORK_PER_TURN) return false;',
        replace: 'return false;',
      },
    ],
    tests: [TURNS],
  },
  {
    name: 'iterations that share a turn do not wait for it together',
    edits: [{ file: 'src/fair-turns.ts', find: ' && !this.#turn.isAwaited', replace: '' }],
    tests: [TURNS],
  },
  {
    name: 'a turn that has come is awaited for ever',
    edits: [{ file: 'src/fair-turns.ts', find: 'this.#promise = null;', replace: '' }],
    tests: [TURNS],
  },
  {
    name: 'a write of many bytes or keys counts as one where the event loop gets its turns',
    edits: [
      {
        file: 'src/kv/write/writer.ts',
        find: 'this.#turns.resolved(lsn, work)',
        replace: 'this.#turns.resolved(lsn)',
      },
    ],
    tests: [TURNS],
  },
  {
    name: 'a journal that is read leaves the event loop no turn',
    edits: [
      {
        file: 'src/journal/read/iterations.ts',
        find: 'if (this.#turns.isDue()) await nextTurn();\n        this.#journal.assertOpen();',
        replace: 'this.#journal.assertOpen();',
      },
    ],
    tests: [TURNS],
  },
];

const checkpoints: readonly Mutant[] = [
  {
    name: 'an image gets its name before its LSN is durable in the journal',
    edits: [{ file: 'src/kv/image/checkpoint.ts', find: 'await log.syncThrough(view.lsn);', replace: '' }],
    tests: [ORDER],
  },
  {
    name: 'an image gets its name without a flush of its end',
    edits: [
      {
        file: IMAGE_WRITER,
        find: `await this.#file.flush();
    return this.#offset;`,
        replace: 'return this.#offset;',
      },
    ],
    tests: [ORDER],
  },
  {
    name: 'an image is written under its name, and flushed after that',
    edits: [
      {
        file: IMAGE_WRITER,
        find: 'await writeImage(storage, temporary, plan);',
        replace: 'await writeImage(storage, path, plan);',
      },
      {
        file: 'src/storage/publish-file.ts',
        find: '() => storage.rename(from, to),',
        replace: 'async () => {},',
      },
    ],
    tests: [ORDER],
  },
  {
    name: 'the name of an image is not flushed before what it replaces goes',
    edits: [
      { file: 'src/kv/image/checkpoint.ts', find: 'await storage.flushDirectory(directory);', replace: '' },
    ],
    tests: [ORDER],
  },
  {
    name: 'segments are retired before the name of the image is durable',
    edits: [
      {
        file: 'src/kv/image/checkpoint.ts',
        find: 'await storage.flushDirectory(directory);',
        replace: `await (log as LocalLog).retireBehindImage(view.lsn);
    await storage.flushDirectory(directory);`,
      },
    ],
    tests: [ORDER],
  },
  {
    name: 'older images are removed before the name of the new one is durable',
    edits: [
      {
        file: 'src/kv/image/checkpoint.ts',
        find: 'await storage.flushDirectory(directory);',
        replace: `for (const lsn of await listImages(storage, directory)) {
      if (lsn < view.lsn) await storage.remove(imagePath(directory, lsn));
    }
    await storage.flushDirectory(directory);`,
      },
    ],
    tests: [ORDER],
  },
  {
    name: 'a failed flush of the directory behind an image poisons nothing',
    edits: [
      {
        file: 'src/kv/image/checkpoint.ts',
        find: 'if (isFailedFlush(error)) log.poison(error);',
        replace: 'void isFailedFlush;',
      },
    ],
    tests: [CHECKPOINTS],
  },
  {
    name: 'a checkpoint goes on when the journal was poisoned during the flush of its name',
    edits: [
      {
        file: 'src/kv/image/checkpoint.ts',
        find: `  assertSound(log);
  return { lsn: view.lsn`,
        replace: '  return { lsn: view.lsn',
      },
      {
        file: 'src/kv/image/checkpoint.ts',
        find: `  assertSound(log);
  const retired`,
        replace: '  const retired',
      },
    ],
    tests: [CHECKPOINTS],
  },
  {
    name: 'the older generation is not kept',
    edits: [
      {
        file: 'src/kv/image/checkpoint-schedule.ts',
        find: 'const olderLsn = options.keepOlderGeneration ? this.#olderImageLsn : this.#imageLsn;',
        replace: 'void options;\n    const olderLsn = this.#imageLsn;',
      },
    ],
    tests: [CHECKPOINTS],
  },
  {
    name: 'the journal behind the older generation is not kept',
    edits: [
      {
        file: 'src/kv/image/checkpoint.ts',
        find: 'await log.retireBehindImage(olderLsn, retention);',
        replace: 'await log.retireBehindImage(lsn, retention);',
      },
    ],
    tests: [CHECKPOINTS],
  },
  {
    name: 'an image is of what is there while it is written, and not of one moment',
    edits: [
      {
        file: 'src/kv/image/image-parts.ts',
        find: '  const { slabs } = entries;\n',
        replace: '  entries = space.entries.view();\n  const { slabs } = entries;\n',
      },
    ],
    tests: [CHECKPOINTS],
  },
];

const opening: readonly Mutant[] = [
  {
    name: 'replay gives every entry the version 0',
    edits: [
      {
        file: 'src/kv/log-replay.ts',
        find: 'this.#replay.apply(writes, lsn);',
        replace: 'this.#replay.apply(writes, 0);',
      },
    ],
    tests: [CONTRACT],
  },
  {
    name: 'replay leaves out clears',
    edits: [
      {
        file: RECORD_READER,
        find: 'into.addClear(space, readBounds(keyCodec, record, cursor, end));',
        replace: 'readBounds(keyCodec, record, cursor, end);',
      },
    ],
    tests: [CONTRACT],
  },
  {
    name: 'replay leaves out deletes',
    edits: [
      {
        file: RECORD_READER,
        find: 'if ((flags & EXPIRED) === 0) into.addDelete(space, key);',
        replace: '',
      },
    ],
    tests: [CONTRACT],
  },
  {
    name: 'a damaged image is passed over without a word',
    edits: [{ file: 'src/kv/open-store.ts', find: 'damaged.push(error);', replace: '' }],
    tests: ['test/kv/open.test.ts'],
  },
  {
    name: 'an image under the name of another LSN is taken for it',
    edits: [
      { file: 'src/kv/open-store.ts', find: 'if (header.lsn !== lsn) {', replace: 'if (header.lsn < 0) {' },
    ],
    tests: ['test/kv/open.test.ts', CHECKPOINTS, 'test/kv/verify.test.ts', 'test/damage/damage.test.ts'],
  },
  {
    name: 'a block of an image counts although its checksum fails',
    edits: [
      {
        file: 'src/kv/image/image-block-reader.ts',
        find: 'if (!imageBlockVerifies(block, seed, crc32cUpdate))',
        replace: 'if (Number.isNaN(+imageBlockVerifies(block, seed, crc32cUpdate)))',
      },
    ],
    tests: [IMAGES],
    filter: 'of another image',
  },
  {
    name: 'the checksums of an image leave out its LSN',
    edits: [
      {
        file: 'src/kv/image/image-format.ts',
        find: 'return crc32cUpdateUint64(crc32cUpdate(CRC32C_START, journalId, 0, JOURNAL_ID_BYTES), lsn);',
        replace:
          'return crc32cUpdateUint64(crc32cUpdate(CRC32C_START, journalId, 0, JOURNAL_ID_BYTES), 0 * lsn);',
      },
    ],
    tests: [IMAGES],
    filter: 'of another image',
  },
  {
    name: 'an image of small entries is written without the program having its turn',
    edits: [
      {
        file: IMAGE_WRITER,
        find: '      sinceTurn = 0;\n      await nextTurn();',
        replace: '      sinceTurn = 0;',
      },
    ],
    tests: [IMAGES],
    filter: 'lets the program have its turn',
  },
  {
    name: 'an image with fewer entries than it says is whole',
    edits: [
      {
        file: IMAGE_OUTLINE,
        find: 'if (this.#entries !== entries)\n',
        replace: 'if (this.#entries > entries)\n',
      },
    ],
    tests: [OUTLINE],
  },
];

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

const memory: readonly Mutant[] = [
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
];

const backups: readonly Mutant[] = [
  {
    name: 'the marker of a backup is removed before the backup is whole',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: 'bytesWritten = await writeContent(storage, plan, journalId);',
        replace: `await storage.remove(marker);
    bytesWritten = await writeContent(storage, plan, journalId);`,
      },
      {
        file: 'src/kv/copy/new-store.ts',
        find: `await storage.remove(marker);
  await storage.flushDirectory(directory);
  return bytesWritten;`,
        replace: `await storage.flushDirectory(directory);
  return bytesWritten;`,
      },
    ],
    tests: [BACKUP_CRASHES],
  },
  {
    name: 'a backup holds what its source may yet lose',
    edits: [
      {
        file: 'src/kv/copy/backup.ts',
        find: 'whenAllowed: async () => log?.syncThrough(view.lsn),',
        replace: 'whenAllowed: async () => void log,',
      },
    ],
    tests: [BACKUP_CRASHES],
  },
  {
    name: 'the marker of a backup is not durable before the rest',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: `await flushNameOf(storage, directory);
    await storage.flushDirectory(directory);`,
        replace: 'await flushNameOf(storage, directory);',
      },
    ],
    tests: [BACKUP_CRASHES],
  },
  {
    name: 'a backup resolves before the removal of its marker is durable',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: `await storage.remove(marker);
  await storage.flushDirectory(directory);
  return bytesWritten;`,
        replace: `await storage.remove(marker);
  return bytesWritten;`,
      },
    ],
    tests: [BACKUP_CRASHES],
  },
];

const encodings: readonly Mutant[] = [
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

export const storeMutants: readonly Mutant[] = [
  ...writes,
  ...pressure,
  ...checkpoints,
  ...opening,
  ...spaces,
  ...lostSpaces,
  ...memory,
  ...backups,
  ...encodings,
];
