// Mutants of transactions: reads that are not recorded, checks that miss a change, and parts that are undone by halves.

import type { Mutant } from './mutants.js';
import { mutantsOf } from './mutants-of.js';

const ENDS = 'test/kv/transaction-ends.test.ts';
const FOREIGN_CODE = 'test/kv/transaction-foreign-code.test.ts';
const HOOKS = 'test/kv/transaction-hooks.test.ts';
const INTERVALS = 'test/kv/key-intervals.test.ts';
const KEPT_STRINGS = 'test/processes/kept-strings.test.ts';
const READ_SETS = 'test/kv/read-set.test.ts';
const STORE_VIEWS = 'test/kv/store-views.test.ts';
const TIME = 'test/kv/transaction-time.test.ts';
const WRITE_SETS = 'test/kv/write-sets.test.ts';
const HISTORIES = 'test/serializability/histories.test.ts';
const INVARIANTS = 'test/serializability/invariants.test.ts';
const ITERATIONS = 'test/serializability/iterations.test.ts';
const LIST_APPEND = 'test/serializability/list-append.test.ts';
const OVERFLOWS = 'test/serializability/overflows.test.ts';
const TURNS = 'test/serializability/turns.test.ts';

const ATTEMPT = 'src/kv/write/attempt.ts';
const CHANGES = 'src/kv/write/change-entries.ts';
const COMMIT_TURNS = 'src/kv/write/commit-turns.ts';
const COMPARISON = 'src/kv/write/view-comparison.ts';
const DEADLINES = 'src/kv/write/deadlines.ts';
const KEY_INTERVALS = 'src/kv/read/key-intervals.ts';
const READ_SET = 'src/kv/write/read-set.ts';
const READS = 'src/kv/read/reads.ts';
const TRANSACTIONS = 'src/kv/write/transactions.ts';
const VIEW = 'src/kv/write/transaction-view.ts';
const VIEWED = 'src/kv/write/viewed-entries.ts';
const WRITE_LOG = 'src/kv/entries/write-log.ts';

const mutantIn = mutantsOf('transactions');

const reads: readonly Mutant[] = [
  mutantIn(VIEW, 'a count is not recorded', [INVARIANTS, HISTORIES], {
    find: '    this.#sawKeys(intervalOf(bounds));\n',
    replace: '',
  }),
  mutantIn(VIEW, 'the size is not recorded', [INVARIANTS, HISTORIES], {
    find: '    this.#sawKeys(ALL_OF_THEM);\n    return this.#overlay.size',
    replace: '    return this.#overlay.size',
  }),
  mutantIn(VIEW, 'a rank is not recorded', [INVARIANTS, HISTORIES], {
    find: '    this.#sawKeys({ low: ALL_OF_THEM.low, end: key });\n',
    replace: '',
  }),
  mutantIn(VIEW, 'nth() does not record the keys below', [HISTORIES], {
    find: '{ low: ALL_OF_THEM.low, end: successorOf(found[0]) }',
    replace: '{ low: found[0], end: successorOf(found[0]) }',
  }),
  mutantIn(VIEW, 'nth() does not record the value', [HISTORIES], {
    find: '    if (found !== undefined) this.find(found[0]);\n',
    replace: '',
  }),
  mutantIn(VIEW, 'a read of an absent key is not recorded', [INVARIANTS, HISTORIES], {
    find: 'if (this.#recording.isRecording && !isOwn(overlay, key, handle)) {',
    replace: 'if (this.#recording.isRecording && handle !== undefined && handle >= 0) {',
  }),
  mutantIn(VIEW, 'absence in a range that the transaction has cleared is a read of others', [HISTORIES], {
    find: 'return handle === undefined ? overlay.covers(key) : handle < 0;',
    replace: 'return handle !== undefined && handle < 0;',
  }),
  mutantIn(VIEW, 'an iteration with an offset is not recorded', [INVARIANTS, HISTORIES], {
    find: 'if (this.#recording.isRecording) this.#recording.reads.addRange(read);',
    replace: 'if (this.#recording.isRecording && offset === 0) this.#recording.reads.addRange(read);',
  }),
  mutantIn(VIEW, 'an iteration does not record its end', [INVARIANTS, HISTORIES], {
    find: '      this.#read.isWhole = true;\n',
    replace: '',
  }),
  mutantIn(VIEW, 'an iteration does not record its values', [HISTORIES, INVARIANTS], {
    find: '    if (this.#read !== null) this.#read.seesValues = true;\n',
    replace: '',
  }),
  mutantIn(READ_SET, 'an iteration that ended early is cut on the wrong side', [HISTORIES], {
    find: 'return this.#reverse ? { low: this.last, end }',
    replace: 'return !this.#reverse ? { low: this.last, end }',
  }),
  mutantIn(READ_SET, 'an iteration that ended early has not seen its last key', [HISTORIES], {
    find: '{ low, end: successorOf(this.last) };',
    replace: '{ low, end: this.last };',
  }),
  mutantIn(ATTEMPT, 'a delete does not record that the key was there', [INVARIANTS, HISTORIES], {
    find: 'if (this.isRecording && !overlay.covers(key)) this.reads.addPresence(space, key, isThere);',
    replace:
      'if (this.isRecording && isThere && !overlay.covers(key)) this.reads.addPresence(space, key, isThere);',
  }),
  mutantIn(ATTEMPT, 'reads before the first await are not recorded', [HISTORIES], {
    find: "return this.phase !== 'commit';",
    replace: "return this.phase === 'view';",
  }),
];

