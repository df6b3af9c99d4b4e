// Mutants of the writes of a store: what is visible when, and what happens when memory or room is short.

import type { Mutant } from './mutants.js';

const MODEL = 'test/simulation/store-model.test.ts';
const ENTRIES = 'test/kv/entries.test.ts';
const SHORT = 'test/kv/short-lives.test.ts';
const CUT = 'test/journal/cut-segments.test.ts';
const CONTRACT = 'test/kv/store-simulated.test.ts';
const DRAINED = 'test/kv/drained.test.ts';
const TURNS = 'test/kv/fair-turns.test.ts';
const WRITES = 'test/kv/write-path.test.ts';

const WRITE_PATH = 'src/kv/write/write-path.ts';
const WRITE_SET = 'src/kv/write/write-set.ts';

const writes: readonly Mutant[] = [
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
        replace: "import { PUT } from './operation-kinds.js';\nimport { WriteSet } from './write-set.js';",
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

export const writeMutants: readonly Mutant[] = [...writes, ...pressure];
