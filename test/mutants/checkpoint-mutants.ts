// Mutants of the checkpoints, images, replay and backups of a store.

import type { Mutant } from './mutants.js';

const CHECKPOINTS = 'test/kv/checkpoint-schedule.test.ts';
const ORDER = 'test/simulation/durable-order.test.ts';
const IMAGES = 'test/kv/image-files.test.ts';
const OUTLINE = 'test/kv/image-outline.test.ts';
const BACKUP_CRASHES = 'test/simulation/backup.test.ts';
const CONTRACT = 'test/kv/store-simulated.test.ts';

const RECORD_READER = 'src/kv/write/record-reader.ts';
const IMAGE_WRITER = 'src/kv/image/image-writer.ts';
const IMAGE_OUTLINE = 'src/kv/image/image-outline.ts';

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
        file: 'src/kv/replay/log-replay.ts',
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

export const checkpointMutants: readonly Mutant[] = [...checkpoints, ...opening, ...backups];
