// Mutants of recovery: what had been durable must be there, what was torn must not come back, and what is reported is
// durable.

import type { Mutant } from './mutants.js';

const DECISION = 'test/journal/tail-decision.test.ts';
const LESSONS = 'test/journal/lessons.test.ts';
const COPIES = 'test/journal/recovery-copies.test.ts';
const DAMAGE = 'test/journal/damage.test.ts';
const REGRESSIONS = 'test/simulation/recovery-regressions.test.ts';
const DECISION_FILE = 'src/journal/recovery/tail-decision.ts';
const GEOMETRY_FILE = 'src/journal/recovery/log-geometry.ts';
const RECOVERY_FILE = 'src/journal/recovery/recovery.ts';
const HISTORIES_FILE = 'src/journal/recovery/mixed-histories.ts';
const MIXED = 'test/kv/mixed-histories.test.ts';

export const recoveryMutants: readonly Mutant[] = [
  {
    name: 'frames count as verified although the engine says that they do not',
    edits: [
      {
        file: 'src/journal/format/frame-cursor.ts',
        find: 'this.#areVerified = this.#verify(window.subarray(at, end), this.lsn, this.#seed);',
        replace: 'this.#areVerified = true || this.#verify(window.subarray(at, end), this.lsn, this.#seed);',
      },
    ],
    tests: ['test/journal/formats.test.ts'],
  },
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
        file: GEOMETRY_FILE,
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
        file: GEOMETRY_FILE,
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
        file: GEOMETRY_FILE,
        find: 'deadFromLsn = Math.min(deadFromLsn, replacesFrom({ header, scan }));',
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
        find: 'lastCommit !== undefined && endsForGood(lastCommit.flags);',
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
        file: GEOMETRY_FILE,
        find: 'return fileBytes >= sizeBytes || isClosedAtEnd;',
        replace: 'return fileBytes > 0 || isClosedAtEnd;',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a segment that damage may have cut opens without a word',
    edits: [
      {
        file: DECISION_FILE,
        find: 'if (!hasAllBytes(torn.found, torn.header)) {',
        replace: 'if (torn === null) {',
      },
    ],
    tests: ['test/journal/cut-segments.test.ts'],
  },
  {
    name: 'a segment under the name of another one is sound',
    edits: [
      {
        file: GEOMETRY_FILE,
        find: 'if (header.sequence !== sequence)',
        replace: 'if (header.sequence < 0)',
      },
    ],
    tests: [DECISION],
  },
  {
    name: "a dead life's tail is flushed, and not copied",
    edits: [
      {
        file: RECOVERY_FILE,
        find: '  const { journalId, blockBytes, lineageStart, endLsn, heldFromLsn } = decision;',
        replace: `  for (const { path } of decision.live) {
    const file = await storage.openFile(path, true);
    await file.flush();
    await file.close();
  }
  decision = { ...decision, lineageStart: decision.endLsn };
  const { journalId, blockBytes, lineageStart, endLsn, heldFromLsn } = decision;`,
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
        file: 'src/journal/segments/lineage-segment.ts',
        find: 'sizeBytes, blockBytes, lineageStart, durableLsn };',
        replace: 'sizeBytes, blockBytes, lineageStart: null, durableLsn };',
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'a record is given to readers although its checksum fails',
    edits: [
      {
        file: 'src/journal/format/frame-cursor.ts',
        find: '!this.#areVerified &&',
        replace: 'Number.isNaN(lsn) &&',
      },
    ],
    tests: [DAMAGE],
  },
  {
    name: 'segments of two histories are read as one',
    edits: [{ file: DECISION_FILE, find: 'if (mixed !== null) return mixed;', replace: 'void mixed;' }],
    tests: [DECISION, MIXED],
  },
  {
    name: 'a later segment of another history may begin below what was durable',
    edits: [
      {
        file: HISTORIES_FILE,
        find: '...(provenIn(segment) > firstLater.lsn ? [firstLater] : []),',
        replace: '',
      },
    ],
    tests: [DECISION, MIXED],
  },
  {
    name: 'a later segment of another history may begin below what is alive',
    edits: [
      {
        file: HISTORIES_FILE,
        find: '...(isNeeded && livingEndOf(segment) > firstLivingLater.lsn ? [firstLivingLater] : []),',
        replace: '...(isNeeded && livingEndOf(segment) < -1 ? [firstLivingLater] : []),',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a torn tail below the image is another history when its lineage was retired first',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'isNeeded && livingEndOf(segment)',
        replace: '(isNeeded || true) && livingEndOf(segment)',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a tail that recovery has copied into a lineage is another history',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'if (header.lineageStart !== null) return header.durableLsn;',
        replace: 'if (header.lineageStart !== null) return header.lineageStart;',
      },
    ],
    tests: [DECISION],
  },
  {
    name: "an owner that was robbed may write on behind its robber's recovery",
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'if (header.lineageStart !== null) return header.durableLsn;',
        replace: 'if (header.lineageStart !== null) return NEVER.lsn;',
      },
    ],
    tests: [DECISION, MIXED],
  },
  {
    name: 'a segment under the name of another one is another history',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'if (sequence !== segment.found.sequence) continue;',
        replace: '',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'a seal does not say that what is before it was durable',
    edits: [
      {
        file: GEOMETRY_FILE,
        find: 'header.durableLsn, markedLsn)',
        replace: 'header.durableLsn, 0 * markedLsn)',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'only the nearest segment is compared with the one before it',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'return b.lsn <= a.lsn ? b : a;',
        replace: 'return b.lsn < Number.POSITIVE_INFINITY ? b : a;',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'another history is said to start before what both have in common',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'find(({ endLsn }) => endLsn > lsn)',
        replace: 'find(({ endLsn }) => endLsn >= lsn)',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'what the end of another history was is not told where it was not proven',
    edits: [
      {
        file: HISTORIES_FILE,
        find: 'Math.max(provenIn(segment), scan.commits.at(-1)?.endLsn ?? -1)',
        replace: 'Math.max(provenIn(segment), 0 * (scan.commits.at(-1)?.endLsn ?? -1))',
      },
    ],
    tests: [DECISION],
  },
  {
    name: 'who meets two histories is not told what to do',
    edits: [
      {
        file: RECOVERY_FILE,
        find: 'decision.advice ?? NEXT_STEPS',
        replace: 'NEXT_STEPS',
      },
    ],
    tests: [MIXED],
  },
  {
    name: 'verify() names one file of another history only',
    edits: [
      {
        file: 'src/journal/repair/journal-examination.ts',
        find: 'known.push(...this.#mixed());',
        replace: '',
      },
    ],
    tests: [MIXED],
  },
  {
    name: 'salvage() does not say which writes of another history it leaves',
    edits: [
      {
        file: 'src/journal/repair/journal-examination.ts',
        find: 'for (const { lsn, lsnEnd } of this.#mixed()) missing.push({ lsn, lsnEnd });',
        replace: '',
      },
    ],
    tests: [MIXED],
  },
];
