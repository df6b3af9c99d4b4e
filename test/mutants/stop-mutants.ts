// Mutants of the phases of a write: stops, foreign code in a write, and what an image checks before it counts.

import type { Mutant } from './mutants.js';

const STOPS = 'test/kv/stops.test.ts';
const JOURNAL_STOPS = 'test/journal/stops.test.ts';
const JOURNAL_TEST = 'test/journal/journal.test.ts';
const HOOKS = 'test/kv/stops-in-hooks.test.ts';
const NESTED = 'test/kv/nested-writes.test.ts';
const IMAGE_CHECKS = 'test/kv/image-checks.test.ts';
const IMAGE_WORKER_TEST = 'test/kv/image-worker.test.ts';
const WAITERS = 'test/journal/durable-waiters.test.ts';
const WRITES = 'test/kv/write-path.test.ts';
const LINKS = 'test/kv/link-queue.test.ts';

const GUARD = 'src/commit-guard.ts';
const PIPELINE = 'src/journal/commit/commit-pipeline.ts';
const WRITE_PATH = 'src/kv/write/write-path.ts';
const IMAGE_WRITER = 'src/kv/image/image-writer.ts';
const BLOCK_WRITER = 'src/kv/image/image-block-writer.ts';

function mutant(name: string, file: string, find: string, replace: string, ...tests: string[]): Mutant {
  return { name, edits: [{ file, find, replace }], tests };
}

const stops: readonly Mutant[] = [
  mutant('a commit leaves no mark', GUARD, 'this.#isInside = true;', '', STOPS),
  mutant(
    'the log goes on after a stop',
    PIPELINE,
    'if (!this.#guard.isInside) return false;',
    'if (this.#guard.isInside || !this.#guard.isInside) return false;',
    JOURNAL_STOPS,
    STOPS,
  ),
  mutant(
    'who reads or writes a store after a stop goes on',
    'src/kv/store-core.ts',
    'if (!guard.isInside) return;',
    'if (guard.isInside || !guard.isInside) return;',
    STOPS,
  ),
  mutant(
    'what is thrown in a commit is taken for a call that has changed nothing',
    WRITE_PATH,
    'if (!(error instanceof NoSlabMemory)) {',
    'if (error === undefined) {',
    STOPS,
  ),
  mutant(
    'a stop while somebody waits for the disk is not looked for',
    PIPELINE,
    'queueMicrotask(this.#endCallersStack);',
    '',
    STOPS,
    JOURNAL_STOPS,
  ),
  mutant(
    'a completion that was lost is waited for again and again',
    PIPELINE,
    'if (this.stats.commits === commits && this.#inFlight === inFlight) throw interrupted();',
    '',
    JOURNAL_STOPS,
  ),
  mutant(
    'whoever waits is told of a poison by the call that found it only',
    PIPELINE,
    '    queueMicrotask(this.#tellPoisoned);\n',
    '',
    STOPS,
  ),
  mutant(
    'a waiter that was being settled when the call was stopped is forgotten',
    'src/journal/commit/durable-waiters.ts',
    'const unsure = this.#unsure;',
    'const unsure = null as Waiter | null;',
    WAITERS,
  ),
];

