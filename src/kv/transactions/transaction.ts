// The tx of a transaction: what its function reads and writes with. transaction-interface.ts documents it for callers.

import { type InspectOptions, inspect, types } from 'node:util';
import { misuse } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from '../encoding/range.js';
import type { Space } from '../entries/space.js';
import type { View } from '../entries/view.js';
import type { IndexesOf, NoIndexes } from '../read/index-interface.js';
import { readsByName } from '../read/index-reads.js';
import type { ReadAccess } from '../read/raw-reads.js';
import { type Codecs, SpaceReads } from '../read/reads.js';
import { shown } from '../read/shown.js';
import type { Place, PlaceOf } from '../write/batch.js';
import { EXPIRY_NAMES, FOR_NEVER, type GivenExpiry, resolveExpiry } from '../write/expiry-options.js';
import { ignoreRejection, isThenable } from '../write/promises.js';
import type { Attempt } from './attempt.js';
import type { Part } from './attempt-part.js';

/** How the reads of a transaction get at the entries of one space. A class, because closures take more memory. */
class TransactionAccess implements ReadAccess {
  readonly #attempt: Attempt;
  readonly #part: Part;
  readonly #space: Space;

  constructor(attempt: Attempt, part: Part, space: Space) {
    this.#attempt = attempt;
    this.#part = part;
    this.#space = space;
  }

  view(): View {
    return this.#attempt.viewOf(this.#space);
  }

  assertOpen(): void {
    this.#attempt.assertReadable(this.#part);
  }
}

/** The reads and writes of one space in a transaction. */
export class SpaceTransaction<K, V, I = NoIndexes> extends SpaceReads<K, V> {
  readonly #attempt: Attempt;
  readonly #part: Part;
  readonly #space: Space;

  constructor(attempt: Attempt, part: Part, { space, codecs }: Place) {
    super(codecs as Codecs<K, V>, new TransactionAccess(attempt, part, space));
    this.#attempt = attempt;
    this.#part = part;
    this.#space = space;
  }

