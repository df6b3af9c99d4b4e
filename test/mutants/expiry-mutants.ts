// Mutants of expiry: due entries that are seen, that come back, that are gone early, or that leave without a record.

import type { Mutant } from './mutants.js';
import { mutantsOf } from './mutants-of.js';

const CRASHES = 'test/simulation/expiry-crashes.test.ts';
const ENTRIES_TEST = 'test/kv/expiring-entries.test.ts';
const FEED = 'test/kv/feed-expiry.test.ts';
const FACTS = 'test/kv/expiry.test.ts';
const INDEXED = 'test/kv/index-expiry.test.ts';
const INDEXES = 'test/kv/indexes.test.ts';
const HISTORIES = 'test/serializability/histories.test.ts';
const MODEL = 'test/kv/expiry-model.test.ts';
const RECORDS = 'test/kv/records.test.ts';

const ATTEMPT = 'src/kv/transactions/attempt.ts';
const BUILD = 'src/kv/write/index-build.ts';
const CHANGES = 'src/kv/write/change-entries.ts';
const CORE = 'src/kv/store-core.ts';
const DUE_FIRST = 'src/kv/write/due-first.ts';
const ENTRIES = 'src/kv/entries/entries.ts';
const EXPIRING = 'src/kv/entries/expiring-entries.ts';
const EXPIRY = 'src/kv/entries/expiry.ts';
const HEAP = 'src/kv/entries/deadline-heap.ts';
const FOLLOWED = 'src/kv/write/followed-postings.ts';
const FORMAT = 'src/kv/image/image-format.ts';
const LEAVING = 'src/kv/entries/leaving-entries.ts';
const OPTIONS = 'src/kv/write/expiry-options.ts';
const PARTS = 'src/kv/image/image-parts.ts';
const READER = 'src/kv/write/record-reader.ts';
const READ_SET = 'src/kv/transactions/read-set.ts';
const REMOVALS = 'src/kv/write/removals.ts';
const UNIQUENESS = 'src/kv/write/uniqueness.ts';
const VIEWS = 'src/kv/entries/store-view.ts';
const VIEWED = 'src/kv/transactions/viewed-entries.ts';
const WRITER = 'src/kv/write/record-writer.ts';

const mutantIn = mutantsOf('expiry');

