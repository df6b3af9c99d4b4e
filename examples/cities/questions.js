// @ts-check
// Questions to the store: ranges, prefixes and counts. Each answer says how long it took.

import { countries, named, ofCountry, ofCountryBetween } from './cities.js';
import { whole } from './figures.js';

/**
 * @typedef {import('./cities.js').City} City
 * @typedef {import('keelson').Reads<string, City>} Cities
 */

/** @type {readonly (readonly [question: string, answer: (db: Cities) => string])[]} */
const QUESTIONS = [
  ['How many countries?', (db) => whole([...countries(db)].length)],
  [
    'The cities of Iceland, in name order',
    (db) => `${list(db.values({ ...ofCountry('IS'), limit: 4 }), byName)} … ${count(db, ofCountry('IS'))}`,
  ],
  [
    'The same from the other end',
    (db) => list(db.values({ ...ofCountry('IS'), reverse: true, limit: 4 }), byName),
  ],
  [
    'German cities from K to L',
    (db) => {
      const range = ofCountryBetween('DE', 'K', 'L');
      return `${list(db.values({ ...range, limit: 4 }), byName)} … ${count(db, range)}`;
    },
  ],
  ['Places in the US named Springfield', (db) => whole(db.count(named('US', 'Springfield')))],
  ['The largest of France', (db) => list(largest(db.values(ofCountry('FR')), 3), byPopulation)],
  ['The largest of the world', (db) => list(largest(db.values(), 5), byPopulation)],
];

/**
 * Returns the questions with their answers and times.
 *
 * @param {Cities} db
 * @returns {string[]}
 */
export function answers(db) {
  return QUESTIONS.map(([question, answer]) => {
    const startedMs = performance.now();
    const answered = answer(db);
    const tookMs = performance.now() - startedMs;
    return `  ${question}  (${tookMs.toFixed(1)} ms)\n    ${answered}`;
  });
}

/**
 * Returns the largest cities of `range`. There is no index by population, so this reads every value in the range.
 *
 * @param {Iterable<City>} range
 * @param {number} howMany
 */
function largest(range, howMany) {
  /** @type {City[]} */
  const top = [];
  for (const city of range) {
    if (top.length === howMany && city.population <= top[howMany - 1].population) continue;
    top.push(city);
    top.sort((a, b) => b.population - a.population);
    top.length = Math.min(top.length, howMany);
  }
  return top;
}

/**
 * @param {Cities} db
 * @param {import('keelson').KeyRange<string>} range
 */
const count = (db, range) => `(${whole(db.count(range))} in all)`;

/** @param {City} city */
const byName = ({ name }) => name;

/** @param {City} city */
const byPopulation = ({ name, population }) => `${name} ${whole(population)}`;

/**
 * @param {Iterable<City>} range
 * @param {(city: City) => string} show
 */
const list = (range, show) => Array.from(range, show).join(', ');