const checks: readonly Mutant[] = [
  mutantIn(ATTEMPT, 'ranges are not checked', [INVARIANTS, HISTORIES], {
    find: 'if (changed !== null || !reads.hasRanges) return changed;',
    replace: 'if (changed !== null || reads !== null) return changed;',
  }),
  mutantIn(ATTEMPT, 'points are not checked when a range was read', [LIST_APPEND, HISTORIES], {
    find: 'const changed = reads.changedPoint();',
    replace: 'const changed = reads.hasRanges ? null : reads.changedPoint();',
  }),
  mutantIn(TRANSACTIONS, 'nothing is checked without a part at the commit', [LIST_APPEND], {
    find: 'writer.path.commit(writes, attempt);',
    replace: 'writer.path.commit(writes, null);',
  }),
  mutantIn(TRANSACTIONS, 'nothing is checked before the parts at the commit', [HISTORIES], {
    find: '        attempt.check();\n',
    replace: '',
  }),
  mutantIn(TRANSACTIONS, 'the check comes behind the parts at the commit', [HISTORIES], {
    find: '        attempt.check();\n        this.#runAtCommits(attempt);',
    replace: '        this.#runAtCommits(attempt);\n        attempt.check();',
  }),
  mutantIn(READ_SET, 'a new value changes no range', [INVARIANTS, HISTORIES], {
    find: 'return isIn(this.values) || (isOfKeys && isIn(this.keys));',
    replace: 'return isOfKeys && (isIn(this.values) || isIn(this.keys));',
  }),
  mutantIn(CHANGES, 'a key that comes is no change of keys', [INVARIANTS, HISTORIES], {
    find: 'writeLog.changeKey(space, logged, isNew);\n        if (kinds',
    replace: 'writeLog.changeKey(space, logged, isNew && false);\n        if (kinds',
  }),
  mutantIn(CHANGES, 'a put that was put off is no change', [HISTORIES], {
    find: 'const logged = writeLog.isOpen ? entries.ownKeyOf(this.#handles[at]!, this.#keys[at]!) : null;',
    replace: 'const logged = null as string | null;',
  }),
  mutantIn(CHANGES, 'a delete is no change', [HISTORIES], {
    find: '          if (writeLog.isOpen) writeLog.changeKey(space, ownCopyOf(keys[at]!), true);\n',
    replace: '',
  }),
  mutantIn(CHANGES, 'a clear is no change', [HISTORIES], {
    find: '          writeLog.changeRange(space, ownBounds(bounds[clears]!));\n',
    replace: '          writeLog.changeRange(space, { ...bounds[clears]!, high: bounds[clears]!.low });\n',
  }),
  mutantIn(READ_SET, 'a dropped namespace has not changed', [HISTORIES], {
    find: '    for (const { space } of ranges.values()) if (space.isDropped) return shownNamespace(space);\n',
    replace: '',
  }),
  mutantIn(WRITE_LOG, 'a reader misses the change after its view', [HISTORIES], {
    find: '    const place = this.end;\n',
    replace: '    const place = this.end + 1;\n',
  }),
  mutantIn(WRITE_LOG, 'a trimmed log counts its places from where it was', [HISTORIES], {
    find: '    this.#start = oldest;\n',
    replace: '',
  }),
  mutantIn(WRITE_LOG, 'the log is trimmed by one change too many', [HISTORIES], {
    find: 'this.#changes = this.#changes.slice(unneeded);',
    replace: 'this.#changes = this.#changes.slice(unneeded + 1);',
  }),
  mutantIn(WRITE_LOG, 'a full log forgets changes and says nothing', [OVERFLOWS, HISTORIES], {
    find: 'this.#start = this.end + 1;',
    replace: 'this.#start = Math.min(this.#start, this.#readers.oldest ?? this.#start);',
  }),
  mutantIn(READ_SET, 'a log that has lost changes has none', [OVERFLOWS], {
    find: "if (changes === null) return 'more was written than a transaction can check at its commit';",
    replace: 'if (changes === null) return null;',
  }),
  mutantIn(ATTEMPT, 'an old transaction does not compare views', [OVERFLOWS], {
    find: 'return !writeLog.holds(this.place!);',
    replace: 'return false;',
  }),
  mutantIn(
    ATTEMPT,
    'an old transaction looks at the log before puts that were put off are in it',
    [OVERFLOWS],
    {
      find: '    links.run();\n    return !writeLog',
      replace: '    void links;\n    return !writeLog',
    },
  ),
  mutantIn(TRANSACTIONS, 'a change in the turns of a comparison is missed', [OVERFLOWS], {
    find: 'const step = comparison.next();',
    replace: 'open.attempt.moveInLog();\n      const step = comparison.next();',
  }),
  mutantIn(COMPARISON, 'a comparison of views sees no new versions', [OVERFLOWS, HISTORIES], {
    find: 'if (versionsIn !== null && versionAt(versionsIn[0]!, old!) !== versionAt(versionsIn[1]!, now!))',
    replace: 'if (versionsIn !== null && versionAt(versionsIn[0]!, old!) === undefined)',
  }),
  mutantIn(COMPARISON, 'a comparison of views sees no keys that have come', [OVERFLOWS, HISTORIES], {
    find: 'if (oldKey !== nowKey) return',
    replace: 'if (oldKey !== nowKey && oldKey !== undefined) return',
  }),
];

