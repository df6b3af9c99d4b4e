// The postings of entries: calls the functions of indexes. They are foreign code, so they run before a commit and never in
// it. While one runs, nobody may write: see FunctionGuard.

import { inspect, types } from 'node:util';
import { misuse } from '../../errors.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { type Posting, toPosting } from '../encoding/postings.js';
import { type EntryPostings, listOf, type SecondaryIndex } from '../entries/secondary-index.js';
import type { Space } from '../entries/space.js';
import type { IndexedCodecs, SpaceIndexes } from '../entries/space-indexes.js';
import type { FunctionGuard } from './function-guard.js';
import { PUT } from './operation-kinds.js';
import { ignoreRejection } from './promises.js';
import type { WriteSet } from './write-set.js';

/** The most times that postings of a write are made, when indexes are declared meanwhile. */
const TRIES_MAX = 3;

/**
 * The entry that a put replaces is compared with its postings for the first puts of a namespace, and then for one of many. It
 * costs as much as the rest of the index, and only finds wrong functions: what is removed from an index is what was put there.
 */
const COMPARED_FIRST = 1024;
const COMPARED_EVERY = 64;

/** Reads the value of an entry. */
export type ReadValue = <T>(decode: (bytes: Uint8Array, start: number, end: number) => T) => T;

/** Makes postings of entries of all spaces of one store. */
export class PostingMaker {
  readonly #guard: FunctionGuard;

  constructor(guard: FunctionGuard) {
    this.#guard = guard;
  }

  /**
   * Makes the postings of all puts of a write that lack them, and compares those of some entries that they replace. Runs
   * foreign code.
   *
   * @throws KEELSON_NOT_READY while a unique index is built, a TypeError for a wrong result and for a function that no longer
   * returns what it has returned for an entry, KEELSON_KEY_TOO_LARGE, KEELSON_DECODE, and what a function throws.
   */
  complete(writes: WriteSet): void {
    for (let tries = 1; !areComplete(writes); tries++) {
      // A function may declare indexes.
      if (tries > TRIES_MAX) throw neverStill();
      for (let at = 0; at < writes.count; at++) if (!isComplete(writes, at)) this.make(writes, at);
    }
    for (let at = 0; at < writes.count; at++)
      if (isIndexed(writes, at) && isComparedNext(writes.spaces[at]!.indexes!))
        this.#compareReplaced(writes.spaces[at]!, writes.keys[at]!);
  }

  /** Makes the postings of a put into a space with indexes. Throws what complete() throws. */
  make(writes: WriteSet, at: number): void {
    const indexes = writes.spaces[at]!.indexes!;
    assertNoUniqueBuilding(indexes);
    const made = this.#of(indexes, writes.keys[at]!, (decode) => writes.readValue(at, decode));
    writes.setPostings(at, indexes, made);
  }

  /** Returns the postings of an entry: one for each index, in their order. Runs foreign code. */
  #of({ codecs, list }: SpaceIndexes, key: IndexKey, read: ReadValue): readonly EntryPostings[] {
    const around = this.#guard.enterIndex();
    try {
      const value = read(codecs.value.decode);
      const givenKey = codecs.key.fromIndexKey(key);
      return list.map((index) => (index.isOff ? null : postingsIn(index, key, givenKey, value)));
    } finally {
      this.#guard.leaveIndex(around);
    }
  }

  /** Returns the postings of an entry in one index. Runs foreign code. */
  ofOne(index: SecondaryIndex, codecs: IndexedCodecs, key: IndexKey, read: ReadValue): EntryPostings {
    const around = this.#guard.enterIndex();
    try {
      return postingsIn(index, key, codecs.key.fromIndexKey(key), read(codecs.value.decode));
    } finally {
      this.#guard.leaveIndex(around);
    }
  }

  /** Throws a TypeError when the functions return something else for the entry of a key than they did. */
  #compareReplaced({ entries, indexes, keyCodec }: Space, key: IndexKey): void {
    const handle = entries.findLinked(key);
    if (handle === undefined) return;
    const id = entries.idOf(handle);
    const made = this.#of(indexes!, key, (decode) => entries.read(handle, decode));
    for (const [at, index] of indexes!.list.entries()) {
      const postings = index.postingsOf(id);
      if (postings !== undefined && !index.isOff && !areEqual(postings, made[at]!))
        throw otherResult(index, keyCodec.fromIndexKey(key));
    }
  }
}

/** Counts a put into a space. Returns true when the entry that it replaces is to be compared. */
function isComparedNext(indexes: SpaceIndexes): boolean {
  const puts = indexes.puts++;
  return puts < COMPARED_FIRST || puts % COMPARED_EVERY === 0;
}

/** Returns true when all puts of a write have the postings that their spaces need. */
export function areComplete(writes: WriteSet): boolean {
  for (let at = 0; at < writes.count; at++) if (!isComplete(writes, at)) return false;
  return true;
}

function isComplete(writes: WriteSet, at: number): boolean {
  return !isIndexed(writes, at) || writes.indexes[at] === writes.spaces[at]!.indexes;
}

/** Returns true for a put into a space with indexes. */
function isIndexed({ kinds, spaces }: WriteSet, at: number): boolean {
  return kinds[at] === PUT && spaces[at]!.indexes !== null;
}

/** Throws KEELSON_NOT_READY while a unique index is built, because its doubles are not known yet. */
export function assertNoUniqueBuilding({ hasUnique, list }: SpaceIndexes): void {
  if (hasUnique) for (const index of list) if (index.isUnique && index.isBuilding) index.assertReady();
}

function postingsIn(index: SecondaryIndex, key: IndexKey, givenKey: unknown, value: unknown): EntryPostings {
  const result = index.spec.fn(value as never, givenKey as never);
  ignoreIfPromise(result);
  if (!index.spec.isMany) return result === undefined ? null : toPosting(index.resultName, result, key);
  if (!Array.isArray(result))
    throw misuse(
      index.resultName,
      'an array of index values, because the index is made with index.many()',
      result,
    );
  const postings = new Set<Posting>();
  try {
    for (let at = 0; at < result.length; at++)
      postings.add(toPosting({ toString: () => `${index.resultName}[${at}]` }, result[at], key));
  } catch (error) {
    for (let at = 0; at < result.length; at++) ignoreIfPromise(result[at]);
    throw error;
  }
  if (postings.size > 1) return [...postings].sort(byCodeUnits);
  const [posting = null] = postings;
  return posting;
}

/** A promise is refused, and nobody else waits for it. */
function ignoreIfPromise(value: unknown): void {
  if (types.isPromise(value)) ignoreRejection(value);
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function areEqual(one: EntryPostings, other: EntryPostings): boolean {
  if (one === other) return true;
  const [a, b] = [listOf(one), listOf(other)];
  return a.length === b.length && a.every((posting, at) => posting === b[at]);
}

function otherResult(index: SecondaryIndex, key: unknown): TypeError {
  const shown = inspect(key, { breakLength: Infinity });
  return new TypeError(
    `the index ${index.shown}: expected a function that always returns the same for the same entry, got another result for ${shown} than before. Nothing was written. Use nothing but the value and the key in it, and change neither`,
  );
}

function neverStill(): TypeError {
  return new TypeError(
    `the index functions: expected none that declares indexes of a namespace that is written to, got ${TRIES_MAX} that did. Declare all indexes of a namespace in one call of db.namespace()`,
  );
}
