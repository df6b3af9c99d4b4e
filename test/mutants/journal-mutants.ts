// Mutants of the journal: what is written, in which order, what is durable before what, who owns the directory.

import type { Mutant } from './mutants.js';

const FORMATS = 'test/journal/formats.test.ts';
const SCAN = 'test/journal/segment-scan.test.ts';
const FAILURES = 'test/journal/journal-failures.test.ts';
const JOURNAL = 'test/journal/journal.test.ts';
const LESSONS = 'test/journal/lessons.test.ts';
const RECYCLING = 'test/journal/recycling.test.ts';
const SEGMENTS = 'test/journal/segments.test.ts';
const FRAMES = 'test/journal/frames.test.ts';
const COMMITS = 'test/journal/commits.test.ts';
const SEGMENT_FILES = 'test/journal/segment-files.test.ts';
const DAMAGE = 'test/journal/damage.test.ts';
const STORE_TRACES = 'test/journal/store-traces.test.ts';
const WAITERS = 'test/journal/durable-waiters.test.ts';

const framing: readonly Mutant[] = [
  {
    name: 'the journal of a store is a journal like any other',
    edits: [
      {
        file: 'src/journal/open-journal.ts',
        find: 'const names = await refuseStoreIn(storage, path);',
        replace: 'const names = await contentsOf(storage, path).catch(() => []);',
      },
    ],
    tests: [STORE_TRACES],
  },
  {
    name: 'a journal is opened in a store that was made while it waited for the lock',
    edits: [
      {
        file: 'src/journal/open-journal.ts',
        find: 'await refuseStoreIn(lock.storage, path);',
        replace: '{}',
      },
    ],
    tests: [STORE_TRACES],
  },
  {
    name: 'the images of a store say nothing',
    edits: [
      {
        file: 'src/journal/directory/store-traces.ts',
        find: 'names.some((name) => IMAGE_PATTERN.test(name)) ||',
        replace: '',
      },
    ],
    tests: [STORE_TRACES],
  },
  {
    name: 'a record that begins as a birth record is one',
    edits: [
      {
        file: 'src/journal/directory/store-traces.ts',
        find: 'return length > 0 && rest.length === 1 + length;',
        replace: 'return true;',
      },
    ],
    tests: [STORE_TRACES],
  },
  {
    name: 'the LSN of a frame is rounded on the way',
    edits: [
      {
        file: 'src/journal/commit/pending-commit.ts',
        find: 'this.startLsn + (this.#length + frameBytes - COMMIT_HEADER_BYTES)',
        replace: 'this.startLsn + this.#length + frameBytes - COMMIT_HEADER_BYTES',
      },
    ],
    tests: ['test/kv/last-lsns.test.ts'],
  },
  {
    name: 'the bytes that verify finds in a commit are rounded on the way',
    edits: [
      {
        file: 'src/journal/repair/lenient-segment-scan.ts',
        find: 'sum + (lsn - startLsn)',
        replace: 'sum + lsn - startLsn',
      },
    ],
    tests: ['test/kv/last-lsns.test.ts'],
  },
  {
    name: 'the path of any URL is a directory',
    edits: [
      {
        file: 'src/journal/directory/directory-path.ts',
        find: "if (protocol !== 'file:') throw misuse(argument, EXPECTED, href);",
        replace: "if (protocol !== 'file:') return new URL(href).pathname;",
      },
    ],
    tests: ['test/directory-paths.test.ts'],
  },
  {
    name: 'a reader of the journal takes options of any name',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: "    checkNames('read', range, ['from', 'to']);\n",
        replace: '',
      },
    ],
    tests: ['test/unknown-names.test.ts'],
  },
  {
    name: "the checksum of a frame leaves out the frame's LSN",
    edits: [
      {
        file: 'src/storage/frame-checksums.ts',
        find: 'let register = crc32cUpdateUint64(seed, lsn);',
        replace: 'let register = seed;',
      },
      {
        file: 'src/journal/format/frame-cursor.ts',
        find: 'crc32cUpdate(crc32cUpdateUint64(this.#seed, lsn), cut.head, 0, FRAME_CHECKSUM_AT)',
        replace: 'crc32cUpdate(this.#seed, cut.head, 0, FRAME_CHECKSUM_AT)',
      },
    ],
    tests: [FORMATS],
  },
  {
    name: 'the checksum of a frame leaves out its length',
    edits: [
      {
        file: 'src/storage/frame-checksums.ts',
        find: 'register = crc32cUpdate(register, bytes, offset, offset + FRAME_CHECKSUM_AT);',
        replace: '',
      },
    ],
    tests: [FRAMES],
  },
  {
    name: "the checksum of a frame leaves out the record's bytes",
    edits: [
      {
        file: 'src/storage/frame-checksums.ts',
        find: 'register = crc32cUpdate(register, bytes, payloadAt, payloadAt + recordLength);',
        replace: '',
      },
    ],
    tests: [FORMATS],
  },
  {
    name: 'the seed of the checksums leaves out the salt of the segment',
    edits: [
      {
        file: 'src/journal/format/segment-format.ts',
        find: 'return crc32cUpdate(afterId, header.salt, 0, SALT_BYTES);',
        replace: 'return afterId;',
      },
    ],
    tests: [FORMATS],
  },
  {
    name: 'the seed of the checksums leaves out the id of the journal',
    edits: [
      {
        file: 'src/journal/format/segment-format.ts',
        find: 'const afterId = crc32cUpdate(CRC32C_START, header.journalId, 0, JOURNAL_ID_BYTES);',
        replace: 'const afterId = CRC32C_START;',
      },
    ],
    tests: [FORMATS],
  },
  {
    name: 'the checksum of a commit header leaves out its place in the segment',
    edits: [
      {
        file: 'src/journal/format/commit-format.ts',
        find: 'const register = crc32cUpdateUint64(seed, offset);',
        replace: 'const register = seed;',
      },
    ],
    tests: [FORMATS],
  },
  {
    name: 'a segment header counts although its checksum fails',
    edits: [
      {
        file: 'src/journal/format/file-header.ts',
        find: 'if (!startsAsOurs || !checksumHolds)',
        replace: 'if (!startsAsOurs)',
      },
    ],
    tests: [FORMATS],
  },
  {
    name: 'the length of a frame is not held against what is left of its commit',
    edits: [
      {
        file: 'src/journal/format/frame.ts',
        find: 'if (length > RECORD_BYTES_MAX || FRAME_OVERHEAD_BYTES + length > bytesLeft) return -1;',
        replace: 'if (length > RECORD_BYTES_MAX) return -1;',
      },
    ],
    tests: [FRAMES],
  },
  {
    name: 'a frame that a window cut is not verified',
    edits: [
      {
        file: 'src/journal/format/frame-cursor.ts',
        find: 'if (view.getUint32(FRAME_CHECKSUM_AT, true) !== crc32cFinish(cut.register)) return this.#broken();',
        replace: '',
      },
    ],
    tests: ['test/journal/windows.test.ts'],
  },
  {
    name: 'a commit goes out with what its memory held before in its padding',
    edits: [
      { file: 'src/journal/commit/pending-commit.ts', find: 'bytes.fill(0, this.#length);', replace: '' },
    ],
    tests: [COMMITS],
  },
  {
    name: 'a commit that does not start where the one before it ended counts',
    edits: [
      {
        file: 'src/journal/recovery/segment-scan.ts',
        find: "if (previous !== undefined && commit.startLsn !== previous.endLsn) return 'gap';",
        replace: '',
      },
    ],
    tests: [SCAN],
  },
  {
    name: 'what commit headers behind the end of the log claim is not heard',
    edits: [
      {
        file: 'src/journal/recovery/segment-scan.ts',
        find: 'const hasCommit = this.#noteClaims(this.#claims, this.#offset);',
        replace: 'const hasCommit = this.#noteClaims({ durableLsn: -1, heldFromLsn: -1 }, this.#offset);',
      },
    ],
    tests: [SCAN],
  },
];