const attempts: readonly Mutant[] = [
  {
    name: 'transactions: a retry has the view of the first attempt',
    tests: [HISTORIES],
    edits: [
      {
        file: ATTEMPT,
        find: 'this.view = schema.view(lastLsn, now, true);',
        replace:
          'const kept = schema as unknown as { first?: StoreView };\n    if (this.number === 1) kept.first = schema.view(lastLsn, now, true);\n    this.view = kept.first!;',
      },
      { file: ATTEMPT, find: '    this.view?.close();\n', replace: '' },
    ],
  },
  mutantIn(VIEWED, 'a view finds what was written after it', [HISTORIES], {
    find: 'entries.versionOf(handle) <= lsn',
    replace: 'entries.versionOf(handle) > 0',
  }),
  mutantIn(ATTEMPT, 'an iteration goes on at the commit', [ITERATIONS], {
    find: "if (this.phase === 'commit' && !isOfCommit)",
    replace: "if (this.phase === 'ended' && !isOfCommit)",
  }),
  mutantIn(ATTEMPT, 'an iteration goes on when a part around its own is undone', [ITERATIONS], {
    find: 'return this.#isUndone || (this.outer?.isUndone ?? false);',
    replace: 'return this.#isUndone;',
  }),
  mutantIn(ATTEMPT, 'what a nested part has written stays visible when it is undone', [HISTORIES], {
    find: 'else inAttempt.undo(mark);',
    replace: 'else inAttempt.overlay.keep();',
  }),
  mutantIn(ATTEMPT, 'what a nested part has written is written when it is undone', [HISTORIES], {
    find: 'if (writes !== null) this.writes!.rollback(writes);',
    replace: 'if (writes !== null) this.writes!.mark();',
  }),
  mutantIn(ATTEMPT, 'what a nested part wanted to do at the commit is done when it is undone', [HISTORIES], {
    find: '    this.atCommits.length = atCommits;\n',
    replace: '    this.atCommits.length += 0 * atCommits;\n',
  }),
  mutantIn('src/kv/read/overlay.ts', 'a clear is not undone', [HISTORIES], {
    find: '      this.#cleared = cleared;\n    });',
    replace: '      this.#cleared = [...this.#cleared];\n    });',
  }),
  mutantIn(ATTEMPT, 'parts at the commit see the view', [HISTORIES], {
    find: "    this.phase = 'commit';\n    this.beginLive();\n    this.#now = null;\n    for (const inAttempt of this.#spaces) inAttempt.rebase(this.#baseOf(inAttempt.space));",
    replace: "    this.phase = 'commit';\n    this.beginLive();\n    this.#now = null;",
  }),
];

