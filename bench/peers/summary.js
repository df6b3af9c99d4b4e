// From what was measured to what is said: medians with their spread, ratios round by round, goals reached or not. Pure.
//
// `results` is what results.json holds: { machine, options, trials: [{ name, entries, stores: { name: { figure: rounds } },
// failures }] }, where `rounds` has one value a round, null for one that failed.

import { bestOf, ratios, spread } from './statistics.js';
import { familyOf } from './stores.js';
import { FIGURES, TRIALS } from './trials.js';

export const trialNamed = (name) => TRIALS.find((trial) => trial.name === name);

/** The rounds of a store's figure: of all its configurations the best, round by round. */
function familyRounds({ stores }, family, figure) {
  const configurations = Object.keys(stores)
    .filter((store) => familyOf(store) === family)
    .flatMap((store) => (stores[store][figure] === undefined ? [] : [stores[store][figure]]));
  return configurations.length === 0 ? null : bestOf(configurations, FIGURES[figure].isLessBetter);
}

/** A goal with what came of it: `{ figure, over, atLeast | atMost, median, lowest, highest, isReached }`. */
function judged(result, goal) {
  const ours = familyRounds(result, 'keelson', goal.figure);
  const theirs = goal.over === undefined ? null : familyRounds(result, goal.over, goal.figure);
  const isMissing = ours === null || (goal.over !== undefined && theirs === null);
  const values = isMissing ? null : spread(theirs === null ? ours : ratios(ours, theirs));
  if (values === null) return { ...goal, median: null, lowest: null, highest: null, isReached: false };
  const isReached = goal.atLeast === undefined ? values.median <= goal.atMost : values.median >= goal.atLeast;
  return { ...goal, ...values, isReached };
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

/** How many times as much an operation costs at a size than at the one before it, at worst. */
function steepestStep(costsUs) {
  const steps = costsUs
    .slice(1)
    .map((cost, at) => (cost === null || costsUs[at] === null ? 0 : cost / costsUs[at]));
  return Math.max(...steps);
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

export function summarize({ options, trials }) {
  const summaries = trials.map((result) => summaryOf(result, options));
  return { trials: summaries, costs: costsBySize(summaries) };
}
