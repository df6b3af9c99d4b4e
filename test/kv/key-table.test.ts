// The hash index against a Map, in tables of a few slots, so that they are split all the time.

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { KeyTable, NOT_FOUND } from '../../src/kv/key-table.js';

const SLOTS = 32;

/** A table with the keys it leads to. */
class Known {
  readonly table: KeyTable;
  readonly keys: (string | undefined)[] = [];
  readonly model = new Map<string, number>();

  constructor(slotsMax = SLOTS) {
    this.table = new KeyTable(slotsMax);
  }

  isKeyOf(id: number, key: string): boolean {
    return this.keys[id] === key;
  }

  find(key: string): number {
    return this.table.find(key, this.table.hashOf(key), this);
  }

  insert(key: string): boolean {
    const id = this.keys.length;
    const isThere = this.table.insert(this.table.hashOf(key), id);
    if (isThere) {
      this.keys.push(key);
      this.model.set(key, id);
    }
    return isThere;
  }

  remove(key: string): void {
    const id = this.model.get(key)!;
    this.table.remove(this.table.hashOf(key), id);
    this.keys[id] = undefined;
    this.model.delete(key);
  }

  check(): void {
    expect(this.table.size).toBe(this.model.size);
    for (const [key, id] of this.model) if (this.find(key) !== id) expect(this.find(key)).toBe(id);
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
        fc.array(fc.tuple(key, fc.boolean()), { maxLength: 1500, size: 'max' }),
        fc.array(key, { maxLength: 50 }),
        (steps, probes) => {
          const known = new Known();
          for (const [name, isRemoval] of steps) {
            if (!known.model.has(name)) known.insert(name);
            else if (isRemoval) known.remove(name);
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

  test('holds keys of one hash, as somebody may choose them who knows the seed', () => {
    const known = new Known();
    const hashOf = vi.spyOn(known.table, 'hashOf').mockReturnValue(0x1234_5678);
    for (let number = 0; number < 500; number++) expect(known.insert(`key ${number}`)).toBe(true);
    known.check();
    for (let number = 0; number < 500; number += 2) known.remove(`key ${number}`);
    known.check();
    hashOf.mockRestore();
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
    const known = new Known();
    const hashes = new Set<number>();
    for (let number = 0; number < 100_000; number++) {
      hashes.add(known.table.hashOf(`user:${String(number).padStart(9, '0')}`));
    }
    // Of so many random numbers of 31 bits, two or three meet.
    expect(hashes.size).toBeGreaterThan(100_000 - 30);
  });
});