const commits: readonly Mutant[] = [
  {
    name: 'the durable LSN is that of what was submitted, and not of what has completed',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'this.#syncedLsn = commit.endLsn;',
        replace: 'this.#syncedLsn = this.#layout.nextLsn;',
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'waiters that are settled stay in the queue while others wait',
    edits: [
      {
        file: 'src/journal/commit/durable-waiters.ts',
        find: 'this.#head > 0 && this.count <= Math.max(this.#head, CUT_ENTRIES_MAX)',
        replace: 'this.count === 0',
      },
    ],
    tests: [WAITERS],
  },
  {
    name: 'waiters that are settled are rejected, too',
    edits: [
      {
        file: 'src/journal/commit/durable-waiters.ts',
        find: 'rejectAll(error: Error): void {',
        replace: 'rejectAll(error: Error): void {\n    this.#head = 0;',
      },
    ],
    tests: [WAITERS],
  },
  {
    name: 'a commit settles also those who wait for the one behind it',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'this.#waiters.settle(commit.endLsn);',
        replace: 'this.#waiters.settle(this.#layout.nextLsn);',
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'who waits is told when the write is submitted, before it has completed',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'start(commit, { bytes, position: commit.offset, checksums: commit.checksumsDue() });',
        replace: `start(commit, { bytes, position: commit.offset, checksums: commit.checksumsDue() });
      this.#waiters.settle(commit.endLsn);`,
      },
    ],
    tests: [FAILURES],
  },
  {
    name: 'a write that failed counts as one that has completed',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'const isLost = error !== null || this',
        replace: 'const isLost = this',
      },
    ],
    tests: [FAILURES],
  },
  {
    name: 'a write or flush that failed is tried once more',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: `commit.segment.file.submit(write, (error, memoryIsFree) =>
        this.#completed(commit, error, memoryIsFree),
      );`,
        replace: `commit.segment.file.submit(write, (error, memoryIsFree) => {
        if (error === null) this.#completed(commit, error, memoryIsFree);
        else commit.segment.file.submit(write, (again, isFree) => this.#completed(commit, again, isFree));
      });`,
      },
    ],
    tests: [FAILURES],
  },
  {
    name: 'a commit is submitted while another one is in flight',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'if (this.#inFlight !== null || this.#poisonedBy !== null || this.#wasStopped()) return;',
        replace: 'if (this.#poisonedBy !== null || this.#wasStopped()) return;',
      },
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'if (this.willSubmit) return;',
        replace: 'if (this.#isScheduled) return;',
      },
    ],
    tests: [JOURNAL, LESSONS],
  },
  {
    name: 'the memory of a commit is used again while the engine still reads it',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'if (memoryIsFree) commit.release();',
        replace: 'commit.release();',
      },
    ],
    tests: [COMMITS],
  },
  {
    name: 'a poisoned journal takes appends',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: '    if (this.poisoned !== null) throw this.poisoned;',
        replace: '',
      },
    ],
    tests: [FAILURES],
  },
  {
    name: 'a commit does not say what was durable when it was submitted',
    edits: [
      {
        file: 'src/journal/commit/commit-pipeline.ts',
        find: 'commit.finish(this.#syncedLsn, this.heldFromLsn)',
        replace: 'commit.finish(0, this.heldFromLsn)',
      },
    ],
    tests: [DAMAGE],
  },
  {
    name: 'close writes no seal',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: 'if (segment !== null && this.poisoned === null) await this.#mark(COMMIT_FLAGS.closed).catch(() => {});',
        replace: 'void segment;',
      },
    ],
    tests: [JOURNAL, DAMAGE],
  },
  {
    name: 'close gives the lock back while accepted writes are under way',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: `await this.#pipeline.whenIdle();
    await this.#room.close();`,
        replace: `await this.#lock.release();
    await this.#pipeline.whenIdle();
    await this.#room.close();`,
      },
    ],
    tests: [JOURNAL],
  },
  {
    name: 'a batch does not ask for room for all of it before it is framed',
    edits: [
      {
        file: 'src/journal/commit/commit-layout.ts',
        find: 'if (recordCount > 1) return this.#hasSegmentFor(this.#bytesForAll(frameBytes));',
        replace: 'if (recordCount > 1) return this.#hasSegmentFor(0);',
      },
    ],
    tests: [JOURNAL],
  },
  {
    name: 'no block of a segment is kept for a mark on a full disk',
    edits: [
      {
        file: 'src/journal/segments/segment-sizes.ts',
        find: 'export const RESERVED_BLOCKS = 2;',
        replace: 'export const RESERVED_BLOCKS = 1;',
      },
    ],
    tests: [SEGMENTS, RECYCLING, FAILURES],
  },
];

