// @ts-check
// A life that is killed: writes entries that expire, lets its clock jump, looks, removes and checkpoints, and says each thing as a
// fact of test/kv/expiry-facts.ts, one JSON line each.
//
//     node expiry-writer.js <directory> <engine> <seed> <time> <first value>

import fs from 'node:fs';
import { open } from 'keelson';
import { randomFrom } from './lines.js';

const [directory = '', engine, seed, time, firstValue] = process.argv.slice(2);
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const NEVER = Number.MAX_SAFE_INTEGER;
const random = randomFrom(Number(seed));
let now = Number(time);
let values = Number(firstValue);

/** @param {object} fact */
const note = (fact) => fs.writeSync(1, `${JSON.stringify(fact)}\n`);

const db = await open(directory, {
  engine: /** @type {'fs'} */ (engine),
  clock: () => now,
  valueEncoding: 'json',
  checkpointBytesMin: 4096,
});
note({ type: 'opened' });
for (;;) {
  const key = KEYS[random(KEYS.length)] ?? '';
  const kind = random(12);
  if (kind < 6) {
    const ttl = random(3) > 0 ? 1 + random(100) : null;
    note({ type: 'write', key, value: ++values, expiresAt: ttl === null ? NEVER : now + ttl });
    db.put(key, values, ttl === null ? {} : { ttl }).catch(() => {});
  } else if (kind < 7) {
    note({ type: 'write', key, value: null, expiresAt: NEVER });
    db.delete(key).catch(() => {});
  } else if (kind < 9) {
    now = Math.max(1, now + random(90) - (random(4) === 0 ? 120 : 0));
    note({ type: 'clock', now });
  } else if (kind < 10) {
    for (const each of KEYS) if (db.get(each) === undefined) note({ type: 'gone', key: each });
    note({ type: 'write', key: 'f', value: ++values, expiresAt: NEVER });
    db.put('f', values).catch(() => {});
  } else if (kind < 11) {
    await db.flush();
    note({ type: 'durable' });
  } else if (random(4) === 0) await db.checkpoint();
  else await db.expireNow();
}
