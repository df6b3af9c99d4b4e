// Does a checkpoint stall the event loop? A thousand puts in flight all the time, with a checkpoint going on and without.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { keyAt, ORDERS, openStore, putInGroups, randomNumbers, secondsOf, valueAt } from './workload.js';

const ENTRIES = 1_000_000;
const IN_FLIGHT = 1000;

/** Puts before anything is measured: compiled code, and a heap as it stays. */
const WARM_UP_PUTS = 200_000;
const WARM_UP_POLL_MS = 10;

/** A delay is in the histogram only after the timer that met it has fired. */
const LAST_DELAY_MS = 5;

export const title = 'stall: puts of random keys of 1 M, 1,000 in flight, while a checkpoint goes on';

export const steps = {
  /** For as long as a checkpoint takes, or for `seconds` without one. */
  async puts({ directory, entries, warmUpPuts, seconds }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    await putInGroups(db, entries, ORDERS.ascending(entries));

    const random = randomNumbers(entries);
    let puts = 0;
    let isOver = false;
    const putOneByOne = async () => {
      for (; !isOver; puts++) await db.put(keyAt(random()), valueAt(puts));
    };
    const writers = Array.from({ length: IN_FLIGHT }, putOneByOne);
    while (puts < warmUpPuts) await setTimeout(WARM_UP_POLL_MS);

    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    await setTimeout(LAST_DELAY_MS);
    delays.reset();
    const putsBefore = puts;
    const measured = await secondsOf(() =>
      seconds === undefined ? db.checkpoint() : setTimeout(seconds * 1000),
    );
    const putsMeasured = puts - putsBefore;
    await setTimeout(LAST_DELAY_MS);
    const delayMs = delays.max / 1e6;

    isOver = true;
    await Promise.all(writers);
    await db.close();
    return { seconds: measured, delayMs, perSecond: putsMeasured / measured };
  },
};

export async function round({ run, directory, scaled }) {
  const options = { entries: scaled(ENTRIES), warmUpPuts: scaled(WARM_UP_PUTS) };
  const busy = await run('puts', { ...options, directory: `${directory}/with` });
  const quiet = await run('puts', { ...options, directory: `${directory}/without`, seconds: busy.seconds });
  return [
    {
      name: 'longest event-loop delay with a checkpoint, ms',
      value: busy.delayMs,
      goal: '≤ 8, or the ratio',
    },
    { name: 'longest event-loop delay without, ms', value: quiet.delayMs },
    { name: 'ratio of the delays', value: busy.delayMs / quiet.delayMs, goal: '≤ 1.1' },
    { name: 'puts/s with a checkpoint', value: busy.perSecond },
    { name: 'puts/s without', value: quiet.perSecond },
    { name: 'ratio of the puts/s', value: busy.perSecond / quiet.perSecond, goal: '≥ 0.9' },
    { name: 'the checkpoint, s', value: busy.seconds },
  ];
}
