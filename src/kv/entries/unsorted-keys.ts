// New keys in the order of their arrival, which are sorted when they are needed. Replay puts keys here that do not ascend.
// Sorting them misses the cache less often than searching the tree for each: a replay of random keys runs 1.3 to 1.4 times
// as fast (`npm run bench:paired -- --only replay`). Pure.
//
// Each key becomes one number: a code of its first units in the high 29 bits, and its place in the list in the low 24 bits.
// The code counts in a mixed radix: the radix at each place is the range of the keys' units there, so units that all
// keys share take no bits. V8 sorts a Float64Array without calling JavaScript. Keys with equal codes are sorted
// afterwards.

import type { IndexKey } from '../encoding/key-encoding.js';

const PLACE_BITS = 24;
const PLACE_WEIGHT = 2 ** PLACE_BITS;
const CODES_MAX = 2 ** (53 - PLACE_BITS);
/** Limit of the keys: a place has PLACE_BITS bits. */
export const UNSORTED_KEYS_MAX = PLACE_WEIGHT;

/** Limit of the units of a key that its code may count. */
const CODED_UNITS_MAX = 64;

/** The keys in a chunk, 2 to this power. One long list would be copied as it grows: 70 ms for a million keys. */
const CHUNK_BITS = 12;
const CHUNK_KEYS = 2 ** CHUNK_BITS;

/** Numbers that are sorted or merged, or keys that are looked at, between two yields: about a millisecond. */
const SLICE_KEYS = 2 ** 14;

/** A key that has its code in common with others takes about as long as so many that do not. */
const TIED_KEYS_COST = 8;
/** The most keys with one code that are sorted by insertion. V8 takes long for each call of sort() with a function. */
const INSERTED_KEYS_MAX = 32;

/** How the code of a key is made: the lowest unit and the weight at each place. */
interface Coding {
  readonly lowest: readonly number[];
  readonly weights: readonly number[];
}

/** Keys with their values, in any order, none of them twice. */
export class UnsortedKeys<V> {
  readonly #keys: IndexKey[][] = [];
  readonly #values: V[][] = [];
  readonly #sliceKeys: number;
  #size = 0;