const turns: readonly Mutant[] = [
  mutantIn(TRANSACTIONS, 'nobody takes a turn', [TURNS], {
    find: 'if (number + 1 >= ATTEMPT_WITH_TURN_MIN) await',
    replace: 'if (number + 1 > 1000) await',
  }),
  mutantIn(TRANSACTIONS, 'nobody waits for the end of a turn', [TURNS], {
    find: '    await this.#turns.free(open);\n',
    replace: '',
  }),
  mutantIn(COMMIT_TURNS, 'a turn lasts for ever', [TURNS], {
    find: 'if (this.#owner === transaction && this.#nowMs() >= endMs - 1) this.#pass();',
    replace: 'if (this.#owner === transaction && this.#nowMs() >= endMs + 1e9) this.#pass();',
  }),
  mutantIn(COMMIT_TURNS, 'the turn goes on before those who wait have gone', [TURNS], {
    find: 'nextTurn().then(() => this.#giveToNext());',
    replace: 'this.#giveToNext();',
  }),
  mutantIn(TRANSACTIONS, 'a transaction that has ended keeps its turn', [TURNS], {
    find: '    this.#turns.leave(open);\n',
    replace: '',
  }),
  mutantIn(DEADLINES, 'a closed store keeps its timer', [TURNS], {
    find: '    this.#isClosed = true;\n    this.#cancelAlarm();',
    replace: '    this.#isClosed = true;',
  }),
];

const ends: readonly Mutant[] = [
  mutantIn(TRANSACTIONS, 'a transaction ends while the log makes room for it', [FOREIGN_CODE], {
    find: '      attempt.isCommitting = true;\n',
    replace: '',
  }),
  mutantIn(ATTEMPT, 'a transaction that was ended while the log made room is written', [FOREIGN_CODE], {
    find: '    if (this.stoppedBy !== null) throw this.stoppedBy.error;\n',
    replace: '',
  }),
  mutantIn(TRANSACTIONS, 'a transaction that is ended behind its claim rejects', [HOOKS], {
    find: 'this.#succeed(open, lsn, options, result);',
    replace:
      'if (attempt.stoppedBy !== null) throw attempt.stoppedBy.error;\n    this.#succeed(open, lsn, options, result);',
  }),
  mutantIn(TRANSACTIONS, 'a transaction that is ended when the guard is set runs its parts', [HOOKS], {
    find: '      // A hook, or the clock, may have ended it meanwhile.\n      if (open.hasEnded) return null;\n',
    replace: '',
  }),
  mutantIn(TRANSACTIONS, 'a transaction that only reads is compared', [OVERFLOWS], {
    find: 'attempt.mustCheck && (this.#turns.isTakenByAnother(open) || attempt.isBehindLog)',
    replace: '(attempt.mustCheck && this.#turns.isTakenByAnother(open)) || attempt.isBehindLog',
  }),
  mutantIn(TRANSACTIONS, 'a transaction that only reads waits for a turn', [TURNS], {
    find: 'attempt.mustCheck && (this.#turns.isTakenByAnother(open) || attempt.isBehindLog)',
    replace: 'this.#turns.isTakenByAnother(open) || (attempt.mustCheck && attempt.isBehindLog)',
  }),
  mutantIn(TRANSACTIONS, 'a signal that throws leaves its promise unsettled', [ENDS], {
    find: '    open.attempt.end();\n    this.#turns.leave(open);\n',
    replace:
      '    open.attempt.end();\n    this.#turns.leave(open);\n    if (open.signal !== undefined) this.#signals.delete(open.signal, open);\n',
  }),
  mutantIn(TRANSACTIONS, 'a signal that throws keeps others from ending', [TIME], {
    find: '    } catch {\n      // A signal may',
    replace: '    } finally {\n      // A signal may',
  }),
  mutantIn(DEADLINES, 'a closed store sets a timer', [TIME], {
    find: 'if (dueMs < this.#alarmMs && !this.#isClosed) this',
    replace: 'if (dueMs < this.#alarmMs) this',
  }),
  mutantIn(READS, 'a point read looks for its view before its key', [FOREIGN_CODE], {
    find: '    const indexKey = this.#codecs.key.toIndexKey(argument, key);\n    return this.#access.view().find(indexKey);',
    replace: '    return this.#access.view().find(this.#codecs.key.toIndexKey(argument, key));',
  }),
  mutantIn(ATTEMPT, 'a key that has ended its transaction begins to read a space', [FOREIGN_CODE], {
    find: "    if (this.phase === 'ended') throw closed('The transaction has ended');\n    const overlay",
    replace: '    const overlay',
  }),
  mutantIn(VIEWED, 'a closed view has no entries', [STORE_VIEWS], {
    find: "    if (this.#storeView.isClosed) throw new KeelsonError('KEELSON_CLOSED', 'The transaction has ended');\n",
    replace: '',
  }),
];

