// @ts-check
// The parent's books: what the store owes, kept apart from the store, and checked against it value for value.

import { isDeepStrictEqual } from 'node:util';
import { cities, keyOf } from './cities.js';

export class Ledger {
  /** By the place of a city: 1 when the store has promised to have it. */
  #isOwed = new Uint8Array(cities.length);
  #owed = 0;

  /** How many cities the store owes. */
  get owed() {
    return this.#owed;
  }

  /** @param {number} place */
  add(place) {
    if (this.#isOwed[place] === 1) return;
    this.#isOwed[place] = 1;
    this.#owed++;
  }

  /**
   * Looks up every city there is. Throws when one is missing that is owed, when any comes back changed, and when there is
   * something nobody put. What is there without having been acknowledged is fine: its put was on its way, and made it. But
   * from now on it is owed, too, for it has been seen. Returns how many those were.
   *
   * @param {import('keelson').Reads<string, import('./cities.js').City> & { readonly size: number }} db
   */
  check(db) {
    const lost = [];
    const changed = [];
    let present = 0;
    let unexpected = 0;
    for (const [place, city] of cities.entries()) {
      const found = db.get(keyOf(city));
      if (found === undefined) {
        if (this.#isOwed[place] === 1) lost.push(city);
        continue;
      }
      present++;
      if (!isDeepStrictEqual(found, city)) changed.push(city);
      if (this.#isOwed[place] === 0) unexpected++;
      this.add(place);
    }
    if (lost.length > 0) throw broken(`${lost.length} acknowledged cities are lost`, lost);
    if (changed.length > 0) throw broken(`${changed.length} cities came back changed`, changed);
    if (present !== db.size) throw broken(`${db.size - present} entries are there that nobody put`, []);
    return unexpected;
  }
}

/**
 * @param {string} what
 * @param {import('./cities.js').City[]} which
 */
function broken(what, which) {
  const examples = which.slice(0, 5).map((city) => JSON.stringify(keyOf(city)));
  return new Error([`THE STORE BROKE ITS PROMISE: ${what}`, ...examples].join('\n  '));
}
