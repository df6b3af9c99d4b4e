// What does an index cost: puts of new users and of new values for them, with an index, with a unique one and with none;
// and how fast is an index built over a million entries, and how long does each slice keep the event loop?

import { msgpack, open } from '../../dist/index.js';
import { GROUP_PUTS, ORDERS } from './workload.js';

const PUTS = 200_000;
const BUILT_ENTRIES = 1_000_000;
const ONE_INDEX = {
  plain: (index) => index((user) => user.age),
  unique: (index) => index.unique((user) => user.email),
};

export const title = 'indexes: puts with one index against none, and building one over 1 M entries';

const userAt = (number, version) => ({
  name: `name ${number}`,
  email: `user-${number}@${version}.example.com`,
  age: (number * 7919 + version) % 100_003,
  isActive: true,
});

const keyAt = (number) => `user-${number}`;

/** Returns the options of a namespace with one index, or with none. */
function optionsOf(kind) {
  const define = ONE_INDEX[kind];
  return { valueEncoding: msgpack(), ...(define && { indexes: (index) => ({ by: define(index) }) }) };
}

/** Puts a user at each key, in groups that are durable one after the other. Returns puts in a second. */
async function putAll(users, count, orderOf, version) {
  const start = performance.now();
  for (let from = 0; from < count; from += GROUP_PUTS) {
    let last;
    const end = Math.min(from + GROUP_PUTS, count);
    for (let at = from; at < end; at++) {
      const number = orderOf(at);
      last = users.put(keyAt(number), userAt(number, version));
    }
    await last;
  }
  return (count * 1000) / (performance.now() - start);
}

/** Calls onTurn with the time since the last turn of the event loop, until the returned function is called. */
function watchTurns(onTurn) {
  let isOver = false;
  let last = performance.now();
  const turn = () => {
    const now = performance.now();
    onTurn(now - last);
    last = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    isOver = true;
  };
}

export const steps = {
  async put({ directory, kind, count }) {
    const db = await open(directory, { autoCheckpoint: false });
    const users = db.namespace('users', optionsOf(kind));
    const orderOf = ORDERS.random(count);
    const perSecond = [await putAll(users, count, orderOf, 1), await putAll(users, count, orderOf, 2)];
    await db.close();
    return { perSecond };
  },

  async build({ directory, kind, count }) {
    const db = await open(directory, { autoCheckpoint: false });
    await putAll(db.namespace('users', optionsOf('none')), count, ORDERS.random(count), 1);
    let longestMs = 0;
    const stop = watchTurns((ms) => {
      longestMs = Math.max(longestMs, ms);
    });
    const start = performance.now();
    await db.namespace('users', optionsOf(kind)).ready;
    const perSecond = (count * 1000) / (performance.now() - start);
    stop();
    await db.close();
    return { perSecond, longestMs };
  },
};

export async function round({ run, directory, scaled }) {
  const puts = {};
  for (const kind of ['none', 'plain', 'unique'])
    puts[kind] = (
      await run('put', { directory: `${directory}-${kind}`, kind, count: scaled(PUTS) })
    ).perSecond;
  const rows = ['put of a new key', 'put of another value'].flatMap((name, at) =>
    Object.keys(ONE_INDEX).map((kind) => ({
      name: `${name}, one index (${kind}) over none`,
      value: puts[kind][at] / puts.none[at],
      goal: '≥ 0.6',
    })),
  );
  for (const kind of Object.keys(ONE_INDEX)) {
    const place = `${directory}-build-${kind}`;
    const { perSecond, longestMs } = await run('build', {
      directory: place,
      kind,
      count: scaled(BUILT_ENTRIES),
    });
    rows.push(
      { name: `build (${kind}), entries/s`, value: perSecond, goal: '≥ 400000' },
      { name: `build (${kind}), longest turn in ms`, value: longestMs, goal: '≤ 8' },
    );
  }
  return rows;
}
