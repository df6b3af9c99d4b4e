// Which entries the transactions of the benchmark take, and which changes it expects of them. Nothing is written to a disk here.

import { expect, test } from 'vitest';
import { changesBefore, countingChange, placesIn } from './peers.js';

const ENTRIES = 1000;
const TURNS = 5000;

test('without conflicts, all transactions in a round through the entries take other entries', () => {
  const placesOf = placesIn(ENTRIES);
  const places = Array.from({ length: ENTRIES / 2 }, (_, turn) => placesOf(turn)).flat();
  expect(places.toSorted((a, b) => a - b)).toEqual(Array.from({ length: ENTRIES }, (_, place) => place));
  expect(placesOf(ENTRIES / 2)).toEqual(placesOf(0));
});

test('one transaction in a hundred takes an entry of the one before it, and no other does', () => {
  const placesOf = placesIn(ENTRIES, 100);
  const shared = Array.from({ length: TURNS }, (_, turn) => turn).filter(
    (turn) => turn > 0 && placesOf(turn).some((place) => placesOf(turn - 1).includes(place)),
  );
  expect(shared).toEqual(Array.from({ length: TURNS / 100 }, (_, at) => at * 100 + 99));
});

test.each([undefined, 3, 100])('a transaction takes two entries, also with a conflict in %s', (every) => {
  const placesOf = placesIn(ENTRIES, every);
  for (let turn = 0; turn < TURNS; turn++) expect(new Set(placesOf(turn)).size).toBe(2);
});

test('the changes that are expected are those that were made', () => {
  const placesOf = placesIn(10, 3);
  const values = Array.from({ length: 10 }, () => ({ logins: 0 }));
  const change = countingChange();
  for (let turn = 0; turn < 70; turn++) for (const place of placesOf(turn)) change(values[place]!);
  expect(change.calls).toBe(140);
  expect([...changesBefore(70, 10, placesOf)]).toEqual(values.map(({ logins }) => logins));
});