const segments: readonly Mutant[] = [
  {
    name: 'a segment gets its name without a flush of the file',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: `  yield* flushStep(
    () => file.flush(),
    () => file.flushSync(),
  );
`,
        replace: '',
      },
    ],
    tests: [LESSONS, RECYCLING],
  },
  {
    name: 'a segment gets its name before the file is flushed',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'const contents = flushedAfter(fill, file);',
        replace: 'const contents = fill;',
      },
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'yield* publishFile(storage, { temporary, path, replaces: false, contents });',
        replace: `yield* publishFile(storage, { temporary, path, replaces: false, contents });
    yield* flushedAfter((function* () {})(), file);`,
      },
    ],
    tests: ['test/simulation/durable-order.test.ts'],
  },
  {
    name: 'the name of a segment is not flushed before its first commit',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: `      () => storage.flushDirectory(directory),
      () => storage.flushDirectorySync(directory),`,
        replace: `      async () => {},
      () => {},`,
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'a failed flush of the directory behind a new segment poisons nothing',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'if (!isFailedFlush(error)) throw error;',
        replace: 'if (isFailedFlush(error) || error !== null) throw error;',
      },
    ],
    tests: [FAILURES],
  },
  {
    name: 'a new segment has not all its bytes before its first commit',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: `      () => file.zeroFill(zerosFrom, plan.sizeBytes),
      () => file.zeroFillSync(zerosFrom, plan.sizeBytes),`,
        replace: `      async () => {},
      () => {},`,
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'the names of new directories are not flushed',
    edits: [
      {
        file: 'src/storage/directories.ts',
        find: 'await storage.flushDirectory(parentOf(level));',
        replace: '',
      },
    ],
    tests: [LESSONS],
  },
  {
    name: 'the name of a directory that was there already is not flushed',
    edits: [
      {
        file: 'src/journal/open-journal.ts',
        find: "if (recovered.recovery.kind === 'fresh') await flushNameOf(storage, directory);",
        replace: '',
      },
    ],
    tests: [SEGMENT_FILES],
  },
  {
    name: 'the segments of a retirement go newest first',
    edits: [
      {
        file: 'src/journal/read/held-segments.ts',
        find: 'return [...this.#stale];',
        replace: 'return this.#stale.toReversed();',
      },
    ],
    tests: [SEGMENTS],
  },
  {
    name: 'the newest segment is retired with the others',
    edits: [
      {
        file: 'src/journal/read/held-segments.ts',
        find: 'return kept === -1 ? Math.max(0, this.#segments.length - 1) : kept;',
        replace: 'return kept === -1 ? this.#segments.length : kept;',
      },
    ],
    tests: [SEGMENTS],
  },
  {
    name: 'segments go before it is durable that nobody answers for them',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: 'if (needsMark) await this.#mark(0);',
        replace: 'void needsMark;',
      },
    ],
    tests: [SEGMENTS],
  },
  {
    name: 'a segment is retired under its reader',
    edits: [
      {
        file: 'src/journal/read/held-segments.ts',
        find: 'for (const pin of this.#pins) if (!pin.isLostAt(endLsn) && pin.lsn < limit) limit = pin.lsn;',
        replace: '',
      },
    ],
    tests: [SEGMENTS],
  },
  {
    name: 'a failed flush of the directory behind a retirement poisons nothing',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: 'if (isFailedFlush(error)) this.#pipeline.poison(error);',
        replace: 'void isFailedFlush;',
      },
    ],
    tests: [FAILURES],
  },
];

