// Mutants of the store: what is visible when, checkpoints, replay, the memory of values, backups, encodings.

import type { Mutant } from './mutants.js';

const CHECKPOINTS = 'test/kv/checkpoint-schedule.test.ts';
const ORDER = 'test/simulation/durable-order.test.ts';
const MODEL = 'test/simulation/store-model.test.ts';
const IMAGES = 'test/kv/image-files.test.ts';
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

const writes: readonly Mutant[] = [
  {
    name: 'a put is visible before the journal has accepted it',
    edits: [
      {
        file: 'src/kv/store.ts',
        find: '    const records = [record];\n',
        replace: `    writes.stage(this.#entries, record);
    writes.link(this.#entries, journal.nextLsn);
    const records = [record];\n`,
      },
    ],
    tests: [CONTRACT, 'test/simulation/store-faults.test.ts'],
  },
  {
    name: 'a delete is visible before the journal has accepted it',
    edits: [
      {
        file: 'src/kv/store.ts',
        find: '    const records = [record];\n',
        replace: `    writes.link(this.#entries, journal.nextLsn);
    const records = [record];\n`,
      },
    ],
    tests: [CONTRACT, MODEL, 'test/simulation/store-faults.test.ts'],
  },
  {
    name: 'a put resolves before it is durable',
    edits: [
      {
        file: 'src/kv/store.ts',
        find: "return durability === 'memory' ? this.#turns.resolved(lsn, work) : journal.syncThrough(lsn);",
        replace: 'void durability;\n    return Promise.resolve(lsn);',
      },
    ],
    tests: [CONTRACT, MODEL],
  },
  {
    name: 'a store that was opened is not born before its first write',
    edits: [
      {
        file: 'src/kv/open-store.ts',
        find: 'if (store.lastLsn === 0) await giveBirth(journal, opening.codecs);',
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
        find: 'if (this.#stagedCount === 0) this.values.clear();',
        replace: 'if (this.#stagedCount >= 0) this.values.clear();',
      },
    ],
    tests: [ENTRIES],
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
        file: 'src/journal/recovery/recovery-decision.ts',
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
        file: 'src/journal/recovery/recovery-decision.ts',
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
        find: `entries.memory.valueBytes <= closingBytes`,
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
    name: 'a write of many bytes or keys counts as one where the event loop gets its turns',
    edits: [
      {
        file: 'src/kv/store.ts',
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
    edits: [
      { file: 'src/kv/image/checkpoint.ts', find: 'await journal.syncThrough(header.lsn);', replace: '' },
    ],
    tests: [ORDER],
  },
  {
    name: 'an image gets its name without a flush of its end',
    edits: [
      {
        file: 'src/kv/image/image-files.ts',
        find: `await file.flush();
    return offset;`,
        replace: 'return offset;',
      },
    ],
    tests: [ORDER],
  },
  {
    name: 'an image is written under its name, and flushed after that',
    edits: [
      {
        file: 'src/kv/image/image-files.ts',
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
        replace: `await journal.retireBehindImage(header.lsn);
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
      if (lsn < header.lsn) await storage.remove(imagePath(directory, lsn));
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
        find: 'if (isFailedFlush(error)) journal.poison(error);',
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
        find: `  assertSound(journal);
  return { lsn: header.lsn`,
        replace: '  return { lsn: header.lsn',
      },
      {
        file: 'src/kv/image/checkpoint.ts',
        find: `  assertSound(journal);
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
        find: 'await journal.retireBehindImage(olderLsn);',
        replace: 'await journal.retireBehindImage(lsn);',
      },
    ],
    tests: [CHECKPOINTS],
  },
  {
    name: 'an image is of what is there while it is written, and not of one moment',
    edits: [
      {
        file: 'src/kv/image/checkpoint-schedule.ts',
        find: 'const view = entries.clone();',
        replace: 'const view: EntriesView = entries;',
      },
    ],
    tests: [CHECKPOINTS],
  },
];

const opening: readonly Mutant[] = [
  {
    name: 'replay gives every entry the version 0',
    edits: [{ file: 'src/kv/open-store.ts', find: '    version = lsn;', replace: '' }],
    tests: [CONTRACT],
  },
  {
    name: 'replay leaves out clears',
    edits: [
      {
        file: 'src/kv/open-store.ts',
        find: 'clear: (bounds) => entries.deleteRange(bounds),',
        replace: 'clear: () => {},',
      },
    ],
    tests: [CONTRACT],
  },
  {
    name: 'replay leaves out deletes',
    edits: [
      {
        file: 'src/kv/open-store.ts',
        find: 'delete: (key) => entries.delete(key),',
        replace: 'delete: () => {},',
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
        file: 'src/kv/image/image-format.ts',
        find: 'if (!imageBlockHolds(block, seed)) {',
        replace: 'if (Number.isNaN(+imageBlockHolds(block, seed))) {',
      },
    ],
    tests: [IMAGES],
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
  },
  {
    name: 'an image of small entries is written without the program having its turn',
    edits: [
      {
        file: 'src/kv/image/image-files.ts',
        find: 'if (offset === offsetBefore && count === GATHERED_ENTRIES_MAX) await nextTurn();',
        replace: '',
      },
    ],
    tests: [IMAGES],
  },
  {
    name: 'an image with fewer entries than it says is whole',
    edits: [
      {
        file: 'src/kv/image/image-files.ts',
        find: 'if (loader.size !== header.entryCount || offset !== fileBytes) {',
        replace: 'if (offset !== fileBytes) {',
      },
    ],
    tests: [IMAGES],
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
        find: 'if (slab.bytes.length === this.slabBytesMax && slab.viewsBefore === this.#viewCount) {',
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
        find: 'return new EntriesView(this.index.clone(), this.handles.view(), this.values.view());',
        replace: 'return new EntriesView(this.index.clone(), this.handles, this.values.view());',
      },
    ],
    tests: [ENTRIES],
  },
  {
    name: 'compaction moves a value and loses its version',
    edits: [
      {
        file: 'src/kv/entries/entry-slabs.ts',
        find: 'from.bytes.subarray(word * 4, word * 4 + entryBytes), at);',
        replace: 'from.bytes.subarray(word * 4 + 20, word * 4 + entryBytes), at + 20);',
      },
    ],
    tests: [SLABS],
  },
  {
    name: 'a value that is overwritten keeps its memory',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: `      this.#setHandle(hash, id, previous, handle);
      this.values.release(previous);`,
        replace: '      this.#setHandle(hash, id, previous, handle);',
      },
    ],
    tests: [ENTRIES],
  },
  {
    name: 'a view shares the ordered index that the store goes on to change',
    edits: [
      {
        file: 'src/kv/entries/entries.ts',
        find: 'return new EntriesView(this.index.clone(), this.handles.view(), this.values.view());',
        replace: 'return new EntriesView(this.index, this.handles.view(), this.values.view());',
      },
    ],
    tests: [ENTRIES],
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
        find: 'this.index.set(key, id);\n    if (!this.#table.insert(hash, handle)) this.#isTablePartial = true;',
        replace: 'this.index.set(key, id);\n    this.#table.insert(hash, handle);',
      },
    ],
    tests: [ENTRIES],
  },
  {
    name: 'a key that is deleted stays in the hash index',
    edits: [{ file: 'src/kv/entries/entries.ts', find: 'this.#table.remove(hash, handle);', replace: '' }],
    tests: [ENTRIES],
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
        find: 'whenAllowed: async () => journal?.syncThrough(lsn),',
        replace: 'whenAllowed: async () => void journal,',
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
];

export const storeMutants: readonly Mutant[] = [
  ...writes,
  ...pressure,
  ...checkpoints,
  ...opening,
  ...memory,
  ...backups,
  ...encodings,
];
