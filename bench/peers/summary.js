// From what was measured to what is said: medians with their spread, ratios round by round, goals reached or not. Pure.
//
// `results` is what results.json holds: { machine, options, trials: [{ name, entries, stores: { name: { figure: rounds } },
// failures }] }, where `rounds` has one value a round, null for one that failed.

import { ratios, spread } from './statistics.js';
import { STORES } from './stores.js';
import { TRIALS } from './trials.js';

export const trialNamed = (name) => TRIALS.find((trial) => trial.name === name);

/** The rounds of a store's figure; null for a store that did not take part. */
const roundsOf = ({ stores }, store, figure) => stores[store]?.[figure] ?? null;

/** A goal with what came of it: `{ of, figure, over, atLeast | atMost, median, lowest, highest, isReached }`. */
function judged(result, { of = 'keelson', ...goal }) {
  const ours = roundsOf(result, of, goal.figure);
  const theirs = goal.over === undefined ? null : roundsOf(result, goal.over, goal.figure);
  const isMissing = ours === null || (goal.over !== undefined && theirs === null);
  const values = isMissing ? null : spread(theirs === null ? ours : ratios(ours, theirs));
  if (values === null) return { of, ...goal, median: null, lowest: null, highest: null, isReached: false };
  const isReached = goal.atLeast === undefined ? values.median <= goal.atMost : values.median >= goal.atLeast;
  return { of, ...goal, ...values, isReached };
}

function summaryOf(result, { entries, large }) {
  const { title, figures, goals, durability, note } = trialNamed(result.name);
  const rows = Object.entries(result.stores).map(([store, measured]) => ({
    store,
    figures: Object.fromEntries(figures.map((figure) => [figure, spread(measured[figure] ?? [])])),
  }));
  return {
    name: result.name,
    title,
    entries: result.entries,
    isMain: result.entries === entries,
    durability,
    note,
    figures,
    rows,
    // Goals are set for the size that all trials share, and for more than one short round.
    goals: result.entries === entries && !large ? goals.map((goal) => judged(result, goal)) : [],
    failures: result.failures,
  };
}

/**
 * Returns how many times as much an operation costs at a size than at the one before it, at worst; null if nothing was
 * measured at two sizes that follow each other.
 */
function steepestStep(costsUs) {
  const steps = costsUs
    .slice(1)
    .flatMap((cost, at) => (cost === null || costsUs[at] === null ? [] : [cost / costsUs[at]]));
  return steps.length === 0 ? null : Math.max(...steps);
}

/** The trials in which a size is varied: the cost of an operation in µs, for each store at each size. */
function costsBySize(summaries) {
  const names = [...new Set(summaries.filter(({ isMain }) => !isMain).map(({ name }) => name))];
  return names.map((name) => {
    const ofTrial = summaries
      .filter((summary) => summary.name === name)
      .sort((a, b) => a.entries - b.entries);
    const stores = [...new Set(ofTrial.flatMap(({ rows }) => rows.map(({ store }) => store)))];
    return {
      name,
      title: ofTrial[0].title,
      sizes: ofTrial.map(({ entries }) => entries),
      stores: stores.map((store) => {
        const costsUs = ofTrial.map(({ rows }) => {
          const perSecond = rows.find((row) => row.store === store)?.figures.perSecond;
          return perSecond ? 1e6 / perSecond.median : null;
        });
        return { store, costsUs, steepest: steepestStep(costsUs) };
      }),
    };
  });
}

/** Refuses results with trials or stores that are unknown here: the page would describe them wrongly. */
function requireKnown({ name, stores }) {
  const unknown =
    trialNamed(name) === undefined ? name : Object.keys(stores).find((store) => !(store in STORES));
  if (unknown !== undefined)
    throw new Error(
      `The results are those of another version of this benchmark: it has no '${unknown}'. Run it again`,
    );
}

export function summarize({ options, trials }) {
  trials.forEach(requireKnown);
  const summaries = trials.map((result) => summaryOf(result, options));
  return { trials: summaries, costs: costsBySize(summaries) };
}