  get indexes(): IndexesOf<K, V, I> {
    const [attempt, part, space] = [this.#attempt, this.#part, this.#space];
    return readsByName(space.indexes?.list ?? [], this.codecs, ({ name }) => ({
      assertOpen: () => attempt.assertReadable(part),
      view: () => attempt.indexOf(space, name),
    }));
  }

  // A wrong key comes first: tx.put(namespace, key, value) makes the other arguments wrong as well.
  put(key: K, value: V, options?: unknown): void {
    const indexKey = this.codecs.key.toIndexKey('key', key);
    const expiry = options === undefined ? null : resolveOwnExpiry('options', options);
    this.#attempt.assertWritable(this.#part);
    this.#attempt.put(this.#part, this.#space, this.codecs, indexKey, value, expiry);
  }

  touch(key: K, options: unknown): void {
    const indexKey = this.codecs.key.toIndexKey('key', key);
    const expiry = resolveOwnExpiry('expiry', options);
    if (expiry === null) throw misuse('expiry', 'ttl or expiresAt', options, FOR_NEVER);
    this.#attempt.assertWritable(this.#part);
    this.#attempt.touch(this.#part, this.#space, indexKey, expiry);
  }

  delete(key: K, options?: unknown): void {
    const indexKey = this.codecs.key.toIndexKey('key', key);
    if (options !== undefined) throw noOptions(options);
    this.#attempt.assertWritable(this.#part);
    this.#attempt.delete(this.#part, this.#space, indexKey);
  }

  clear(range?: KeyRange<K>): void {
    this.#attempt.assertWritable(this.#part);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, range);
    this.#attempt.clear(this.#part, this.#space, bounds);
  }

  // The number of entries is not shown, because a transaction would depend on what it has shown.
  [inspect.custom](_depth: number, options: InspectOptions): string {
    return shown('TransactionNamespace', { name: () => this.#space.name }, options);
  }
}

/** The tx of a transaction, or of a nested part. */
export class Transaction<K, V> extends SpaceTransaction<K, V> {
  readonly #attempt: Attempt;
  readonly #part: Part;
  readonly #root: Place;
  readonly #placeOf: PlaceOf;

  constructor(attempt: Attempt, part: Part, root: Place, placeOf: PlaceOf) {
    super(attempt, part, root);
    this.#attempt = attempt;
    this.#part = part;
    this.#root = root;
    this.#placeOf = placeOf;
  }

  get attempt(): number {
    return this.#attempt.number;
  }

  get now(): number {
    return this.#attempt.now;
  }

  get lsn(): Lsn | null {
    return this.#attempt.lsn;
  }

  in<NK, NV, I>(namespace: unknown): SpaceTransaction<NK, NV, I> {
    this.#attempt.assertReadable(this.#part);
    return new SpaceTransaction<NK, NV, I>(this.#attempt, this.#part, this.#placeOf('namespace', namespace));
  }

  override [inspect.custom](_depth: number, options: InspectOptions): string {
    const facts = { attempt: () => this.attempt, phase: () => this.#attempt.phase, lsn: () => this.lsn };
    return shown('Transaction', facts, options);
  }

  nested<T>(fn: (tx: Transaction<K, V>) => T): T {
    if (typeof fn !== 'function') throw misuse('fn', 'a function', fn);
    const attempt = this.#attempt;
    const part = attempt.begin(this.#part);
    let result: T;
    try {
      result = fn(new Transaction(attempt, part, this.#root, this.#placeOf));
      if (types.isPromise(result) && attempt.phase !== 'commit') {
        return settleNested(attempt, part, result) as T;
      }
      if (isThenable(result)) throw noPromise('nested', result, attempt.phase === 'commit');
    } catch (error) {
      attempt.undo(part);
      throw error;
    }
    attempt.keep(part);
    return result;
  }

  atCommit(fn: (tx: Transaction<K, V>) => undefined): void {
    if (typeof fn !== 'function') throw misuse('fn', 'a function', fn);
    const attempt = this.#attempt;
    attempt.assertWritable(this.#part);
    if (attempt.phase === 'commit') {
      throw new TypeError(
        'atCommit() was called at the commit. Write right away with the tx of the function',
      );
    }
    attempt.atCommits.push(() => {
      const result: unknown = fn(new Transaction(attempt, attempt.part, this.#root, this.#placeOf));
      if (isThenable(result)) throw noPromise('atCommit', result, true);
    });
  }
}

/** Returns the expiry that a caller gave. Throws a TypeError for other options. */
function resolveOwnExpiry(argument: string, options: unknown): GivenExpiry | null {
  if (typeof options !== 'object' || options === null) throw misuse(argument, 'an object', options);
  for (const name of Object.keys(options)) {
    if ((EXPIRY_NAMES as readonly string[]).includes(name)) continue;
    throw new TypeError(
      `${argument}: unknown option '${name}'; known are ${EXPIRY_NAMES.join(', ')}. In place of ifVersion, compare the version of tx.getEntry(key); durability is an option of db.transaction()`,
    );
  }
  return resolveExpiry(argument, options);
}

/** Returns the error for options of delete(), which would do nothing: a transaction checks all that it reads. */
function noOptions(options: unknown): TypeError {
  const next =
    'In place of ifVersion, compare the version of tx.getEntry(key); durability is an option of db.transaction()';
  return misuse('options', 'none, because a delete of a transaction has no options', options, next);
}

async function settleNested<T>(attempt: Attempt, part: Part, promise: Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await promise;
  } catch (error) {
    attempt.undo(part);
    throw error;
  }
  attempt.keep(part);
  return result;
}

function noPromise(name: string, result: unknown, isAtCommit: boolean): TypeError {
  if (types.isPromise(result)) ignoreRejection(result);
  const expected = isAtCommit
    ? 'a function that returns no promise, because it runs at the commit'
    : 'a function that returns a promise or no thenable';
  return misuse(`fn of ${name}()`, expected, result);
}