/** A write is staged, claimed, linked, and told, in this order. */
const order: readonly Mutant[] = [
  mutant(
    'a write is linked before the log has its record',
    WRITE_PATH,
    `      lsn = log.claim(record);
      if (isQueued) this.#queue(writes, lsn);
      else if (isSmall) link(schema, writes, lsn);
      else this`,
    `      if (!isQueued && isSmall) link(schema, writes, log.nextLsn + record.at + 12);
      lsn = log.claim(record);
      if (isQueued) this.#queue(writes, lsn);
      else if (!isSmall) this`,
    WRITES,
  ),
  mutant(
    'a write is staged when the log has its record already',
    WRITE_PATH,
    '      if (!isStagedLater) stage(writes);\n      lsn = log.claim(record);\n',
    '      lsn = log.claim(record);\n      if (!isStagedLater) stage(writes);\n',
    WRITES,
  ),
  mutant(
    'the guard is left before the write is linked',
    WRITE_PATH,
    '      lsn = log.claim(record);\n',
    '      lsn = log.claim(record);\n      links.guard.leave();\n',
    WRITES,
  ),
  {
    name: 'observers hear of a write before the log has it',
    edits: [
      {
        file: WRITE_PATH,
        find: '    const lsn = this.#change(writes, record, check);\n',
        replace: `    for (const observer of this.#observers) observer.committed((log.nextLsn + record.at + 12) as Lsn, writes);
    const lsn = this.#change(writes, record, check);\n`,
      },
      {
        file: WRITE_PATH,
        find: '    for (let at = 0; at < observers.length; at++) observers[at]!.committed(lsn, writes);\n',
        replace: '',
      },
    ],
    tests: [WRITES],
  },
  {
    name: 'observers hear of a write before its definitions count as recorded',
    edits: [
      {
        file: WRITE_PATH,
        find: '    writes.appended(lsn);\n',
        replace: `    for (const observer of this.#observers) observer.committed(lsn, writes);
    writes.appended(lsn);\n`,
      },
      {
        file: WRITE_PATH,
        find: '    for (let at = 0; at < observers.length; at++) observers[at]!.committed(lsn, writes);\n',
        replace: '',
      },
    ],
    tests: [WRITES],
    filter: 'the definitions of a write',
  },
  mutant(
    'definitions count as recorded before the log has their record',
    WRITE_PATH,
    '    const lsn = this.#change(writes, record, check);\n    writes.appended(lsn);\n',
    '    writes.appended(0);\n    const lsn = this.#change(writes, record, check);\n',
    WRITES,
  ),
  mutant(
    'a store is not asked again whether it takes writes when hooks have run',
    WRITE_PATH,
    '    this.#parts.assertWritable();\n    const lsn',
    '    const lsn',
    WRITES,
  ),
  mutant(
    'a write set is used again before it is linked',
    WRITE_PATH,
    '    if (this.#late === writes) return;\n',
    '',
    WRITES,
  ),
  mutant(
    'links that were put off are not run before a view',
    'src/kv/entries/entries.ts',
    '    this.#links.guard.assertIdle();\n    this.#settle();\n',
    '    this.#links.guard.assertIdle();\n    if (!this.#orderedIndex.isSettled) this.#orderedIndex.settle();\n',
    LINKS,
  ),
  mutant(
    'links that were put off are not run before a walk or a count',
    'src/kv/entries/entries.ts',
    '    this.#links.run();\n    if (this.floor !== NO_FLOOR) this.#settleDue(max);\n    if (this.#orderedIndex.isSettled) return;\n',
    '    if (this.#orderedIndex.isSettled) return;\n',
    LINKS,
  ),
];

