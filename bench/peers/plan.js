// What is run, in which order: rounds over trials over stores, so that a change of the machine meets all rivals alike. Pure.

import { featureOf, preparedAs, STORES } from './stores.js';
import { TRIALS, VOLATILE_ENTRIES_MAX } from './trials.js';

const SIZES = [10_000, 100_000];
const LARGE_SIZE = 10_000_000;

/** Of the time that is measured, before it: compiled code, and a store as it is in use. */
const WARM_UP_SHARE = 0.4;

/** A process, its modules, the keys, a copy of the store, and the checks: seconds, roughly. */
const OVERHEAD_SECONDS = 0.5;
const FILLED_PER_SECOND = 150_000;

/** The trials that the options choose, once for each number of entries: `{ trial, entries }`. */
function chosen({ quick, large, only, entries }) {
  const isChosen = ({ name, isFullOnly, isInSizes }) =>
    only === null ? !(quick && isFullOnly) && !(large && !isInSizes) : name === only;
  return TRIALS.filter(isChosen).flatMap((trial) => {
    const sizes = [entries];
    if (trial.isInSizes && !quick) sizes.push(...SIZES.filter((size) => size < entries));
    if (trial.isInSizes && large && LARGE_SIZE > entries) sizes.push(LARGE_SIZE);
    return sizes.map((size) => ({ trial, entries: size }));
  });
}

/** Who keeps nothing is filled in each process anew, which takes longer than the rest: not in a quick run. */
const takesPart = (store, entries, { quick }) =>
  !STORES[store].isVolatile || (!quick && entries <= VOLATILE_ENTRIES_MAX);

/** Each round begins with another store. */
const rotated = (items, by) => [...items.slice(by % items.length), ...items.slice(0, by % items.length)];

/** Returns the name under which a filled store is kept. */
function preparedName(store, { values, feature }, entries) {
  const has = featureOf(store, feature);
  return `${preparedAs(store)}-${values}-${entries}${has === undefined ? '' : `-${has}`}`;
}

/**
 * `{ cases, preparations, runs, seconds }`: the trials and sizes, the stores to fill, the measurements in their order. The
 * stores that are `absent` take no part.
 */
export function planOf(options, absent = []) {
  const cases = chosen(options).map(({ trial, entries }) => ({
    trial,
    entries,
    stores: trial.stores.filter((store) => takesPart(store, entries, options) && !absent.includes(store)),
  }));
  const preparations = new Map();
  for (const { trial, entries, stores } of cases) {
    for (const store of trial.isPrepared ? stores : []) {
      const { values, feature } = trial.parameters;
      const name = preparedName(store, trial.parameters, entries);
      if (!STORES[store].isVolatile)
        preparations.set(name, {
          name,
          store: preparedAs(store),
          values,
          entries,
          feature: featureOf(store, feature),
        });
    }
  }
  const runs = Array.from({ length: options.rounds }, (_, round) =>
    cases.flatMap(({ trial, entries, stores }) =>
      rotated(stores, round).map((store) => runOf(options, { trial, entries, store, round })),
    ),
  ).flat();
  return {
    cases,
    preparations: [...preparations.values()],
    runs,
    seconds: estimate(options, preparations, runs),
  };
}

function runOf({ seconds }, { trial, entries, store, round }) {
  const { measurement, durability = 'D', parameters } = trial;
  const isOnDisk = trial.isPrepared === true && !STORES[store].isVolatile;
  return {
    trial: trial.name,
    entries,
    store,
    round,
    prepared: isOnDisk ? preparedName(store, parameters, entries) : null,
    isCopied: isOnDisk && trial.isWriting === true,
    measurement,
    options: { store, entries, durability, ...parameters, warmUpSeconds: seconds * WARM_UP_SHARE, seconds },
  };
}

function estimate({ seconds }, preparations, runs) {
  const filled = [...preparations.values()].reduce((sum, { entries }) => sum + entries, 0);
  const filledInRuns = runs.filter(
    ({ measurement, prepared, options }) =>
      measurement === 'load' || (STORES[options.store].isVolatile && prepared === null),
  );
  const inRuns = filledInRuns.reduce((sum, { entries }) => sum + entries, 0);
  return (
    runs.length * (seconds * (1 + WARM_UP_SHARE) + OVERHEAD_SECONDS) + (filled + inRuns) / FILLED_PER_SECOND
  );
}
