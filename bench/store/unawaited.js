// What becomes of a program that never awaits? Ten million puts in one loop, over a thousand keys: the memory it takes
// is then that of what is on its way to the disk.

import { keyAt, openStore, secondsOf, valueAt } from './workload.js';

const PUTS = 10_000_000;
const KEYS = 1000;
const KIB = 1024;
const MB = 1e6;

export const title = 'unawaited: ten million puts in one loop that never awaits, over 1,000 keys';
export const isLarge = true;

export const steps = {
  async loop({ directory, puts }) {
    const db = await openStore(directory);
    let loopSeconds = 0;
    const seconds = await secondsOf(async () => {
      loopSeconds = await secondsOf(() => {
        for (let turn = 0; turn < puts; turn++) db.put(keyAt(turn % KEYS), valueAt(turn));
      });
      await db.flush();
    });
    const { blockingDrains } = db.stats().journal;
    const rssMax = process.resourceUsage().maxRSS * KIB;
    await db.close();
    return { loopSeconds, seconds, blockingDrains, rssMax };
  },
};

export async function round({ run, directory, scaled }) {
  const puts = scaled(PUTS);
  const { loopSeconds, seconds, blockingDrains, rssMax } = await run('loop', { directory, puts });
  return [
    { name: 'highest RSS, MB', value: rssMax / MB },
    { name: 'the loop, s', value: loopSeconds },
    { name: 'until all is durable, s', value: seconds },
    { name: 'blocking drains', value: blockingDrains },
    { name: 'puts/s', value: puts / seconds },
  ];
}
