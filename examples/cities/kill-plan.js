// @ts-check
// When each importer dies. Drawn from a seed that is printed, so that a run can be had again (as far as two processes
// on one machine can be).

/**
 * `opening`: as soon as it begins to open the store. `importing`: when `at` cities are in. `checkpoint`: when `at` cities
 * are in, it begins a checkpoint, and dies `later` acknowledgements after that.
 *
 * @typedef {{ when: 'opening' | 'importing' | 'checkpoint', at: number, later: number }} Kill
 */

/** @type {readonly Kill['when'][]} */
const KINDS = [...Array(2).fill('opening'), ...Array(8).fill('importing'), ...Array(2).fill('checkpoint')];

/** No death is planned for the last part: what is on its way when an importer dies gets in as well. */
const PART_WITH_KILLS = 0.85;
const LATER_MAX = 2_000;

/**
 * @param {number} seed
 * @param {number} total How many cities there are.
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
 * Mulberry32: small, and good enough to choose with.
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
