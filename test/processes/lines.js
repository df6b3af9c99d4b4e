// @ts-check
// What the processes of the kill test say to each other: one JSON array per line. And what follows from it alone: which
// states a store may be in. A store is compared with what was said through the pipe, and with nothing else.
//
//   ["opening"]                       it begins to open the store
//   ["opened", lsn]                   the store is open, at that LSN: all above it is gone for good
//   ["submitting", sequence, ops]     the call comes next, or the commit of a transaction; ops are ["put", key, bytes, space],
//                                     ["delete", key, null, space], ["clear", gte, lt, space] and ["drop", null, null, space];
//                                     the space is "" or the name of a namespace
//   ["accepted", sequence, lsn]       the call has returned, or the transaction is committed
//   ["durable", sequence, lsn]        its promise has resolved, and so all before it is acknowledged
//   ["segments", count]               the journal has begun another segment
//   ["checkpoint", type]              an event of the store
//   ["backing up", directory, lsn]    a backup begins, of the state at that LSN
//   ["backed up", directory]          its promise has resolved
//   ["closed"]                        close() has resolved

import fs from 'node:fs';

const STDOUT = 1;
/** A store's first record says what it is, and is no write: a store without writes may have an LSN up to here. */
const BIRTH_LSN_MAX = 64;

/**
 * @typedef {['put', string, number, string]} Put
 * @typedef {Put | ['delete', string, null, string] | ['clear', string, string, string] | ['drop', null, null, string]} Operation
 * @typedef {{ sequence: number, operations: Operation[], lsn: number | null }} Write
 * @typedef {Map<string, { value: string, version: number }>} State
 */

/** The namespaces beside the store itself, with their options. @type {ReadonlyMap<string, object>} */
export const NAMESPACES = new Map([
  ['left', { keyEncoding: 'utf8', valueEncoding: 'json' }],
  ['right', { keyEncoding: 'tuple', valueEncoding: 'msgpack' }],
]);

/**
 * The store itself, or a namespace of it. Its keys and values are of any type here.
 *
 * @param {import('keelson').Store<any, any>} db
 * @param {string} space
 * @returns {import('keelson').Namespace<any, any>}
 */
export function spaceOf(db, space) {
  return space === '' ? db : /** @type {any} */ (db).namespace(space, NAMESPACES.get(space));
}

/**
 * The key that a space has for a key of a line: in one of them a tuple, in the same order.
 *
 * @param {string} space
 * @param {string} key
 */
export function keyIn(space, key) {
  return space === 'right' ? [key[0], Number(key.slice(1))] : key;
}

/** @param {any} key */
export function lineKey(key) {
  return Array.isArray(key) ? `${key[0]}${String(key[1]).padStart(5, '0')}` : key;
}

/**
 * The name of a key in a state.
 *
 * @param {string} space
 * @param {string} key
 */
export function nameOf(space, key) {
  return `${space}/${key}`;
}

/**
 * To the pipe before it returns: what a killed process has said, has been said.
 *
 * @param {readonly unknown[]} line
 */
export function say(...line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < bytes.length; ) written += writeSome(bytes, written);
}

/**
 * Writes what the pipe takes. It may be full, because the reader is slow.
 *
 * @param {Buffer} bytes
 * @param {number} from
 */
function writeSome(bytes, from) {
  try {
    return fs.writeSync(STDOUT, bytes, from);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error;
    return 0;
  }
}

/**
 * A value that says which write it is of: nothing that is read from elsewhere can look like it.
 *
 * @param {number} sequence
 * @param {string} key
 * @param {number} bytes
 */
export function valueFor(sequence, key, bytes) {
  const name = `${sequence}:${key};`;
  return name.repeat(Math.ceil(bytes / name.length)).slice(0, Math.max(bytes, name.length));
}

/** All lives of one store, as far as they were heard. */
export class History {
  /** @type {Write[]} What is, or may be, in the store: in order. */
  #writes = [];
  #acknowledgedLsn = 0;
  /** @type {Map<string, { lsn: number, done: boolean }>} */
  #backups = new Map();

