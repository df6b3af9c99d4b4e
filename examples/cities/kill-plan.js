// @ts-check
// The plan of kills. It follows from a seed, which is printed, so that a run can be repeated (as far as the timing of
// two processes can).

/**
 * One kill. `opening`: when the importer starts to open the store. `importing`: when `at` cities are in.
 * `checkpoint`: the importer begins a checkpoint when `at` cities are in, and is killed `later` acknowledgements
 * after that.
 *
 * @typedef {{ when: 'opening' | 'importing' | 'checkpoint', at: number, later: number }} Kill
 */

/** @type {readonly Kill['when'][]} */
const KINDS = [...Array(2).fill('opening'), ...Array(8).fill('importing'), ...Array(2).fill('checkpoint')];

/**
 * Part of the cities in which kills are planned. The last part has none, because puts in flight at a kill get in as
 * well.
 */
const PART_WITH_KILLS = 0.85;
const LATER_MAX = 2_000;

/**
 * Returns the kills in the order in which they happen.
 *
 * @param {number} seed
 * @param {number} total Number of cities.
 * @returns {Kill[]}
 */
export function planKills(seed, total) {
  const random = randomFrom(seed);
  const left = [...KINDS];
  const kinds = KINDS.map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
  const points = kinds.map(() => Math.floor(random() * PART_WITH_KILLS * total)).sort((a, b) => a - b);
  return kinds.map((when, nth) => ({ when, at: points[nth], later: Math.floor(random() * LATER_MAX) }));
}

/**
 * Returns a random number generator (Mulberry32), small and good enough for choices.
 *
 * @param {number} seed
 */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
