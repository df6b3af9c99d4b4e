// Slabs: what a handle means, who sees what, and where memory goes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EntrySlabs,
  entryBytesMax,
  SLAB_BYTES_MAX,
  SLAB_BYTES_MIN,
} from '../../src/kv/entries/entry-slabs.js';
import { hashKey } from '../../src/kv/entries/key-units.js';
import { type EntryHandle, NoSlabMemory } from '../../src/kv/entries/slab.js';
import { ViewEpoch } from '../../src/kv/entries/view-epoch.js';
import { arraysCopiedBy } from './encoded.js';

/** A slab of so many bytes holds eight entries of 20 bytes, and one of its own what has more. */
const SMALL_SLAB_BYTES = 320;
/** In a slab of so many bytes, an entry of up to 128 bytes has no slab of its own. */
const LARGER_SLAB_BYTES = 1024;

function bytesOf(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

function append(slabs: EntrySlabs, value: Uint8Array, version = 1): EntryHandle {
  const handle = slabs.append('', 0, value, 0, value.length);
  slabs.stamp(handle, version, 7);
  return handle;
}

/** As compaction does. */
function moveIn(slabs: EntrySlabs, handle: EntryHandle): EntryHandle {
  const moved = slabs.copy(handle);
  slabs.release(handle);
  return moved;
}

function readValue(slabs: Pick<EntrySlabs, 'read'>, handle: EntryHandle): Uint8Array {
  return slabs.read(handle, (bytes, start, end) => bytes.slice(start, end));
}

/** Runs `work` without memory for new slabs. */
function withoutMemory<T>(work: () => T): T {
  const { allocUnsafeSlow } = Buffer;
  Buffer.allocUnsafeSlow = () => {
    throw new RangeError('no memory');
  };
  try {
    return work();
  } finally {
    Buffer.allocUnsafeSlow = allocUnsafeSlow;
  }
}

describe('value slabs', () => {
  test('take entries that memory was reserved for without any more, and promise nothing else', () => {
    const promised = { yes: 0, no: 0 };
    const entry = fc.record({
      key: fc.string({ unit: 'grapheme', maxLength: 5 }),
      valueBytes: fc.nat({ max: 150 }),
    });
    fc.assert(
      fc.property(fc.nat({ max: 40 }), fc.array(entry, { maxLength: 12 }), (before, entries) => {
        const slabs = new EntrySlabs(LARGER_SLAB_BYTES);
        const handles = Array.from({ length: before }, (_, number) => append(slabs, bytesOf(number, 1)));
        const sizes = entries.map(({ key, valueBytes }) => entryBytesMax(key, valueBytes));
        const bytes = sizes.reduce((sum, size) => sum + size, 0);
        const isPromised = slabs.reserve(bytes, Math.max(0, ...sizes));
        promised[isPromised ? 'yes' : 'no']++;
        if (!isPromised) return;
        const value = new Uint8Array(150);
        withoutMemory(() => {
          for (const { key, valueBytes } of entries) handles.push(slabs.append(key, 5, value, 0, valueBytes));
        });
        slabs.checkValid(handles);
      }),
    );
    expect(Math.min(promised.yes, promised.no)).toBeGreaterThan(0);
    const slabs = new EntrySlabs(LARGER_SLAB_BYTES);
    while (slabs.memory.slabBytes < 2 * LARGER_SLAB_BYTES) append(slabs, bytesOf(50, 1));
    expect(() => withoutMemory(() => slabs.reserve(LARGER_SLAB_BYTES, 80))).toThrow(NoSlabMemory);
    expect(slabs.reserve(LARGER_SLAB_BYTES, 80)).toBe(true);
  });

  test('give back every value and version, whatever its length', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ length: fc.nat({ max: 400 }), version: fc.maxSafeNat() }), { maxLength: 60 }),
        (items) => {
          const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
          const source = new Uint8Array(1000);
          const handles = items.map(({ length, version }, number) => {
            source.fill(number);
            const handle = slabs.append('', 0, source, 7, 7 + length);
            slabs.stamp(handle, version, 7);
            return handle;
          });
          items.forEach(({ length, version }, number) => {
            expect(readValue(slabs, handles[number]!)).toEqual(bytesOf(length, number & 0xff));
            expect(slabs.versionOf(handles[number]!)).toBe(version);
          });
          slabs.checkValid(handles);
        },
      ),
    );
  });

  test('know every key they were given, of narrow and of wide units, and no other', () => {
    const key = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), key, (keys, other) => {
        const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
        const value = Buffer.from('the value');
        const handles = keys.map((name) => slabs.append(name, 0, value, 4, 9));
        handles.forEach((handle, at) => {
          slabs.stamp(handle, 2 ** 52 + at, 2 ** 32 - 1 - at);
        });
        handles.forEach((handle, at) => {
          expect(slabs.hashOf(handle, 12_345)).toBe(hashKey(keys[at]!, 12_345));
          expect(slabs.isKeyOf(handle, keys[at]!)).toBe(true);
          expect(slabs.isKeyOf(handle, other)).toBe(keys[at] === other);
          expect(slabs.isKeyOf(handle, `${keys[at]}\0`)).toBe(false);
          expect(Buffer.from(readValue(slabs, handle)).toString()).toBe('value');
        });
        const moved = handles.map((handle) => moveIn(slabs, handle));
        moved.forEach((handle, at) => {
          expect(slabs.isKeyOf(handle, keys[at]!)).toBe(true);
          expect([slabs.versionOf(handle), slabs.idOf(handle)]).toEqual([2 ** 52 + at, 2 ** 32 - 1 - at]);
          expect(Buffer.from(readValue(slabs, handle)).toString()).toBe('value');
        });
        slabs.checkValid(moved);
      }),
    );
  });

  test('tell keys apart that have their low bytes or their high bytes in common, or are one another in other widths', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const keys = [
      '\u0161\u0101',
      '\u0261\u0101',
      '\u0161\u0201',
      '\u0162\u0101',
      'a\u0101',
      '\u0101a',
      'a\x01\x01\x01',
      'aa',
    ];
    const handles = keys.map((name) => slabs.append(name, 0, bytesOf(5, 1), 0, 5));
    handles.forEach((handle, at) => {
      expect(keys.map((name) => slabs.isKeyOf(handle, name))).toEqual(keys.map((_, other) => other === at));
    });
  });

  test('hold a handle beyond 2^31 units as exactly as one below', () => {
    // What a store of more than 16 GiB has: the place in the table decides, and not how much memory there is.
    const slabs = new EntrySlabs(2 ** 33, 4096);
    append(slabs, bytesOf(100, 0));
    const places = Array.from({ length: 5 }, (_, number) =>
      append(slabs, bytesOf(4000, number), 2 ** 40 + number),
    );
    expect(places.some((handle) => handle > 2 ** 31)).toBe(true);
    places.forEach((handle, number) => {
      expect(readValue(slabs, handle)).toEqual(bytesOf(4000, number));
      expect(slabs.versionOf(handle)).toBe(2 ** 40 + number);
    });
    for (const handle of places) slabs.release(handle);
    slabs.checkValid([0]);
  });

  test('cost little when there is little in them, and grow with what is', () => {
    const slabs = new EntrySlabs();
    expect(slabs.memory).toEqual({ valueBytes: 0, slabBytes: 0 });
    append(slabs, bytesOf(1, 0));
    expect(slabs.memory).toEqual({ valueBytes: 24, slabBytes: SLAB_BYTES_MIN });
    for (let number = 0; number < 100_000; number++) {
      append(slabs, bytesOf(100, number));
      const { valueBytes, slabBytes } = slabs.memory;
      const most = Math.min(2 * valueBytes + SLAB_BYTES_MIN, 1.01 * valueBytes + SLAB_BYTES_MAX);
      if (slabBytes > most) expect({ valueBytes, slabBytes }).toBe(`at most ${most} bytes of slabs`);
    }
  });

  test('put a large value into a slab of its own, exactly as large, and give it back at once', () => {
    const slabs = new EntrySlabs();
    const handle = append(slabs, bytesOf(5_000_000, 7));
    expect(slabs.memory).toEqual({ valueBytes: 5_000_024, slabBytes: 5_000_024 });
    expect(Buffer.compare(readValue(slabs, handle), bytesOf(5_000_000, 7))).toBe(0);
    slabs.release(handle);
    expect(slabs.memory).toEqual({ valueBytes: 0, slabBytes: 0 });
  });

  test('let a slab go with the last of its values, and use its place again', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const handles = Array.from({ length: 80 }, (_, number) => append(slabs, bytesOf(20, number)));
    const before = slabs.slabBytes;
    for (const handle of handles.slice(0, 40)) slabs.release(handle);
    slabs.checkValid(handles.slice(40));
    expect(slabs.slabBytes).toBe(before / 2);
    const again = Array.from({ length: 40 }, (_, number) => append(slabs, bytesOf(20, 100 + number)));
    expect(again.every((handle) => handles.includes(handle))).toBe(true);
    handles.slice(40).forEach((handle, number) => {
      expect(readValue(slabs, handle)).toEqual(bytesOf(20, 40 + number));
    });
    again.forEach((handle, number) => {
      expect(readValue(slabs, handle)).toEqual(bytesOf(20, 100 + number));
    });
  });

  test('show a view what it saw, although its places are used again', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const handles = Array.from({ length: 40 }, (_, number) => append(slabs, bytesOf(20, number), number));
    const view = slabs.view();
    for (const handle of handles) slabs.release(handle);
    for (let number = 0; number < 80; number++) append(slabs, bytesOf(20, 200), 200);
    slabs.clear();
    for (let number = 0; number < 80; number++) append(slabs, bytesOf(20, 201), 201);
    handles.forEach((handle, number) => {
      expect(readValue(view, handle)).toEqual(bytesOf(20, number));
      expect(view.versionOf(handle)).toBe(number);
    });
  });

  test('use the memory of what is discarded again, also of many, the last first', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const kept = append(slabs, bytesOf(20, 1));
    const { valueBytes, slabBytes } = slabs.memory;
    for (let round = 0; round < 1000; round++) {
      const two = [slabs.append('', 0, bytesOf(20, 2), 0, 20), slabs.append('', 0, bytesOf(9, 3), 0, 9)];
      for (const handle of two.reverse()) slabs.discard(handle);
      const large = slabs.append('', 0, bytesOf(500, 4), 0, 500);
      slabs.discard(large);
    }
    expect(slabs.memory).toEqual({ valueBytes, slabBytes });
    expect(slabs.wasteBytes).toBe(0);
    expect(slabs.wasteMadeBytes).toBe(0);
    expect(readValue(slabs, kept)).toEqual(bytesOf(20, 1));
  });

  test('that are empty are used again, as long as they are few and no view has seen them', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const buffers = new Set<ArrayBufferLike>();
    const fill = () =>
      Array.from({ length: 16 }, () => {
        const handle = append(slabs, bytesOf(20, 1));
        slabs.read(handle, ({ buffer }) => buffers.add(buffer));
        return handle;
      });
    const release = (handles: readonly EntryHandle[]) => {
      for (const handle of handles) slabs.release(handle);
    };
    slabs.view();
    for (let round = 0; round < 50; round++) release(fill());
    expect(buffers.size).toBeLessThan(6);
    for (let round = 0; round < 50; round++) {
      const handles = fill();
      slabs.view();
      release(handles);
    }
    expect(buffers.size).toBeGreaterThan(50);
    // Many at once are not kept.
    const handles = Array.from({ length: 400 }, () => append(slabs, bytesOf(20, 1)));
    release(handles);
    expect(slabs.memory.slabBytes - slabs.slabBytes).toBeLessThanOrEqual(2 * SMALL_SLAB_BYTES);
  });

  test('have their table copied once after a view, when a slab comes or goes, and not at all without one', () => {
    const epoch = new ViewEpoch();
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES, undefined, epoch);
    // More than fit into a slab.
    const fill = () => Array.from({ length: 20 }, (_, number) => append(slabs, bytesOf(20, number)));
    let handles: EntryHandle[] = [];
    expect(arraysCopiedBy(() => (handles = fill()))).toBe(0);
    const view = slabs.view();
    expect(epoch.current).toBe(1);
    expect(arraysCopiedBy(() => slabs.discard(append(slabs, bytesOf(1, 1))))).toBe(0);
    expect(arraysCopiedBy(fill)).toBe(1);
    expect(arraysCopiedBy(fill)).toBe(0);
    expect(
      arraysCopiedBy(() => {
        for (const handle of handles) slabs.release(handle);
      }),
    ).toBe(0);
    slabs.view();
    slabs.clear();
    expect(arraysCopiedBy(fill)).toBe(0);
    // Whoever shares the clock has taken a view.
    epoch.current++;
    expect(arraysCopiedBy(fill)).toBe(1);
    handles.forEach((handle, number) => {
      expect(readValue(view, handle)).toEqual(bytesOf(20, number));
    });
  });

  test('become victims when they are the emptiest, wherever they stand in the table', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const lives = [6, 4, 4, 1, 2, 8];
    // Eight entries of 40 bytes fill a slab. New entries go into the last one.
    const handles = lives.map(() => Array.from({ length: 8 }, () => append(slabs, bytesOf(20, 1))));
    handles.forEach((inSlab, at) => {
      for (const handle of inSlab.slice(lives[at])) slabs.release(handle);
    });
    const victimsFor = (liveBytesMax: number) => {
      const reclaimed = slabs.chooseVictims(liveBytesMax);
      const victims = lives.filter((_, at) => slabs.isVictim(handles[at]![0]!));
      slabs.forgetVictims();
      return { victims, reclaimed };
    };
    expect(victimsFor(0)).toEqual({ victims: [], reclaimed: 0 });
    expect(victimsFor(40)).toEqual({ victims: [1], reclaimed: 280 });
    expect(victimsFor(41)).toEqual({ victims: [1, 2], reclaimed: 520 });
    expect(victimsFor(240)).toEqual({ victims: [4, 1, 2], reclaimed: 680 });
    expect(victimsFor(10_000)).toEqual({ victims: [6, 4, 4, 1, 2], reclaimed: 920 });
  });

  test('move the values of victims, and only those count as waste that nobody is about to reclaim', () => {
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES);
    const handles = Array.from({ length: 80 }, (_, number) => append(slabs, bytesOf(20, number), number));
    const live = handles.filter((_, number) => number % 8 < 2 || number >= 64);
    for (const handle of handles) if (!live.includes(handle)) slabs.release(handle);
    const waste = slabs.wasteBytes;
    const reclaimed = slabs.chooseVictims(SMALL_SLAB_BYTES);
    expect(reclaimed).toBeGreaterThan(0);
    const made = slabs.wasteMadeBytes;
    const moved = live.map((handle) => (slabs.isVictim(handle) ? moveIn(slabs, handle) : handle));
    expect(moved).not.toEqual(live);
    slabs.checkValid(moved);
    expect(slabs.chooseVictims(SMALL_SLAB_BYTES)).toBeGreaterThan(0);
    expect(moved.some((handle) => slabs.isVictim(handle))).toBe(true);
    slabs.forgetVictims();
    expect(moved.some((handle) => slabs.isVictim(handle))).toBe(false);
    expect(slabs.wasteMadeBytes).toBe(made);
    expect(slabs.wasteBytes).toBe(waste - reclaimed);
    moved.forEach((handle, at) => {
      const number = handles.indexOf(live[at]!);
      expect(readValue(slabs, handle)).toEqual(bytesOf(20, number));
      expect(slabs.versionOf(handle)).toBe(number);
    });
  });

  test('have the pages of the next slab made ahead, when slabs have their largest size', () => {
    const populated: Uint8Array[] = [];
    const slabs = new EntrySlabs(SMALL_SLAB_BYTES, 64, undefined, (bytes) => populated.push(bytes));
    const handles: EntryHandle[] = [];
    const slabOfNext = () => {
      handles.push(append(slabs, bytesOf(20, 1)));
      return slabs.read(handles.at(-1)!, (bytes) => bytes);
    };
    while (populated.length === 0) expect(slabOfNext().length).toBeLessThanOrEqual(SMALL_SLAB_BYTES);
    expect(slabOfNext().length).toBe(SMALL_SLAB_BYTES);
    const before = slabs.memory.slabBytes;
    const current = slabOfNext();
    let next = current;
    while (next === current) next = slabOfNext();
    // The next slab is the one that was ready, and another one is made ready.
    expect(next).toBe(populated[0]);
    expect(populated).toHaveLength(2);
    expect(slabs.memory.slabBytes).toBe(before + SMALL_SLAB_BYTES);
    slabs.checkValid(handles);
  });
});
