// A permutation of numbers that looks random, computed without a table.

const FACTORS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35];

/**
 * Returns a function from the number of a turn to a number below `count` (at most 2 ** 30). The first `count` turns give
 * every number once, in an order that looks random and is the same in every run. A shuffled array would take memory,
 * which some trials measure. The function permutes the next power of two, and again until the result is below `count`.
 */
export function randomOrder(count) {
  const bits = Math.max(2, Math.ceil(Math.log2(count)));
  const mask = 2 ** bits - 1;
  const half = bits >> 1;
  const mix = (number) => {
    let mixed = number;
    for (const factor of FACTORS) {
      mixed = Math.imul(mixed, factor) & mask;
      mixed ^= mixed >>> half;
    }
    return mixed;
  };
  return (turn) => {
    let number = mix(turn);
    while (number >= count) number = mix(number);
    return number;
  };
}