export const expiryMutants: readonly Mutant[] = [
  mutantIn(EXPIRING, 'an entry is seen at its deadline', [FACTS, MODEL], {
    find: 'heap.earliest <= now && left < max && items > 0',
    replace: 'heap.earliest < now && left < max && items > 0',
  }),
  mutantIn(HEAP, 'a deadline that was extended does not count', [ENTRIES_TEST], {
    find: 'heap.raiseTop(key)',
    replace: 'heap.pop()',
  }),
  mutantIn(HEAP, 'a deadline below all others counts as that of the base', [ENTRIES_TEST], {
    find: 'first.topKey === 0 ? Math.min(this.#lowest, this.#base) : this.#base + first.topKey',
    replace: 'this.#base + first.topKey',
  }),
  mutantIn(HEAP, 'a base stays near a deadline that is long past', [ENTRIES_TEST], {
    find: 'if (this.size === 0) this.#chooseBase(deadline);',
    replace: 'if (this.size === 0) this.#chooseBase(Math.min(deadline, 1));',
  }),
  mutantIn(HEAP, 'an entry whose deadline is weeks away is due when its key is', [ENTRIES_TEST], {
    find: 'else if (deadline > now) this.#moveBase(deadlineOf);\n    else {',
    replace: 'else {',
  }),
  mutantIn(HEAP, 'a base that moves up forgets what a cleaning has not visited', [ENTRIES_TEST], {
    find: 'const heaps = this.#cleaning === null ? [this.#heap] : [this.#heap, this.#cleaning.from];',
    replace: 'const heaps = [this.#heap];',
  }),
  mutantIn(HEAP, 'a cleaning keeps all items of an entry', [ENTRIES_TEST], {
    find: 'if (key < lastKey || (moved[id >>> 3]! & bit) !== 0) continue;',
    replace: 'if (key < lastKey) continue;',
  }),
  mutantIn(HEAP, 'a cleaning has no room for the first items that it moves', [ENTRIES_TEST], {
    find: 'this.#reserved - from.size) + PAGE_ITEMS));',
    replace: 'this.#reserved - from.size)));',
  }),
  mutantIn(HEAP, 'a cleaning leaves its room to the heap', [ENTRIES_TEST], {
    find: '    this.#heap.giveBack(this.#reserved);\n',
    replace: '',
  }),
  mutantIn(EXPIRING, 'a deadline that was brought forward does not count', [MODEL], {
    find: 'if (before === NO_DEADLINE || deadline < before) this.#heap.push(deadline, id);',
    replace: 'if (before === NO_DEADLINE) this.#heap.push(deadline, id);',
  }),
  mutantIn(EXPIRING, 'no floor hides the due entries that stay', [MODEL], {
    find: 'this.floor = this.earliest <= now ? now : NO_FLOOR;',
    replace: 'this.floor = NO_FLOOR;',
  }),
  mutantIn(EXPIRING, 'an entry meets the floor of a clock that has gone back', [MODEL], {
    find: 'if (now < this.floor) this.#settleUpTo',
    replace: 'if (now < this.floor && now < 0) this.#settleUpTo',
  }),
  mutantIn(EXPIRY, 'a space does not follow what others have found due', [MODEL], {
    find: '    if (now < this.#foundNow) this.follow();',
    replace: '',
  }),
  mutantIn(EXPIRY, 'a time that the log has is recorded again', [FACTS, MODEL], {
    find: 'space.entries.settleDue(floor, max, floor)',
    replace: 'this.settle(space, floor, max)',
  }),
  mutantIn(WRITER, 'no record carries the time at which entries were found due', [FACTS, MODEL, CRASHES], {
    find: 'if (now > this.#highestNow) this.#addHighestNow(now);',
    replace: '',
  }),
  mutantIn(EXPIRY, 'each record carries the time again', [FACTS, MODEL], {
    find: 'if (Math.floor(this.nowToRecord) <= now) this.nowToRecord = 0;',
    replace: '',
  }),
  mutantIn(CHANGES, 'a replay does not hear of what was found due', [MODEL, CRASHES], {
    find: '      expiry.foundInLog(writes.highestNow);\n    }\n    if (writes.isSinglePut) {',
    replace: '    }\n    if (writes.isSinglePut) {',
  }),
  mutantIn(READER, 'the deadline of a put is not read', [RECORDS, FACTS], {
    find: '(flags & HAS_DEADLINE) === 0 ? NO_DEADLINE : readDeadline(cursor)',
    replace: '(flags & HAS_DEADLINE) === 0 || readDeadline(cursor) > 0 ? NO_DEADLINE : NO_DEADLINE',
  }),
  mutantIn(FORMAT, 'an image does not say which entries are due', [FACTS, MODEL], {
    find: 'return deadline === FOUND_DUE ? DUE_MARK : deadline + 1;',
    replace: 'return deadline === FOUND_DUE ? NO_MARK : deadline + 1;',
  }),
  mutantIn(PARTS, 'an image does not know what the floor hides', [FACTS, MODEL], {
    find: '      this.isDue = this.#isHidden(this.id);\n',
    replace: '      this.isDue = false;\n',
  }),
  mutantIn(VIEWS, 'a view shows what was due at its time', [FACTS, MODEL], {
    find: 'if (now !== KEEPS_DUE) this.#expiry.settle(space, now, Number.POSITIVE_INFINITY);',
    replace: '',
  }),
  mutantIn(VIEWS, 'a checkpoint takes the indexes from other views', ['test/kv/indexes.test.ts', HISTORIES], {
    find: 'const keepsDue = views.every(({ now }) => now === KEEPS_DUE);',
    replace: 'const keepsDue = views[0]!.now === KEEPS_DUE;',
  }),
  mutantIn(VIEWED, 'a transaction sees a due entry that nobody has looked at', [FACTS], {
    find: 'if (deadline !== NO_DEADLINE && deadline <= now) return undefined;',
    replace: '',
  }),
  mutantIn(EXPIRING, 'a sweep forgets an entry that is not due', [ENTRIES_TEST], {
    find: '      this.#heap.push(deadline, id);\n    };',
    replace: '    };',
  }),
  mutantIn(EXPIRING, 'a sweep hides nothing that it has not visited', [ENTRIES_TEST], {
    find: 'return this.#sweep === null ? this.#heap.earliest : NO_DEADLINE;',
    replace: 'return this.#heap.earliest;',
  }),
  mutantIn(EXPIRING, 'an entry that comes during a sweep has no room for two items', [ENTRIES_TEST], {
    find: 'this.#sweep === null ? entries : entries * 2 + this.#sweep.itemsLeft',
    replace: 'entries',
  }),
  mutantIn(LEAVING, 'a sweep takes entries along that are not due', [ENTRIES_TEST], {
    find: '        run = null;\n        if',
    replace: '        if',
  }),
  mutantIn(EXPIRING, 'a count of all keys counts due ones', [ENTRIES_TEST], {
    find: 'id++) if (this.#isHidden(id)) hidden++;',
    replace: 'id++) {}',
  }),
  mutantIn(EXPIRING, 'a count of all keys lacks those that were found due twice', [ENTRIES_TEST], {
    find: 'if (this.#isHidden(id)) hidden--;',
    replace: '',
  }),
  mutantIn(EXPIRING, 'a count of a range counts due keys', [ENTRIES_TEST], {
    find: 'while (walk.advance()) if (this.#isHidden(walk.value)) hidden++;',
    replace: '',
  }),
  mutantIn(ENTRIES, 'a count has all due entries leave', [ENTRIES_TEST], {
    find: 'const COUNT_SETTLED_MAX = 8192;',
    replace: 'const COUNT_SETTLED_MAX = Infinity;',
  }),
  mutantIn(ATTEMPT, 'coming due is no delete for what a transaction has read', [HISTORIES], {
    find: 'if (space.isExpiring) expiry.settleAll(space, now);',
    replace: 'if (space.isExpiring && now < 0) expiry.settleAll(space, now);',
  }),
  mutantIn(READ_SET, 'what a view has never seen conflicts', [HISTORIES], {
    find: 'if (!isDueAt(change, now) && ranges',
    replace: 'if (ranges',
  }),
  mutantIn(DUE_FIRST, 'a put does not look for the due entry of its key', [FACTS, MODEL], {
    find: '    else expiry.look(space, now);\n',
    replace: '',
  }),
  mutantIn(DUE_FIRST, 'a put does not look for what a hook has found due at its key', [FEED], {
    find: 'if (!removed.has(space, key)) lacking.add(space, key);',
    replace: '',
  }),
  mutantIn(DUE_FIRST, 'a put removes a due entry twice', [FEED, FACTS], {
    find: 'if (!removed.has(space, key)) lacking.add(space, key);',
    replace: 'lacking.add(space, key);',
  }),
  mutantIn(OPTIONS, 'a past deadline is seen until somebody looks', [FACTS, MODEL], {
    find: 'return ttl === null && Math.ceil(expiresAt) <= now;',
    replace: 'return ttl === null && expiresAt < 0 && now < 0;',
  }),
  mutantIn(OPTIONS, 'ttl is rounded down', [FACTS], {
    find: 'now + Math.ceil(ttl)',
    replace: 'now + Math.floor(ttl)',
  }),
  mutantIn(REMOVALS, 'a removal ends at a slice that has found nothing', [FACTS], {
    find: '        if (isLast) break;\n',
    replace: '        if (isLast || count === 0) break;\n',
  }),
  mutantIn(REMOVALS, 'a slice looks at a time of before', [FACTS], {
    find: '    const now = expiry.now();\n    const writes',
    replace: '    const now = (this.startNow ??= expiry.now());\n    const writes',
  }),
  mutantIn(REMOVALS, 'slices stay as large as they are', [FACTS], {
    find: 'sliceMs > SLICE_MS_MAX\n',
    replace: 'sliceMs < 0\n',
  }),
  mutantIn(REMOVALS, 'a record of long keys is as long as it comes', [FACTS], {
    find: '        if (writes.recordBytes >= SLICE_BYTES_MAX) return false;\n',
    replace: '',
  }),
  mutantIn(REMOVALS, 'the timer goes on in a store that is closed', [FACTS, MODEL], {
    find: '    this.#timer?.cancel();\n',
    replace: '',
  }),
  mutantIn(REMOVALS, 'the timer is not started again', [FACTS], {
    find: '    this.#timer = null;\n    if (expiry.isUsed) this.#start();',
    replace: '    this.#timer = null;',
  }),
  mutantIn(CORE, 'a time for which the log has no room is taken', [FACTS], {
    find: ' && (now as number) <= Number.MAX_SAFE_INTEGER',
    replace: '',
  }),
  mutantIn(UNIQUENESS, 'a touch takes the value of a unique index from its entry', [INDEXES], {
    find: 'return found === undefined || (found < 0 && this.#writes.hasValue(-1 - found));',
    replace: 'return found === undefined || found < 0;',
  }),
  mutantIn(UNIQUENESS, 'a put that is touched afterwards is not judged', [INDEXES, INDEXED], {
    find: 'return writes.valueStarts[-1 - found] === writes.valueStarts[operation];',
    replace: 'return -1 - found === operation;',
  }),
  mutantIn(CHANGES, 'a clear of all other entries forgets the values of due ones', [INDEXED], {
    find: 'if (entries.sizeInIndexes === 0 && entries.dueCount === 0)',
    replace: 'if (entries.sizeInIndexes === 0)',
  }),
  mutantIn(FOLLOWED, 'a due entry holds its value in a read-only store', [INDEXED], {
    find: '  leaveDue(schema, writes);\n',
    replace: '  schema.links.run();\n',
  }),
  mutantIn(FOLLOWED, 'the time in a record counts only behind its puts', [INDEXED], {
    find: 'if (highestNow > 0) expiry.foundInLog(highestNow);',
    replace: 'if (highestNow < 0) expiry.foundInLog(highestNow);',
  }),
  mutantIn(BUILD, 'a unique index does not know the values of entries that were due before', [INDEXED], {
    find: '        index.addDue(key, made);\n',
    replace: '',
  }),
  mutantIn(EXPIRY, 'entries that are due, and not found yet, count as ahead', [FACTS], {
    find: 'expiring += expiringCount - hiddenEstimate;',
    replace: 'expiring += expiringCount;',
  }),
  mutantIn(EXPIRY, 'entries that are due, and not found yet, are not in the backlog', [FACTS], {
    find: 'backlog += dueCount + hiddenEstimate;',
    replace: 'backlog += dueCount;',
  }),
  mutantIn(EXPIRY, 'the backlog is as old as its youngest entry', [FACTS], {
    find: 'if (oldestDue !== NO_DEADLINE && oldestDue < oldest) oldest = oldestDue;',
    replace: 'if (oldestDue !== NO_DEADLINE) oldest = Math.max(oldestDue, 0);',
  }),
];