  /** @param {readonly any[]} line */
  add(line) {
    const [what, first, second] = line;
    if (what === 'submitting') this.#writes.push({ sequence: first, operations: second, lsn: null });
    else if (what === 'accepted') this.#accepted(first, second);
    else if (what === 'durable') this.#durable(first, second);
    else if (what === 'opened') this.#opened(first);
    else if (what === 'closed') this.#acknowledgedLsn = this.#writes.at(-1)?.lsn ?? this.#acknowledgedLsn;
    else if (what === 'backing up') this.#backups.set(first, { lsn: second, done: false });
    else if (what === 'backed up') this.#backedUp(first);
  }

  get writes() {
    return this.#writes.length;
  }

  get acknowledgedLsn() {
    return this.#acknowledgedLsn;
  }

  get backups() {
    return [...this.#backups].map(([directory, { lsn, done }]) => ({ directory, lsn, done }));
  }

  /**
   * Whether a write is known to end at that LSN.
   *
   * @param {number} lsn
   */
  hasLsn(lsn) {
    return lsn <= BIRTH_LSN_MAX || this.#writes.some((write) => write.lsn === lsn);
  }

  /**
   * What the store holds after the writes up to that LSN.
   *
   * @param {number} lsn
   */
  stateAt(lsn) {
    /** @type {State} */
    const state = new Map();
    for (const write of this.#writes) {
      if (write.lsn === null || write.lsn > lsn) break;
      for (const operation of write.operations) apply(state, operation, write.sequence, write.lsn);
    }
    return state;
  }

  /** @param {string} directory */
  #backedUp(directory) {
    const backup = this.#backups.get(directory);
    if (backup === undefined) throw new Error(`A backup to ${directory} that nobody began`);
    backup.done = true;
  }

  /** @param {number} sequence @param {number} lsn */
  #accepted(sequence, lsn) {
    const write = this.#writes.at(-1);
    if (write?.sequence !== sequence) throw new Error(`Write ${sequence} was accepted out of its turn`);
    write.lsn = lsn;
  }

  /** @param {number} sequence @param {number} lsn */
  #durable(sequence, lsn) {
    const write = this.#writes.findLast((known) => known.sequence === sequence);
    if (write?.lsn !== lsn)
      throw new Error(`Write ${sequence} was accepted at ${write?.lsn}, durable at ${lsn}`);
    this.#acknowledgedLsn = Math.max(this.#acknowledgedLsn, lsn);
  }

  /**
   * The one place where it is decided whether an LSN may be found: acknowledged ≤ it ≤ submitted, and it is that of a
   * whole write. Of the last write the LSN may be unknown, for the writer died in the call, or before it said.
   *
   * @param {number} lsn
   */
  #opened(lsn) {
    if (lsn < this.#acknowledgedLsn) {
      throw new Error(`LOST: opened at LSN ${lsn}, and ${this.#acknowledgedLsn} was acknowledged`);
    }
    const above = this.#writes.findIndex((write) => write.lsn === null || write.lsn > lsn);
    const kept = above < 0 ? this.#writes : this.#writes.slice(0, above);
    const keptLsn = kept.at(-1)?.lsn ?? 0;
    const isEmpty = kept.length === 0 && lsn <= BIRTH_LSN_MAX;
    if (lsn !== keptLsn && !isEmpty) {
      const next = above < 0 ? undefined : this.#writes[above];
      if (next === undefined || next.lsn !== null) {
        throw new Error(`INVENTED: opened at LSN ${lsn}, the nearest write below ends at ${keptLsn}`);
      }
      next.lsn = lsn;
      kept.push(next);
    }
    this.#writes = kept;
    // Seen is a fact: later lives may not lose it.
    this.#acknowledgedLsn = lsn;
  }
}

/**
 * @param {State} state
 * @param {Operation} operation
 * @param {number} sequence
 * @param {number} lsn
 */
function apply(state, operation, sequence, lsn) {
  const [type, key, third, space] = operation;
  if (type === 'put') state.set(nameOf(space, key), { value: valueFor(sequence, key, third), version: lsn });
  else if (type === 'delete') state.delete(nameOf(space, key));
  else {
    // All names of a space are below its own with a slash's next character.
    const [from, to] =
      type === 'drop' ? [`${space}/`, `${space}0`] : [nameOf(space, key), nameOf(space, third)];
    for (const each of [...state.keys()]) if (each >= from && each < to) state.delete(each);
  }
}

/**
 * Mulberry32: small, and good enough to choose with.
 *
 * @param {number} seed
 * @returns {(below: number) => number}
 */
export function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
