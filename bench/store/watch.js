// What do watches cost the puts beside them? Puts, 1,000 in flight and durable, over 100,000 keys: with nobody watching, with
// 1,000 watches of other keys, with 1,000 watches of other ranges, and with one watch of the whole store that is read. Slices
// of each kind take turns in one process, and each is compared with the slice before it where nobody watches. Puts are counted
// by the second of processor time, because other programs take from the time on the clock.

import { keyAt, median, openStore, randomNumbers, valueAt } from './workload.js';

const KEYS = 100_000;
const PUTS_PER_SLICE = 50_000;
const WINDOW = 1000;
const WATCHES = 1000;
const SLICES = 5;

export const title =
  'watch: durable puts by the second of processor time beside watches, and the ratio to puts that nobody watches';

/** Begins watches, which wait for a change when this resolves. Returns the function that ends them. */
async function waiting(watches) {
  await Promise.all(watches.map((watch) => watch.next()));
  const steps = watches.map((watch) => watch.next());
  return async () => {
    await Promise.all([...watches.map((watch) => watch.return()), ...steps]);
  };
}

/** Reads all states of a watch. Returns the function that ends it. */
function reading(watch) {
  const done = (async () => {
    for await (const state of watch) state.entries({ limit: 10 }).next();
  })();
  return async () => {
    await watch.return();
    await done;
  };
}

const numbers = (count) => Array.from({ length: count }, (_, at) => at);

/** For each kind of slice, a function that begins watches, and returns the function that ends them. */
const KINDS = {
  '1,000 watches of other keys': (db) => waiting(numbers(WATCHES).map((at) => db.watch(`other ${at}`))),
  '1,000 watches of other ranges': (db) =>
    waiting(numbers(WATCHES).map((at) => db.watchRange({ prefix: `other ${String(at).padStart(4, '0')}` }))),
  'one watch of everything, which is read': (db) => reading(db.watchRange()),
};

/** Returns the puts of one slice by the second of processor time. */
async function slice(db, next) {
  const start = process.cpuUsage();
  for (let done = 0; done < PUTS_PER_SLICE; done += WINDOW) {
    const puts = [];
    for (let at = 0; at < WINDOW; at++) puts.push(db.put(keyAt(next()), valueAt(at)));
    await Promise.all(puts);
  }
  const { user, system } = process.cpuUsage(start);
  return PUTS_PER_SLICE / ((user + system) / 1e6);
}

export const steps = {
  async slices({ directory, slices }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    const next = randomNumbers(KEYS);
    await slice(db, next);
    await slice(db, next);
    const free = [];
    const taken = Object.entries(KINDS).map(([name, begin]) => ({ name, begin, speeds: [], ratios: [] }));
    for (let turn = 0; turn < slices; turn++) {
      for (const kind of taken) {
        const before = await slice(db, next);
        const end = await kind.begin(db);
        // The first states of ranges are views, and the first writes behind a view copy what it shows.
        await slice(db, next);
        const speed = await slice(db, next);
        await end();
        free.push(before);
        kind.speeds.push(speed);
        kind.ratios.push(speed / before);
      }
    }
    await db.close();
    return {
      free: median(free),
      kinds: taken.map(({ name, speeds, ratios }) => ({
        name,
        speed: median(speeds),
        ratio: median(ratios),
      })),
    };
  },
};

export async function round({ run, directory, scaled }) {
  const { free, kinds } = await run('slices', { directory, slices: scaled(SLICES) });
  return [
    { name: 'nobody watches, puts', value: free },
    ...kinds.flatMap(({ name, speed, ratio }) => [
      { name: `${name}, puts`, value: speed },
      { name: `${name}, ratio`, value: ratio },
    ]),
  ];
}
