// @ts-check
// The parent's ledger: the cities that the store owes. Kept apart from the store, and compared with it.

import { isDeepStrictEqual } from 'node:util';
import { cities, keyOf } from './cities.js';

/** The cities that the store owes, because it has acknowledged them. */
export class Ledger {
  /** 1 for each city that the store owes, by index. */
  #isOwed = new Uint8Array(cities.length);
  #owed = 0;

  /** Returns the number of cities that the store owes. */
  get owed() {
    return this.#owed;
  }

  /**
   * Notes that the store owes a city.
   *
   * @param {number} place
   */
  add(place) {
    if (this.#isOwed[place] === 1) return;
    this.#isOwed[place] = 1;
    this.#owed++;
  }

  /**
   * Looks up every city. Throws if an owed city is missing, if a city has another value, or if the store has an entry
   * that was never put. A city may be there without having been acknowledged: its put was in flight when the importer
   * died. From now on the store owes it as well. Returns the number of these cities.
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
 * Returns the error for a broken promise, with some of the cities concerned.
 *
 * @param {string} what
 * @param {import('./cities.js').City[]} which
 */
function broken(what, which) {
  const examples = which.slice(0, 5).map((city) => JSON.stringify(keyOf(city)));
  return new Error([`THE STORE BROKE ITS PROMISE: ${what}`, ...examples].join('\n  '));
}
