// The operations of a batch as callers give them: checks them and adds them to a write set.

import { misuse } from '../../errors.js';
import { CLEAR_NAMES, type RangeWrite, resolveRange } from '../encoding/range.js';
import { NO_TIME } from '../entries/expiry.js';
import { NO_DEADLINE } from '../entries/slab.js';
import type { Space } from '../entries/space.js';
import { Overlay } from '../read/overlay.js';
import type { Codecs } from '../read/reads.js';
import { addClear } from './clear.js';
import { assertNotDropped } from './conditions.js';
import {
  deadlineOf,
  EXPIRY_NAMES,
  type ExpiryOptions,
  FOR_NEVER,
  type GivenExpiry,
  isPast,
  resolveExpiry,
} from './expiry-options.js';
import { checkVersion } from './write-options.js';
import type { WriteSet } from './write-set.js';

/**
 * An operation of a batch: a put, a delete, a touch, a check of a version, or a clear of a range. All checks are made before
 * anything is written, and a check that does not hold throws KEELSON_CONFLICT. A clear without bounds deletes all keys.
 *
 * @example
 * const operations: Operation<string, number>[] = [
 *   { type: 'check', key: 'ann', version: 0 },
 *   { type: 'put', key: 'ann', value: 90 },
 *   { type: 'delete', key: 'bob' },
 *   { type: 'clear', prefix: 'session:' },
 * ];
 */
export type Operation<K, V> =
  | ({ readonly type: 'put'; readonly key: K; readonly value: V } & ExpiryOptions)
  | { readonly type: 'delete'; readonly key: K }
  | ({ readonly type: 'touch'; readonly key: K } & ExpiryOptions)
  | { readonly type: 'check'; readonly key: K; readonly version: number }
  | ({ readonly type: 'clear' } & RangeWrite<K>);

/** A space, and the codecs of its keys and values. */
export interface Place {
  readonly space: Space;
  readonly codecs: Codecs<unknown, unknown>;
}

/** Returns the place of a namespace that a caller gave. Throws a TypeError for anything else. */
export type PlaceOf = (argument: { toString(): string }, namespace: unknown) => Place;

/** The fields of an operation by its type. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  put: ['type', 'namespace', 'key', 'value', ...EXPIRY_NAMES],
  touch: ['type', 'namespace', 'key', ...EXPIRY_NAMES],
  delete: ['type', 'namespace', 'key'],
  check: ['type', 'namespace', 'key', 'version'],
  clear: ['type', 'namespace', ...CLEAR_NAMES],
};

/**
 * Adds all operations to `writes`, whose begin() was called. May run foreign code, which may write meanwhile with
 * another write set. Returns true when an operation depends on what the entries are now, so that the caller begins anew
 * if foreign code has written.
 *
 * @throws A TypeError that names the operation and its field, as in `operations[3].key`; KEELSON_KEY_TOO_LARGE,
 * KEELSON_RECORD_TOO_LARGE, KEELSON_DROPPED, and what an encoder of the caller throws.
 */
export function addBatch(
  root: Place,
  operations: unknown,
  writes: WriteSet,
  placeOf: PlaceOf,
  now: () => number,
): boolean {
  if (!Array.isArray(operations)) throw misuse('operations', 'an array', operations);
  const batch = new Batch(root, writes, placeOf, now);
  for (let at = 0; at < operations.length; at++) batch.add(at, operations[at]);
  return batch.hasLooked;
}

/** A put or a delete of src/level, which has checked it. Other fields have no meaning. */
export interface CheckedOperation<K, V> {
  readonly type: 'put' | 'del';
  readonly key: K;
  /** The value of a put. */
  readonly value: V;
}

/** Adds puts and deletes that are known to be well-formed. Otherwise it is addBatch(). */
export function addCheckedBatch(
  root: Place,
  operations: readonly CheckedOperation<unknown, unknown>[],
  writes: WriteSet,
  placeOf: PlaceOf,
  now: () => number,
): boolean {
  const batch = new Batch(root, writes, placeOf, now);
  for (let at = 0; at < operations.length; at++) batch.addChecked(at, operations[at]!);
  return batch.hasLooked;
}

/** The place of an operation or of its field. Its text, as in `operations[3].key`, is made only for an error. */
class OperationName {
  #at = 0;
  #field = '';

  moveTo(at: number): this {
    this.#at = at;
    this.#field = '';
    return this;
  }

  field(name: 'type' | 'key' | 'value' | 'version' | 'namespace'): this {
    this.#field = `.${name}`;
    return this;
  }

  toString(): string {
    return `operations[${this.#at}]${this.#field}`;
  }
}

/** The operations of one batch while they are added to a write set. */
class Batch {
  readonly #root: Place;
  readonly #writes: WriteSet;
  readonly #placeOf: PlaceOf;
  readonly #now: () => number;
  readonly #name = new OperationName();
  /** The entries of each space under the operations so far, or null while no operation has looked at them. */
  #overlays: Map<Space, Overlay> | null = null;

