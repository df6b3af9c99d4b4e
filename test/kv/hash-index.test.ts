// The hash index against a Map, in tables of a few slots, so that they are split all the time.

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { HASH_BITS, HashIndex, NOT_FOUND } from '../../src/kv/entries/hash-index.js';
import { hashKey } from '../../src/kv/entries/key-units.js';

const SLOTS = 32;

/** Of a handle, which says nothing of where it comes from: some are beyond 2^32. */
const HANDLES_APART = 2 ** 33 / 1000;

/** A table with the keys it leads to. */
class Known {
  readonly table: HashIndex<string>;
  readonly keys = new Map<number, string>();
  readonly model = new Map<string, number>();
  readonly #hash: (key: string) => number;
  #next = 0;

  constructor(slotsMax = SLOTS, hash = (key: string) => hashKey(key, 77)) {
    this.table = new HashIndex(slotsMax);
    this.#hash = hash;
  }

  isKeyOf(handle: number, key: string): boolean {
    return this.keys.get(handle) === key;
  }

  find(key: string): number {
    return this.table.find(key, this.#hash(key), this);
  }

  insert(key: string): boolean {
    const handle = this.#newHandle();
    const isThere = this.table.insert(this.#hash(key), handle);
    if (isThere) this.#know(key, handle);
    return isThere;
  }

  replace(key: string): void {
    const handle = this.#newHandle();
    const previous = this.model.get(key)!;
    expect(this.table.replace(this.#hash(key), previous, handle)).toBe(true);
    this.keys.delete(previous);
    this.#know(key, handle);
  }

  remove(key: string): void {
    const handle = this.model.get(key)!;
    this.table.remove(this.#hash(key), handle);
    this.keys.delete(handle);
    this.model.delete(key);
  }

  check(): void {
    expect(this.table.size).toBe(this.model.size);
    for (const [key, handle] of this.model) {
      if (this.find(key) !== handle) expect(this.find(key)).toBe(handle);
    }
  }

  #newHandle(): number {
    return Math.floor(this.#next++ * HANDLES_APART) % (2 ** 36 - 2);
  }

  #know(key: string, handle: number): void {
    this.keys.set(handle, key);
    this.model.set(key, handle);
  }
}

const key = fc.oneof(
  fc.nat({ max: 300 }).map((number) => `key ${number}`),
  fc.string({ unit: 'binary', maxLength: 3 }),
);

describe('the hash index', () => {
  test('finds what a Map finds, whatever is inserted and removed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(key, fc.nat({ max: 2 })), { maxLength: 1500, size: 'max' }),
        fc.array(key, { maxLength: 50 }),
        (steps, probes) => {
          const known = new Known();
          for (const [name, step] of steps) {
            if (!known.model.has(name)) expect(known.insert(name)).toBe(true);
            else if (step === 0) known.remove(name);
            else if (step === 1) known.replace(name);
          }
          known.check();
          for (const probe of probes) expect(known.find(probe)).toBe(known.model.get(probe) ?? NOT_FOUND);
          for (const name of [...known.model.keys()]) known.remove(name);
          expect(known.table.size).toBe(0);
          for (const probe of probes) expect(known.find(probe)).toBe(NOT_FOUND);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('holds a table full of keys of one hash, and says of the next that it has no room', () => {
    const known = new Known(SLOTS, () => 0x1234_5678);
    let held = 0;
    while (known.insert(`key ${held}`)) held++;
    expect(held).toBe(SLOTS - 1);
    known.check();
    expect(known.find('never')).toBe(NOT_FOUND);
    for (let number = 0; number < held; number += 2) known.remove(`key ${number}`);
    known.check();
    expect(known.insert('again')).toBe(true);
    known.check();
  });

  test('has no room for a handle that it cannot hold, and gives up what gets one', () => {
    const known = new Known();
    expect(known.table.insert(5, 2 ** 36 - 2)).toBe(true);
    expect(known.table.insert(6, 2 ** 36 - 1)).toBe(false);
    expect(known.table.replace(5, 2 ** 36 - 2, 2 ** 36 - 1)).toBe(false);
    expect(known.table.replace(7, 1, 2)).toBe(false);
    expect(known.table.size).toBe(0);
  });

  test('gives back its memory with clear, and takes little for little', () => {
    const known = new Known(1024);
    const { memoryBytes } = known.table;
    expect(memoryBytes).toBe(0);
    known.insert('one');
    expect(known.table.memoryBytes).toBeLessThanOrEqual(256);
    for (let number = 0; number < 20_000; number++) known.insert(`key ${number}`);
    known.check();
    expect(known.table.memoryBytes).toBeGreaterThan(20_000 * 8);
    expect(known.table.memoryBytes).toBeLessThan(20_000 * 32);
    known.table.clear();
    expect(known.table.memoryBytes).toBe(memoryBytes);
    expect(known.find('key 1')).toBe(NOT_FOUND);
  });

  test('without memory to grow into says so, and goes on to find what it has', () => {
    const known = new Known();
    for (let number = 0; number < 1000; number++) known.insert(`key ${number}`);
    const real = globalThis.Uint32Array;
    vi.stubGlobal(
      'Uint32Array',
      class extends real {
        constructor(length: number) {
          if (length > 0) throw new RangeError('Array buffer allocation failed');
          super(length);
        }
      },
    );
    try {
      const outcomes = Array.from({ length: 2000 }, (_, number) => known.insert(`more ${number}`));
      expect(outcomes).toContain(true);
      expect(outcomes).toContain(false);
      known.check();
      expect(known.find('never')).toBe(NOT_FOUND);
    } finally {
      vi.unstubAllGlobals();
    }
    expect(Array.from({ length: 500 }, (_, number) => known.insert(`again ${number}`))).not.toContain(false);
    known.check();
  });

  test('spreads keys that differ in little', () => {
    const hashes = new Set<number>();
    for (let number = 0; number < 100_000; number++) {
      hashes.add(hashKey(`user:${String(number).padStart(9, '0')}`, 5) & (2 ** HASH_BITS - 1));
    }
    // Of so many random numbers of 28 bits, about nineteen meet.
    expect(hashes.size).toBeGreaterThan(100_000 - 60);
  });
});