const memory: readonly Mutant[] = [
  mutantIn(READ_SET, 'range reads are never merged', [READ_SETS], {
    find: '    if (this.#ranges.length >= this.#rangesCompactedAt) this.#compactRanges(this.#ranges);\n',
    replace: '',
  }),
  mutantIn(READ_SET, 'iterations that go on are merged', [READ_SETS], {
    find: 'const kept = ranges.filter(({ isOver }) => !isOver);',
    replace: 'const kept: RangeRead[] = [];',
  }),
  mutantIn(READ_SET, 'merged reads of values see keys alone', [READ_SETS], {
    find: 'kept.push(RangeRead.ofValues(space, interval));',
    replace: 'kept.push(new RangeRead(space, interval, true));',
  }),
  mutantIn(KEY_INTERVALS, 'merged intervals that touch stay two', [INTERVALS], {
    find: '(last.end !== undefined && last.end < next.low)) merged',
    replace: '(last.end !== undefined && last.end <= next.low)) merged',
  }),
  mutantIn(KEY_INTERVALS, 'a merged interval ends where its last part ends', [INTERVALS], {
    find: 'last.end !== undefined && (next.end === undefined || next.end > last.end))\n      merged',
    replace: 'last.end !== undefined)\n      merged',
  }),
  mutantIn(KEY_INTERVALS, 'an interval overlaps none that starts below it', [INTERVALS], {
    find: '(before !== undefined && overlap(before, interval)) ||',
    replace: 'before === null ||',
  }),
  mutantIn(CHANGES, 'the write log keeps the string of a key that was put off', [KEPT_STRINGS], {
    find: 'entries.ownKeyOf(this.#handles[at]!, this.#keys[at]!)',
    replace: 'this.#keys[at]!',
  }),
  mutantIn(CHANGES, 'the write log keeps the string of a put', [KEPT_STRINGS], {
    find: 'entries.ownKeyOf(handles[at]!, keys[at]!)',
    replace: 'keys[at]!',
  }),
  mutantIn(CHANGES, 'the write log keeps the string of a delete', [KEPT_STRINGS], {
    find: 'ownCopyOf(keys[at]!)',
    replace: 'keys[at]!',
  }),
  mutantIn(CHANGES, 'the write log keeps the string of a lower bound', [KEPT_STRINGS], {
    find: 'low === undefined ? low : ownCopyOf(low)',
    replace: 'low',
  }),
  mutantIn(CHANGES, 'the write log keeps the string of an upper bound', [KEPT_STRINGS], {
    find: 'high === undefined ? high : ownCopyOf(high)',
    replace: 'high',
  }),
  mutantIn('src/kv/write/write-set.ts', 'the arrays of operations that were taken back stay', [WRITE_SETS], {
    find: 'if (this.kinds.length <= OPERATIONS_KEPT_MAX) {',
    replace: 'if (this.count <= OPERATIONS_KEPT_MAX) {',
  }),
];

export const transactionMutants: readonly Mutant[] = [
  ...reads,
  ...checks,
  ...attempts,
  ...turns,
  ...ends,
  ...memory,
];