  constructor(root: Place, writes: WriteSet, placeOf: PlaceOf, now: () => number) {
    this.#now = now;
    this.#root = root;
    this.#writes = writes;
    this.#placeOf = placeOf;
  }

  get hasLooked(): boolean {
    return this.#overlays !== null;
  }

  add(at: number, operation: unknown): void {
    const name = this.#name.moveTo(at);
    if (typeof operation !== 'object' || operation === null) throw misuse(name, 'an object', operation);
    const given = operation as { readonly [field: string]: unknown };
    const { type, key, namespace } = given;
    const fields = typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type]! : null;
    if (fields === null)
      throw misuse(name.field('type'), "'put', 'delete', 'touch', 'check' or 'clear'", type);
    // `for`-`in` makes no array of the names. It also visits inherited ones.
    for (const field in operation) {
      if (!fields.includes(field) && Object.hasOwn(operation, field)) {
        throw new TypeError(
          `${name}: unknown field '${field}' of a ${type}; known are ${fields.join(', ')}. Leave it out; a condition is an operation of its own, { type: 'check', key, version }`,
        );
      }
    }
    const place = namespace === undefined ? this.#root : this.#placeOf(name.field('namespace'), namespace);
    const { space, codecs } = place;
    assertNotDropped(space);
    if (type === 'clear') {
      this.#clear(space, codecs, given);
      return;
    }
    const indexKey = codecs.key.toIndexKey(name.field('key'), key);
    if (type === 'put') this.#put(place, indexKey, given['value'], resolveExpiry(name.moveTo(at), given));
    else if (type === 'touch') {
      const expiry = resolveExpiry(name.moveTo(at), given);
      if (expiry === null) throw misuse(name, 'ttl or expiresAt', operation, FOR_NEVER);
      this.#touch(space, indexKey, expiry);
    } else if (type === 'delete') this.#delete(space, indexKey);
    else {
      const { version } = given;
      checkVersion(name.field('version'), version);
      this.#writes.check(space, indexKey, version);
    }
  }

  addChecked(at: number, { type, key, value }: CheckedOperation<unknown, unknown>): void {
    const { space, codecs } = this.#root;
    const indexKey = codecs.key.toIndexKey(this.#name.moveTo(at).field('key'), key);
    if (type === 'put') this.#put(this.#root, indexKey, value, null);
    else this.#delete(space, indexKey);
  }

  #put({ space, codecs }: Place, key: string, value: unknown, expiry: GivenExpiry | null): void {
    const writes = this.#writes;
    const now = expiry === null ? NO_TIME : this.#timeOfWrite();
    const deadline = expiry === null ? NO_DEADLINE : deadlineOf(expiry, now);
    writes.put(space, key, codecs.value, value, this.#name.field('value'), deadline);
    this.#overlays?.get(space)?.set(key, writes.count - 1);
    if (expiry !== null && isPast(expiry, now)) this.#expire(space, key);
  }

  /** Adds a touch, unless the key is absent. */
  #touch(space: Space, key: string, expiry: GivenExpiry): void {
    const now = this.#timeOfWrite();
    const overlay = this.#overlayOf(space);
    if (!overlay.has(key)) return;
    this.#writes.touch(space, key, deadlineOf(expiry, now));
    overlay.set(key, this.#writes.count - 1);
    if (isPast(expiry, now)) this.#expire(space, key);
  }

  /** Adds the removal of an entry that the batch has given a past deadline. */
  #expire(space: Space, key: string): void {
    this.#writes.expire(space, key);
    this.#overlays?.get(space)?.delete(key);
  }

  /** Returns the time of the batch, which its first operation with a deadline reads. */
  #timeOfWrite(): number {
    this.#writes.now ??= this.#now();
    return this.#writes.now;
  }

  /** Adds a delete, unless the key is absent. */
  #delete(space: Space, key: string): void {
    const overlay = this.#overlayOf(space);
    if (!overlay.has(key)) return;
    this.#writes.delete(space, key);
    overlay.delete(key);
  }

  #clear(space: Space, { key }: Codecs<unknown, unknown>, given: object): void {
    const range = resolveRange(key, `${this.#name}`, CLEAR_NAMES, given, ['type', 'namespace']);
    const { bounds, limit } = range;
    if (limit === Number.POSITIVE_INFINITY) {
      this.#writes.clear(space, bounds);
      this.#overlays?.get(space)?.clear(bounds);
      return;
    }
    const overlay = this.#overlayOf(space);
    const first = this.#writes.count;
    addClear(this.#writes, space, range, overlay);
    for (let at = first; at < this.#writes.count; at++) overlay.delete(this.#writes.keys[at]!);
  }

  /** Returns the entries of a space under the operations so far. */
  #overlayOf(space: Space): Overlay {
    this.#overlays ??= new Map();
    let overlay = this.#overlays.get(space);
    if (overlay === undefined) {
      const { now } = this.#writes;
      const entries = now === null ? space.current : space.currentAt(now);
      overlay = new Overlay(entries, this.#writes);
      this.#writes.replayInto(space, overlay);
      this.#overlays.set(space, overlay);
    }
    return overlay;
  }
}
