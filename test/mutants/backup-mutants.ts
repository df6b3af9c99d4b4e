// Mutants of incremental backups: what is copied, when it is durable, and what is refused.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const UNIT = ['test/kv/incremental-backup.test.ts'];
const STOPPED = ['test/kv/stopped-incremental-backup.test.ts'];
const CRASHES = ['test/simulation/incremental-backup.test.ts'];

const LOG = 'src/journal/copied-log.ts';
const MARK = 'src/kv/copy/backup-mark.ts';
const NEW_STORE = 'src/kv/copy/new-store.ts';
const INCREMENT = 'src/kv/copy/incremental-backup.ts';
const DEFINITIONS = 'src/kv/copy/copied-definitions.ts';
const STORE = 'src/kv/store.ts';

const mutantIn = singleMutantsOf('incremental backups');

export const backupMutants: readonly Mutant[] = [
  mutantIn(
    LOG,
    'a log that a session has appended to is extended',
    UNIT,
    'if (verdict.ok && verdict.header.lineageStart === null) throw appended(directory);',
    '',
  ),
  mutantIn(
    LOG,
    'segments that were never finished stay',
    CRASHES,
    'if (isTemporarySegment(name)) await storage.remove(',
    'if (name.length > 1e9) await storage.remove(',
  ),
  mutantIn(
    LOG,
    'the second segment replaces the first',
    UNIT,
    '      lineageStart: this.#durableLsn,\n',
    '      lineageStart: this.startLsn,\n',
  ),
  mutantIn(
    LOG,
    'the last records are not written',
    UNIT,
    'if (this.#pieceCount === 0) return;',
    'if (this.#pieceCount < 2) return;',
  ),
  mutantIn(
    LOG,
    'bytes of the segment before follow the records',
    UNIT,
    'this.#piece.subarray(0, length).fill(0, this.#pieceEnd)',
    'this.#piece.subarray(0, length)',
  ),
  mutantIn(
    MARK,
    'the backup of any store is extended',
    UNIT,
    'if (mark?.sourceId === sourceId) return mark;',
    'if (mark !== null) return mark;',
  ),
  mutantIn(
    MARK,
    'a backup in a file is no error of its own',
    UNIT,
    "if (kind !== 'directory')",
    "if (kind === 'absent')",
  ),
  mutantIn(
    NEW_STORE,
    'a backup does not say whose it is',
    UNIT,
    'if (markOfBackup !== null) await writeBackupMark(storage, directory, await markOfBackup());',
    '',
  ),
  mutantIn(
    NEW_STORE,
    'a backup that failed leaves its mark',
    CRASHES,
    'const isOurs = isImage || isSegmentName(name) || name === BACKUP_MARK;',
    'const isOurs = isImage || isSegmentName(name);',
  ),
  mutantIn(
    INCREMENT,
    'a backup that is ahead of the store is no reason to refuse',
    UNIT,
    'if (log.endLsn > lastLsn)',
    'if (log.endLsn < 0)',
  ),
  mutantIn(
    INCREMENT,
    'a gap in the history is no reason to refuse',
    UNIT,
    'if (fromLsn < oldestLsn) throw gone(log.endLsn, fromLsn, oldestLsn);',
    '',
  ),
  mutantIn(
    INCREMENT,
    'other last records are no reason to refuse',
    UNIT,
    'if (!isSame)',
    'if (found === null)',
  ),
  mutantIn(
    INCREMENT,
    'the records before a full backup are not compared',
    UNIT,
    'log.lastRecords ?? mark.lastRecords',
    'log.lastRecords',
  ),
  mutantIn(
    INCREMENT,
    'a backup that has all LSNs of the store is not compared with it',
    UNIT,
    'while (log.endLsn < endLsn || !comparison.isDone)',
    'while (log.endLsn < endLsn)',
  ),
  mutantIn(
    'src/journal/last-records.ts',
    'only the last record is compared',
    UNIT,
    'aboveLsn: number = endLsn - COMPARED_BYTES',
    'aboveLsn: number = endLsn - 1',
  ),
  mutantIn(
    'src/kv/copy/last-records-of.ts',
    'a log that cannot be read makes the backup fail',
    UNIT,
    'if (isKeelsonError(error)) return null;',
    '',
  ),
  mutantIn(INCREMENT, 'writes behind the call are copied', UNIT, '      if (lsn > endLsn) return;\n', ''),
  mutantIn(INCREMENT, 'the lock of the backup is kept', UNIT, '    await lock.release();\n', ''),
  mutantIn(
    INCREMENT,
    'a backup that made a checkpoint of its own is extended',
    UNIT,
    'if (lsn !== imageLsn)',
    'if (lsn === undefined)',
  ),
  mutantIn(
    INCREMENT,
    'a backup that was moved meanwhile counts as made',
    STOPPED,
    '    assertStillThere(plan.storage, storage, directory);\n',
    '',
  ),
  mutantIn(
    INCREMENT,
    'the close of the store does not stop the copying',
    STOPPED,
    '        assertGoingOn();\n        if (window === null)',
    '        if (window === null)',
  ),
  mutantIn(
    DEFINITIONS,
    'what stands before the backup counts as defined in it',
    UNIT,
    '    if (lsn > this.#imageLsn) {\n',
    '    if (lsn > 0) {\n',
  ),
  mutantIn(
    DEFINITIONS,
    'the image of the backup is believed to have every definition',
    UNIT,
    'if (!this.#ofImage.has(id)) throw undefinedIn(this.#directory);',
    '',
  ),
  mutantIn(
    DEFINITIONS,
    'the image of the backup is not asked for definitions',
    UNIT,
    'this.#ofImage ??= await this.#readImage();',
    'this.#ofImage ??= new Map();',
  ),
  mutantIn(
    STORE,
    'the records behind a backup do not repeat definitions',
    UNIT,
    '    if (log !== null) schema.startEpoch(lastLsn);\n',
    '',
  ),
];
