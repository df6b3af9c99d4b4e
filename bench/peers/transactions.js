// Transactions that read two entries and put both again, with another count of logins: which entries they take, and what a
// store must hold afterwards.

/**
 * Returns a function from the number of a turn to the places of its two entries among the `entries`. After all entries the
 * same ones come again. One turn in `conflictEvery` takes the first entry of the turn before, which is still in flight.
 */
export function placesIn(entries, conflictEvery = Infinity) {
  return (turn) => {
    const isConflict = turn % conflictEvery === conflictEvery - 1;
    return [(2 * (isConflict ? turn - 1 : turn)) % entries, (2 * turn + 1) % entries];
  };
}

/** Makes a function that changes a value as each transaction does, and counts its calls. */
export function countingChange() {
  const change = (value) => {
    change.calls++;
    value.logins++;
  };
  change.calls = 0;
  return change;
}

/** Returns how often each of the places was changed in the turns before `next`, each of which is acknowledged. */
export function changesBefore(next, entries, placesOf) {
  const changes = new Uint32Array(entries);
  for (let turn = 0; turn < next; turn++) for (const place of placesOf(turn)) changes[place]++;
  return changes;
}
