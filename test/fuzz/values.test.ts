// Values as bytes that were put together wrongly: lengths, types and nesting that lie. A value, or KEELSON_DECODE; and
// the next value is read as if nothing had been.

import assert from 'node:assert/strict';
import { inspect, isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMsgpack, encodeMsgpack } from '../kv/encoded.js';
import { codeOf, runs } from './fuzz-tools.js';

/** A length as its header says it, and how much more or less than what follows. */
interface Node {
  readonly head: number;
  readonly lengthLie: number;
  readonly type: number;
  readonly children: readonly Node[];
  readonly leaf: Uint8Array;
}

const HEADS = {
  array: [0xdc, 0xdd],
  map: [0xde, 0xdf],
  ext: [0xc7, 0xc8, 0xc9],
  bin: [0xc4, 0xc5, 0xc6],
  str: [0xd9, 0xda, 0xdb],
};
const ARRAYS_AND_MAPS: readonly number[] = [...HEADS.array, ...HEADS.map];

const lengthLie = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(255, 65_535, 2 ** 32 - 1),
);
const leaf = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.constantFrom('01', 'c0', 'a161', 'c70001', 'cb7ff8000000000000').map((hex) => Buffer.from(hex, 'hex')),
);

function nodeOf(children: fc.Arbitrary<readonly Node[]>): fc.Arbitrary<Node> {
  const head = fc.constantFrom(...Object.values(HEADS).flat());
  const type = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.nat(255));
  return fc.record({ head, lengthLie, type, children, leaf });
}

const LEVELS_MAX = 5;
function treeOf(levels: number): fc.Arbitrary<Node> {
  const flat = nodeOf(fc.constant([]));
  if (levels === 1) return flat;
  return fc.oneof(flat, nodeOf(fc.array(treeOf(levels - 1), { maxLength: 3 })));
}

const tree = treeOf(LEVELS_MAX);

function bytesOf({ head, lengthLie: lie, type, children, leaf: own }: Node): Uint8Array {
  const contents = Buffer.concat([...children.map(bytesOf), own]);
  const isCounted = ARRAYS_AND_MAPS.includes(head);
  const width = lengthWidth(head);
  const truth = isCounted ? children.length + (own.length === 0 ? 0 : 1) : contents.length;
  const header = Buffer.alloc(5);
  header[0] = head;
  header.writeUIntBE(Math.max(0, truth + lie) % 256 ** width, 1, width);
  const isExtension = HEADS.ext.includes(head);
  return Buffer.concat([header.subarray(0, 1 + width), Buffer.from(isExtension ? [type] : []), contents]);
}

function lengthWidth(head: number): number {
  if (ARRAYS_AND_MAPS.includes(head)) return HEADS.array[0] === head || HEADS.map[0] === head ? 2 : 4;
  return [HEADS.ext, HEADS.bin, HEADS.str].flatMap((heads) =>
    heads.includes(head) ? [2 ** heads.indexOf(head)] : [],
  )[0]!;
}

const WHOLE = { depth: null, maxArrayLength: null, maxStringLength: null };

const GOOD = {
  a: [new Map<unknown, unknown>([[1n, new Set([undefined, -0])]])],
  at: new Date(5),
  bytes: Buffer.from('xyz'),
};
const GOOD_BYTES = encodeMsgpack(GOOD);

describe('a value whose lengths, types and nesting lie', () => {
  test('is another value or KEELSON_DECODE, and leaves the next one alone', () => {
    const counts = { values: 0, refused: 0 };
    fc.assert(
      fc.property(tree, (node) => {
        const bytes = bytesOf(node);
        const code = codeOf(() => decodeMsgpack(bytes));
        assert(code === null || code === 'KEELSON_DECODE', `${code}`);
        if (code === null) counts.values++;
        else counts.refused++;
        assert(
          isDeepStrictEqual(decodeMsgpack(GOOD_BYTES), GOOD),
          'a good value is read differently afterwards',
        );
      }),
      runs(3000),
    );
    expect(Math.min(counts.values, counts.refused)).toBeGreaterThan(20);
  });

  test('shares no memory with the bytes it was read from', () => {
    fc.assert(
      fc.property(tree, (node) => {
        const bytes = new Uint8Array(bytesOf(node));
        let value: unknown;
        if (codeOf(() => (value = decodeMsgpack(bytes))) !== null) return;
        const before = inspect(value, WHOLE);
        bytes.fill(0xc1);
        assert.equal(inspect(value, WHOLE), before);
      }),
      runs(500),
    );
  });

  // What it takes is bounded by the square of what is read and by nothing less: the library makes room for as many items
  // as an array claims, up to the length of the input, and an array may claim that in every third byte. So a value of a
  // few kilobytes cannot harm; a crafted one of megabytes can end the process. Checksums keep accidents out; who can
  // write files of a store can do worse. This is why a store from somebody else is not to be opened unseen.
  test('makes room for no more items than the square of its bytes, and is refused', () => {
    for (const [header, length] of [
      ['dc0fff', 3],
      ['dd00000fff', 5],
    ] as const) {
      const bytes = Buffer.from(header.repeat(Math.floor(4000 / length)), 'hex');
      const itemsMax = (bytes.length / length) * 4096;
      const items = itemsMadeRoomFor(() => expect(codeOf(() => decodeMsgpack(bytes))).toBe('KEELSON_DECODE'));
      expect(items).toBeGreaterThan(itemsMax / 2);
      expect(items).toBeLessThanOrEqual(itemsMax);
    }
  });
});

/** Sums up the lengths of the arrays that are made with one. */
function itemsMadeRoomFor(run: () => void): number {
  let items = 0;
  const original = globalThis.Array;
  globalThis.Array = new Proxy(original, {
    construct(target, [length, ...more]: unknown[]) {
      if (typeof length === 'number' && more.length === 0) items += length;
      return Reflect.construct(target, [length, ...more]) as object;
    },
  });
  try {
    run();
  } finally {
    globalThis.Array = original;
  }
  return items;
}
