// Seeded random numbers, the only source of chance on the simulated disk. One seed gives one history, so that one
// failure among a million states can be replayed alone.

/** Returns one 32-bit seed for several numbers. The same numbers in the same order give the same seed. */
export function mixSeeds(...parts: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const part of parts) {
    // Both 32-bit halves count, so that seeds above 2^32 give different results.
    for (const half of [part >>> 0, Math.floor(part / 2 ** 32) >>> 0]) {
      hash = Math.imul(hash ^ half, 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
      hash ^= hash >>> 16;
    }
  }
  return hash >>> 0;
}

/** Random number generator (sfc32). Fast and good enough for tests; never for secrets. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = mixSeeds(seed, 1);
    this.#b = mixSeeds(seed, 2);
    this.#c = mixSeeds(seed, 3);
    for (let round = 0; round < 8; round += 1) this.uint32();
  }

  /** Returns an integer in [0, 2^32). */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Returns an integer in [0, limit). */
  below(limit: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * limit);
  }

  /** Returns true with this probability. */
  chance(probability: number): boolean {
    return this.uint32() < probability * 2 ** 32;
  }

  /** Returns one of `items`. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Returns `length` random bytes. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.uint32() >>> 24;
    return bytes;
  }
}
