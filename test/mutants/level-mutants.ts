// Mutants of KeelsonLevel: keys of wrong bytes, ranges and snapshots that differ from every Level, writes that are told too
// early, and reads that starve the event loop.

import type { Edit, Mutant } from './mutants.js';
import { mutantsOf } from './mutants-of.js';

const FACTS = 'test/level/keelson-level.test.ts';
const SUITE = 'test/level/abstract-level.test.ts';

const BATCH = 'src/kv/write/batch.ts';
const CODECS = 'src/level/level-codecs.ts';
const ERRORS = 'src/level/level-errors.ts';
const ITERATORS = 'src/level/level-iterators.ts';
const LEVEL = 'src/level/keelson-level.ts';
const OPTIONS = 'src/level/level-options.ts';
const RAW_READS = 'src/kv/read/raw-reads.ts';

const mutantIn = mutantsOf('level');

/** Returns a mutant that tests of the suite of abstract-level see, whose names match `filter`. */
function suiteMutantIn(file: string, name: string, filter: string, edit: Omit<Edit, 'file'>): Mutant {
  return { ...mutantIn(file, name, [SUITE], edit), filter };
}

export const levelMutants: readonly Mutant[] = [
  mutantIn(CODECS, 'a text key has its code units as bytes', [FACTS], {
    find: 'return isShort && isAscii(key) ? key',
    replace: 'return isShort ? key',
  }),
  mutantIn(CODECS, 'a key is read as text without decoding', [FACTS], {
    find: "(isAscii(indexKey) ? indexKey : Buffer.from(indexKey, 'latin1').toString())",
    replace: 'indexKey',
  }),
  mutantIn(CODECS, 'a view of words is no key', [FACTS], {
    find: 'ArrayBuffer.isView(data) && !(data instanceof Uint8Array)',
    replace: 'data === null',
  }),
  mutantIn(CODECS, 'a value shares the memory of the store', [FACTS], {
    find: 'Buffer.from(bytes.subarray(start, end))',
    replace: 'Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)',
  }),
  mutantIn(ERRORS, 'a locked store has no code of Level', [FACTS], {
    find: "  KEELSON_LOCKED: 'LEVEL_LOCKED',\n",
    replace: '',
  }),
  mutantIn(ERRORS, 'a damaged store has no code of Level', [FACTS], {
    find: "  KEELSON_CORRUPT: 'LEVEL_CORRUPTION',\n",
    replace: '',
  }),
  mutantIn(ERRORS, 'a store that fails has no code of Level', [FACTS], {
    find: "  KEELSON_POISONED: 'LEVEL_IO_ERROR',\n",
    replace: '',
  }),
  mutantIn(LEVEL, 'an error of a promise keeps its code', [FACTS], {
    find: '.then(undefined, throwLevelError)',
    replace: '',
  }),
  mutantIn(LEVEL, 'a clear by a snapshot clears what is newer', [FACTS], {
    find: 'if (snapshot != null) return',
    replace: 'if (snapshot === null) return',
  }),
  mutantIn(LEVEL, 'a clear by a snapshot has no limit', [FACTS], {
    find: 'while (operations.length < limit && cursor.advance())',
    replace: 'while (cursor.advance())',
  }),
  mutantIn(LEVEL, 'reads starve the event loop', [FACTS], {
    find: 'return this.#turns.isDue(work) ?',
    replace: 'return work < 0 ?',
  }),
  suiteMutantIn(LEVEL, 'reads of a snapshot show the database', 'snapshot', {
    find: 'return snapshot == null ? this.#open!.reads : snapshot.reads;',
    replace: 'return snapshot === this ? snapshot.reads : this.#open!.reads;',
  }),
  mutantIn(OPTIONS, 'sync does not wait for the disk', [FACTS], {
    find: "return options.sync === true ? 'disk' : fallback;",
    replace: 'return fallback;',
  }),
  mutantIn(OPTIONS, 'a wrong durability is none', [FACTS], {
    find: 'if (durability !== undefined) throw',
    replace: 'if (durability === null) throw',
  }),
  mutantIn(ITERATORS, 'gt goes before gte', [FACTS], {
    find: 'const [low, high] = [gte ?? gt, lte ?? lt];',
    replace: 'const [low, high] = [gt ?? gte, lt ?? lte];',
  }),
  suiteMutantIn(ITERATORS, 'an iterator over a closed snapshot throws when it is made', 'closing snapshot', {
    find: 'if (options.snapshot == null) this',
    replace: 'this',
  }),
  mutantIn(ITERATORS, 'an implicit snapshot begins with the first read', [FACTS], {
    find: 'if (options.snapshot == null) this',
    replace: 'if (options.snapshot === this) this',
  }),
  mutantIn(ITERATORS, 'an iterator starves the event loop', [FACTS], {
    find: 'const isDue = this.#turns.isDue(work);',
    replace: 'const isDue = work < 0;',
  }),
  mutantIn(ITERATORS, 'all() starves the event loop', [FACTS], {
    find: 'await (this.#turns.isDue(ITEMS_PER_TURN) ? nextTurn() : undefined);',
    replace: 'await undefined;',
  }),
  suiteMutantIn(ITERATORS, 'a signal ends no read that has begun', 'when aborted', {
    find: '      if (this.#signal?.aborted) throw abortError(this.#signal);\n',
    replace: '',
  }),
  mutantIn(RAW_READS, 'a seek out of the range finds what is out of it', [FACTS], {
    find: 'if (view === null || !isWithin(bounds, key)) this',
    replace: 'if (view === null) this',
  }),
  mutantIn(RAW_READS, 'an iterator goes on when the store beneath was closed', [FACTS], {
    find: '    this.#access.assertOpen();\n    return this.#walk.advance();',
    replace: '    return this.#walk.advance();',
  }),
  mutantIn(BATCH, 'a batch of Level does not see its own puts', [FACTS], {
    find: "    if (type === 'put') this.#put(this.#root, indexKey, value, null);\n    else this.#delete(space, indexKey);",
    replace:
      "    if (type === 'put') this.#put(this.#root, indexKey, value, null);\n    else if (space.current.has(indexKey)) this.#delete(space, indexKey);",
  }),
];