const recycling: readonly Mutant[] = [
  {
    name: 'a recycled segment gets the salt that chance gives, also one that its file had before',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'const salt = unusedSalt(storage.randomBytes(SALT_BYTES), plan.journalId, usedSeeds);',
        replace: 'const salt = storage.randomBytes(SALT_BYTES);',
      },
    ],
    tests: [RECYCLING],
  },
  {
    name: 'a recycled segment is not salted anew',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'const salt = unusedSalt(storage.randomBytes(SALT_BYTES), plan.journalId, usedSeeds);',
        replace: 'const salt = new Uint8Array(SALT_BYTES);',
      },
    ],
    tests: [RECYCLING],
  },
  {
    name: 'a retired file forgets the seeds of its earlier uses',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'usedSeeds: [...usedSeeds, seed],',
        replace: 'usedSeeds: [seed],',
      },
    ],
    tests: [SEGMENT_FILES],
  },
  {
    name: 'a retired file is used again before the flush of the directory behind its retirement',
    edits: [
      {
        file: 'src/journal/segments/recycling-list.ts',
        find: 'this.#waiting.push(retired);',
        replace: 'this.#free.push(retired);',
      },
    ],
    tests: [RECYCLING],
  },
  {
    name: 'retired files are free without any flush of the directory',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: `await this.#storage.flushDirectory(this.directory);
      this.#room.retirementFlushed();`,
        replace: 'this.#room.retirementFlushed();',
      },
    ],
    tests: [FAILURES],
  },
  {
    name: 'a segment under way is thrown away when an append found no room for one of its own',
    edits: [
      {
        file: 'src/journal/segments/segment-supply.ts',
        find: `      const segment = runStepsSync(this.#prepareUrgently(commitBytes));
`,
        replace: `      if (this.#work !== null) this.#work.isWanted = false;
      const segment = runStepsSync(this.#prepareUrgently(commitBytes));
`,
      },
    ],
    tests: [SEGMENTS],
  },
  {
    name: 'a retired file is used again while a write of its last use is under way',
    edits: [
      {
        file: 'src/journal/segments/segment-supply.ts',
        find: 'if (closed === null || !(await closed)) return false;',
        replace: 'if (closed === null) return false;',
      },
    ],
    tests: [RECYCLING],
  },
  {
    name: 'files whose retirement was flushed in vain are used again all the same',
    edits: [
      {
        file: 'src/journal/segments/segment-supply.ts',
        find: `  retirementFailed(): void {
    this.#removeAll(this.#recycled.takeWaiting());`,
        replace: '  retirementFailed(): void {',
      },
    ],
    tests: [RECYCLING],
  },
  {
    name: 'a recycled segment does not say that it is one',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'salt, isRecycled: usedSeeds.length > 0 };',
        replace: 'salt, isRecycled: false };',
      },
    ],
    tests: [RECYCLING],
  },
  {
    name: 'a draft that is being filled is thrown away when an append cannot wait for it',
    edits: [
      {
        file: 'src/journal/segments/segment-supply.ts',
        find: 'if (this.#sequences.isOutrun || !work.isWanted) this.giveUp(segment);',
        replace: 'if (this.#takenCount > 1) this.giveUp(segment);',
      },
    ],
    tests: [SEGMENTS],
  },
  {
    name: 'a segment that is too late is used all the same',
    edits: [
      {
        file: 'src/journal/segments/segment-sequences.ts',
        find: 'if (this.#naming !== null && this.#naming < sequence) this.#isOutrun = true;',
        replace: 'void sequence;',
      },
    ],
    tests: ['test/journal/segment-sequences.test.ts'],
  },
  {
    name: 'a draft may have the temporary name of a retired segment',
    edits: [
      {
        file: 'src/journal/format/segment-names.ts',
        find: '.draft.tmp`;',
        replace: '.journal.tmp`;',
      },
    ],
    tests: ['test/journal/segment-sequences.test.ts'],
  },
  {
    name: 'what is prepared ahead keeps its room while an image has none',
    edits: [
      {
        file: 'src/journal/segments/segment-supply.ts',
        find: `      await this.#giveUpAhead();
      await this.#closes.whenDone();`,
        replace: '',
      },
    ],
    tests: ['test/kv/checkpoint-schedule.test.ts'],
  },
];

export const journalMutants: readonly Mutant[] = [...framing, ...commits, ...segments, ...recycling];
