// @ts-check
// A life that is killed: writes entries with and without deadlines to a store and two namespaces, while two feeds tell its
// changes. Its clock jumps ahead. It says what told-lines.js lists.
//
//     node feed-owner.js <directory> <engine> <seed> <time> <LSN to follow from> <first value>

import { open } from 'keelson';
import { randomFrom, say } from './lines.js';
import { brief } from './told-lines.js';

const [directory = '', engine, seed, time, since, firstValue] = process.argv.slice(2);
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const LIVES_MS = 100;
/** Values of this length fill a segment soon. */
const LONG = 60_000;
const random = randomFrom(Number(seed));
let now = Number(time);
let values = Number(firstValue);

const db = await open(directory, {
  engine: /** @type {'fs'} */ (engine),
  clock: () => now,
  checkpointBytesMin: 2 ** 20,
});
say('opened', db.lastLsn);
tell('told', db.changes({ since: Number(since) }));
tell('told one', db.namespace('one').changes({ since: Number(since) }));
/** @type {Promise<void>[]} */
const inFlight = [];
for (;;) {
  if (random(6) === 0) {
    now += random(60);
    say('clock', now);
  }
  const before = db.lastLsn;
  const written = write();
  if (db.lastLsn > before) {
    say('wrote', db.lastLsn);
    inFlight.push(written.then((lsn) => void say('durable', lsn)));
  }
  if (inFlight.length > 8 || random(10) === 0) await Promise.all(inFlight.splice(0));
  if (random(60) === 0) await db.expireNow();
  if (random(1000) === 0) await db.checkpoint();
}

/** @param {string} what @param {AsyncIterable<object>} feed */
async function tell(what, feed) {
  for await (const group of feed) say(what, brief(JSON.stringify(group)));
}

/** @returns {Promise<number>} */
function write() {
  const target = random(2) === 0 ? db : db.namespace(random(2) === 0 ? 'one' : 'two');
  const key = KEYS[random(KEYS.length)] ?? '';
  const value = `${++values} ${'x'.repeat(random(50) === 0 ? LONG : random(30))}`;
  const life = { ttl: 1 + random(LIVES_MS) };
  switch (random(14)) {
    case 0:
      return target.delete(key);
    case 1:
      return target.clear({ gte: 'c', lt: 'e' });
    case 2:
      return random(4) === 0 ? db.drop('two') : target.delete(key);
    case 3:
      return target.touch(key, random(3) === 0 ? { expiresAt: Number.POSITIVE_INFINITY } : life);
    case 4:
      return db.batch([
        { type: 'put', key, value, ...life },
        { type: 'put', key, value, namespace: db.namespace('one') },
        { type: 'delete', key: 'a' },
      ]);
    case 5:
      return db.transaction((tx) => {
        tx.put(key, `${tx.in(db.namespace('one')).get(key)}`.slice(0, 9), life);
        tx.in(db.namespace('two')).put(key, value);
      });
    default:
      return target.put(key, value, random(3) === 0 ? {} : life);
  }
}