  /** Tests give a small number of keys in a slice. */
  constructor(sliceKeys = SLICE_KEYS) {
    this.#sliceKeys = sliceKeys;
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the key that was added after `place` others. */
  keyAt(place: number): IndexKey {
    return this.#keys[place >>> CHUNK_BITS]![place % CHUNK_KEYS]!;
  }

  /** Returns the value of the key that was added after `place` others. */
  valueAt(place: number): V {
    return this.#values[place >>> CHUNK_BITS]![place % CHUNK_KEYS]!;
  }

  /** Adds a key that is not there. There must be fewer than UNSORTED_KEYS_MAX. */
  add(key: IndexKey, value: V): void {
    const chunk = this.#size >>> CHUNK_BITS;
    if (chunk === this.#keys.length) {
      this.#keys.push([]);
      this.#values.push([]);
    }
    this.#keys[chunk]!.push(key);
    this.#values[chunk]!.push(value);
    this.#size++;
  }

  /** Returns the places of the keys in the order of their code units. Yields between slices of the work. */
  *sorted(): Generator<void, Float64Array, void> {
    const numbers = yield* this.#numbered(yield* this.#coding());
    const inOrder = yield* this.#sort(numbers);
    return yield* this.#withoutCodes(inOrder);
  }

  /** Finds the range of the units at each place. */
  *#coding(): Generator<void, Coding, void> {
    const lowest: number[] = [];
    const highest: number[] = [];
    let shortest = Number.POSITIVE_INFINITY;
    for (let at = 0; at < this.#size; at++) {
      if (at % this.#sliceKeys === 0) yield;
      const key = this.keyAt(at);
      if (key.length < shortest) shortest = key.length;
      const units = Math.min(key.length, CODED_UNITS_MAX);
      while (lowest.length < units) {
        lowest.push(Number.POSITIVE_INFINITY);
        highest.push(0);
      }
      for (let place = 0; place < units; place++) {
        const unit = key.charCodeAt(place);
        if (unit < lowest[place]!) lowest[place] = unit;
        if (unit > highest[place]!) highest[place] = unit;
      }
    }
    const radices = lowest.map((low, place) => {
      // A key that has ended is below all keys that go on, so it needs a digit of its own: zero.
      if (place >= shortest) lowest[place] = low - 1;
      return highest[place]! - lowest[place]! + 1;
    });
    return { lowest, weights: weightsOf(radices) };
  }

  /** Makes the number of each key. */
  *#numbered({ lowest, weights }: Coding): Generator<void, Float64Array, void> {
    const numbers = new Float64Array(this.#size);
    for (let at = 0; at < numbers.length; at++) {
      if (at % this.#sliceKeys === 0) yield;
      const key = this.keyAt(at);
      const units = Math.min(key.length, weights.length);
      let code = 0;
      for (let place = 0; place < units; place++)
        code += (key.charCodeAt(place) - lowest[place]!) * weights[place]!;
      numbers[at] = code * PLACE_WEIGHT + at;
    }
    return numbers;
  }

  /** Sorts slices, and merges them. */
  *#sort(numbers: Float64Array): Generator<void, Float64Array, void> {
    const { length } = numbers;
    for (let start = 0; start < length; start += this.#sliceKeys) {
      numbers.subarray(start, start + this.#sliceKeys).sort();
      yield;
    }
    let from = numbers;
    let to: Float64Array = new Float64Array(length);
    for (let width = this.#sliceKeys; width < length; width *= 2) {
      for (let start = 0; start < length; start += 2 * width)
        yield* this.#merge(
          from,
          to,
          start,
          Math.min(start + width, length),
          Math.min(start + 2 * width, length),
        );
      [from, to] = [to, from];
    }
    return from;
  }

  /** Merges `from[start, middle)` and `from[middle, end)`, each in order. */
  *#merge(
    from: Float64Array,
    to: Float64Array,
    start: number,
    middle: number,
    end: number,
  ): Generator<void, void, void> {
    let [low, high] = [start, middle];
    for (let at = start; at < end; at++) {
      if (at % this.#sliceKeys === 0) yield;
      const isLow = low < middle && (high === end || from[low]! < from[high]!);
      to[at] = isLow ? from[low++]! : from[high++]!;
    }
  }

  /** Removes the codes from sorted numbers, and sorts the keys of equal codes. */
  *#withoutCodes(numbers: Float64Array): Generator<void, Float64Array, void> {
    let start = 0;
    let tied = 0;
    for (let at = 0; at < numbers.length; at++) {
      if (at % this.#sliceKeys === 0) yield;
      const code = Math.floor(numbers[at]! / PLACE_WEIGHT);
      numbers[at]! -= code * PLACE_WEIGHT;
      const isLast = at + 1 === numbers.length || Math.floor(numbers[at + 1]! / PLACE_WEIGHT) !== code;
      if (!isLast) continue;
      if (at > start) {
        this.#sortKeys(numbers, start, at + 1);
        tied += at - start;
      }
      start = at + 1;
      if (tied * TIED_KEYS_COST < this.#sliceKeys) continue;
      tied = 0;
      yield;
    }
    return numbers;
  }

  /** Sorts places by their keys: `places[start, end)`, by insertion where they are few. */
  #sortKeys(places: Float64Array, start: number, end: number): void {
    if (end - start > INSERTED_KEYS_MAX) {
      places.subarray(start, end).sort((one, other) => (this.keyAt(one) < this.keyAt(other) ? -1 : 1));
      return;
    }
    for (let next = start + 1; next < end; next++) {
      const place = places[next]!;
      const key = this.keyAt(place);
      let at = next;
      for (; at > start && key < this.keyAt(places[at - 1]!); at--) places[at] = places[at - 1]!;
      places[at] = place;
    }
  }
}

/** Returns the weight of each place. Places for which a code has no room are left out. */
function weightsOf(radices: readonly number[]): number[] {
  let codes = 1;
  let places = 0;
  while (places < radices.length && codes * radices[places]! <= CODES_MAX) codes *= radices[places++]!;
  return radices.slice(0, places).map((radix) => {
    codes /= radix;
    return codes;
  });
}
