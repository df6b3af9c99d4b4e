// Mutants of recovery: what had been durable must be there, what was torn must not come back, and what is reported is
// durable.

import type { Mutant } from './mutants.js';

const DECISION = 'test/journal/recovery-decision.test.ts';
const LESSONS = 'test/journal/lessons.test.ts';
const COPIES = 'test/journal/recovery-copies.test.ts';
const DAMAGE = 'test/journal/damage.test.ts';
const REGRESSIONS = 'test/simulation/recovery-regressions.test.ts';
const DECISION_FILE = 'src/journal/recovery-decision.ts';
const RECOVERY_FILE = 'src/journal/recovery.ts';
const HISTORIES_FILE = 'src/journal/mixed-histories.ts';

export const recoveryMutants: readonly Mutant[] = [
  {
    name: 'rot in the middle of the log is cut off as a torn tail',
    edits: [
      {
        file: DECISION_FILE,
        find: 'if (endLsn < provenLsn) return refuseBreak(brokenIn ?? chain.at(-1)!, endLsn, provenLsn);',
        replace: 'void refuseBreak;\n  void brokenIn;',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'what the headers of segments say had been durable is not heard',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'Math.max(scan.durableLsnClaimed, header.durableLsn, markedLsn)',
        replace: 'Math.max(scan.durableLsnClaimed, 0 * header.durableLsn, markedLsn)',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'what the headers of commits say had been durable is not heard',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'Math.max(scan.durableLsnClaimed, header.durableLsn, markedLsn)',
        replace: 'Math.max(0 * scan.durableLsnClaimed, header.durableLsn, markedLsn)',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'what an image says had been durable is not heard',
    edits: [{ file: DECISION_FILE, find: 'anchor?.provenLsn ?? 0,', replace: '0,' }],
    tests: [DECISION],
  },
  {
    name: 'only an image that can be read says how far the journal had been durable',
    edits: [
      {
        file: 'src/kv/open-store.ts',
        find: 'return { lsn: lsn ?? 0, provenLsn: newestLsn, journalId };',
        replace: 'void newestLsn;\n  return { lsn: lsn ?? 0, provenLsn: lsn ?? 0, journalId };',
      },
    ],
    tests: [REGRESSIONS],
  },
  {
    name: 'the segment that goes on from a rotated one may be missing',
    edits: [{ file: DECISION_FILE, find: 'if (missing !== null) return missing;', replace: 'void missing;' }],
    tests: [DECISION],
  },
  {
    name: 'commits that a later lineage has replaced count',
    edits: [
      {
        file: DECISION_FILE,
        find: 'deadFromLsn = Math.min(deadFromLsn, header.lineageStart ?? deadFromLsn);',
        replace: '',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a commit in the middle of which the proven part ends is not copied',
    edits: [
      {
        file: DECISION_FILE,
        find: 'return commit.endLsn <= provenLsn ? commit.endLsn : commit.startLsn;',
        replace: 'return commit.endLsn;',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a log that ends without a seal counts as closed well',
    edits: [
      {
        file: DECISION_FILE,
        find: 'lastCommit !== undefined && (lastCommit.flags & (COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered)) !== 0;',
        replace: 'lastCommit !== undefined;',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'the oldest records may be missing',
    edits: [
      {
        file: DECISION_FILE,
        find: 'if (startLsn > baseLsn) {',
        replace: 'if (startLsn > Number.MAX_SAFE_INTEGER) {',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a segment of another journal is read with the others',
    edits: [{ file: DECISION_FILE, find: 'if (foreign !== null) return foreign;', replace: 'void foreign;' }],
    tests: [DECISION],
  },
  {
    name: 'a segment that is shorter than it was made is sound',
    edits: [
      {
        file: DECISION_FILE,
        find: 'segment.fileBytes >= segment.verdict.header.sizeBytes',
        replace: 'segment.fileBytes >= 0',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a segment under the name of another one is sound',
    edits: [
      {
        file: DECISION_FILE,
        find: 'segment.verdict.header.sequence === segment.sequence &&',
        replace: '',
      },
    ],
    tests: [DECISION],
  },
  {
    name: "a dead life's tail is flushed, and not copied",
    edits: [
      {
        file: RECOVERY_FILE,
        find: '  const { journalId, blockBytes, lineageStart, endLsn } = decision;',
        replace: `  for (const { path } of decision.live) {
    const file = await storage.openFile(path, true);
    await file.flush();
    await file.close();
  }
  decision = { ...decision, lineageStart: decision.endLsn };
  const { journalId, blockBytes, lineageStart, endLsn } = decision;`,
      },
    ],
    tests: [COPIES],
  },
  {
    name: "a dead life's tail is taken as it stands, without a lineage of its own",
    edits: [
      {
        file: RECOVERY_FILE,
        find: 'const live = await repair(storage, directory, decision, nextSequence);',
        replace: 'void repair;\n  const { live } = decision;',
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'a new life goes on under the name of the newest file of an older one',
    edits: [
      {
        file: RECOVERY_FILE,
        find: 'const nextSequence = (found.at(-1)?.sequence ?? 0) + 1;',
        replace: 'const nextSequence = found.at(-1)?.sequence ?? 1;',
      },
    ],
    tests: [LESSONS, 'test/journal/segments.test.ts'],
  },
  {
    name: 'a recovery that finds a good end does not flush the names it found',
    edits: [
      {
        file: RECOVERY_FILE,
        find: `await storage.flushDirectory(directory);
    return recovered(decision, decision.live, 'clean', nextSequence);`,
        replace: "return recovered(decision, decision.live, 'clean', nextSequence);",
      },
    ],
    tests: [REGRESSIONS],
  },
  {
    name: 'what is copied is sealed anew without another look at it',
    edits: [
      {
        file: RECOVERY_FILE,
        find: '!checkBody(bytes, COMMIT_HEADER_BYTES, bodyBytes, recordCount, startLsn, segmentSeed(segment.header))',
        replace:
          'Number.isNaN(+checkBody(bytes, COMMIT_HEADER_BYTES, bodyBytes, recordCount, startLsn, segmentSeed(segment.header)))',
      },
    ],
    tests: [COPIES],
  },
  {
    name: 'a lineage does not say where it starts',
    edits: [
      {
        file: RECOVERY_FILE,
        find: '{ directory, sequence, journalId, sizeBytes, blockBytes, lineageStart, durableLsn: endLsn },',
        replace:
          '{ directory, sequence, journalId, sizeBytes, blockBytes, lineageStart: null, durableLsn: endLsn },',
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'a record is given to readers although its checksum fails',
    edits: [
      {
        file: 'src/journal/frame-cursor.ts',
        find: `      this.#view.getUint32(at + FRAME_CHECKSUM_AT, true) !==
      frameChecksum(this.#window, at, length, lsn, this.#seed)`,
        replace: '      Number.isNaN(frameChecksum(this.#window, at, length, lsn, this.#seed))',
      },
    ],
    tests: [DAMAGE],
  },
];