const nested: readonly Mutant[] = [
  mutant(
    'room is not looked at again after hooks have run',
    'src/journal/journal.ts',
    'for (let tries = 0; !this.#isReadyFor(frameBytes, recordCount); tries++) {',
    'for (let tries = 0; tries < 1 && !this.#isReadyFor(frameBytes, recordCount); tries++) {',
    NESTED,
  ),
  mutant(
    'a segment is used after one that a hook took meanwhile',
    'src/journal/commit/commit-layout.ts',
    'if (this.#segment !== segment || (segment !== null && next.sequence < segment.sequence)) {',
    'if (this.#segment === null && segment !== null) {',
    JOURNAL_STOPS,
  ),
  mutant(
    'a write is linked before a batch that comes before it in the log',
    WRITE_PATH,
    '    if (!isQueued || !links.hasOnly(this.#queuedPuts.link)) links.run();\n',
    '',
    NESTED,
  ),
  mutant(
    'ticks are those of whoever has faked them',
    'src/schedulers.ts',
    'export const nextTick: (task: () => void) => void = process.nextTick;',
    'export const nextTick = (task: () => void): void => process.nextTick(task);',
    NESTED,
  ),
  mutant(
    'microtasks are those of whoever has faked them',
    'src/schedulers.ts',
    'export const queueMicrotask: (task: () => void) => void = globalThis.queueMicrotask;',
    'export const queueMicrotask = (task: () => void): void => globalThis.queueMicrotask(task);',
    NESTED,
  ),
  mutant(
    'the clock is that of whoever has faked it',
    'src/schedulers.ts',
    'export const nowMs: () => number = performance.now.bind(performance);',
    'export const nowMs = (): number => performance.now();',
    NESTED,
  ),
  mutant(
    'a write that became durable while the promise of its waiter was made is waited for',
    'src/journal/journal.ts',
    'if (waiter.lsn <= this.syncedLsn) waiter.resolve(waiter.result);\n    else if (this.poisoned !== null) waiter.reject(this.poisoned);\n    else this',
    'if (this.poisoned !== null) waiter.reject(this.poisoned);\n    else this',
    JOURNAL_STOPS,
  ),
  mutant(
    'a follower waits for what became durable while its promise was made',
    'src/journal/read/record-feed.ts',
    'if (isOver()) resolve();\n      else {',
    '{',
    JOURNAL_STOPS,
  ),
  {
    ...mutant(
      'the files of a backup are begun on the stack of the call',
      'src/kv/copy/backup.ts',
      'await null;',
      '',
      HOOKS,
    ),
    filter: 'a backup',
  },
  mutant(
    'an array is asked for its length, whatever it answers',
    'src/unshared-bytes.ts',
    'if (!isPlain) return new Uint8Array(bytes);',
    '',
    JOURNAL_TEST,
  ),
  mutant(
    'a record is looked at again after it was checked',
    'src/journal/journal.ts',
    'own.push(unsharedBytes(record));',
    'own.push(unsharedBytes(records[index]!));',
    JOURNAL_TEST,
  ),
  mutant(
    'a record may shrink while room is made for it',
    'src/journal/journal.ts',
    'if (this.#layout.frameBytesOf(records) !== frameBytes) {',
    'if (frameBytes < 0) {',
    JOURNAL_TEST,
  ),
  mutant(
    'a checkpoint begins while another is under way',
    'src/kv/image/checkpoint-schedule.ts',
    'if (this.#isWorking) return;',
    '',
    'test/kv/checkpoint-schedule.test.ts',
  ),
  {
    ...mutant(
      'the next segment is begun on the stack of a write',
      'src/journal/segments/segment-supply.ts',
      'if (this.#isAheadDue) queueMicrotask(this.#startAhead);',
      'this.#startAhead();',
      HOOKS,
    ),
    filter: 'rotate',
  },
];

const images: readonly Mutant[] = [
  mutant(
    'an image is written of entries that are not those of their ids',
    BLOCK_WRITER,
    "invariant(entry.id === id, 'the indexes in memory disagree about an entry');",
    '',
    IMAGE_WORKER_TEST,
  ),
  mutant(
    'an image is written of keys that are out of order',
    BLOCK_WRITER,
    'isKeyAbove(this.#space!.keyCodec.name, common, key, keyBytes, last, this.#lastKeyBytes),',
    'true,',
    IMAGE_CHECKS,
  ),
  mutant(
    'an image holds fewer entries than the index says',
    'src/kv/image/image-build.ts',
    "invariant(this.#entriesLeft === 0, 'the index in memory miscounts the entries');",
    '',
    IMAGE_CHECKS,
  ),
  mutant(
    'the order of keys is that of their bytes in UTF-8',
    'src/kv/image/key-order.ts',
    "return encoding === 'utf8' ? unitRank(one) > unitRank(other) : one > other;",
    'return one > other;',
    IMAGE_WORKER_TEST,
  ),
  mutant(
    'a worker that has died is waited for',
    'src/kv/image/image-worker.ts',
    'while (this.#received.length === 0 && this.#failure === null) {',
    'while (this.#received.length === 0) {',
    IMAGE_WORKER_TEST,
  ),
  mutant(
    'a worker that has hung is waited for',
    'src/kv/image/image-worker.ts',
    'if (++silentSeconds === SILENCE_SECONDS_MAX)',
    'if (++silentSeconds === Infinity)',
    IMAGE_WORKER_TEST,
  ),
  mutant('a worker outlives its image', IMAGE_WRITER, '      await worker.end();', '', IMAGE_WORKER_TEST),
  mutant(
    'a checkpoint that finds memory in two minds is just another failed one',
    'src/kv/image/checkpoint.ts',
    "if (isKeelsonError(error, 'KEELSON_INVARIANT')) log.poison(error);",
    '',
    IMAGE_CHECKS,
  ),
];

export const stopMutants: readonly Mutant[] = [...stops, ...order, ...nested, ...images];
