// @ts-check
// What a store keeps of its caller's strings: each of them is a small part of a string of 4 MB, which V8 keeps whole for as
// long as the part is held. Prints, for every way in, how many MiB are held afterwards.
//
//     node --expose-gc kept-strings.js <directory>

import { open } from 'keelson';

const directory = String(process.argv[2]);
const PARTS = 20;

/** @param {string} name @param {number} at */
const part = (name, at) =>
  Buffer.alloc(4e6, `${name} ${at} `)
    .toString('latin1')
    .slice(at, at + 40);
/** @param {string} name @param {number} at */
const widePart = (name, at) =>
  Buffer.alloc(4e6, `${name} ${at} é→ `)
    .toString('utf8')
    .slice(at, at + 40);

const memory = () => {
  for (let time = 0; time < 3; time++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** @type {Record<string, number>} */
const held = {};

/** @param {string} way @param {(at: number) => unknown} run */
async function keep(way, run) {
  const before = memory();
  for (let at = 0; at < PARTS; at++) await run(at);
  held[way] = (memory() - before) / 2 ** 20;
}

/** @type {string[]} */
const control = [];
await keep('held by the program', (at) => control.push(part('control', at)));
control.length = 0;

const db = await open(directory);
await keep('put', (at) => db.put(part('put', at), at));
await keep('put of a key above U+00FF', (at) => db.put(widePart('wide', at), at));
await keep('batch', (at) => db.batch([{ type: 'put', key: part('batch', at), value: at }]));
await keep('put again', (at) => db.put(part('put', at), at));
await keep('delete', (at) => db.delete(part('put', at)));
await keep('clear', (at) => db.clear({ gte: part('batch', at), lte: part('batch', at) }));
await keep('read', (at) => [
  db.get(part('no', at)),
  db.count({ prefix: part('no', at) }),
  [...db.keys({ gt: part('no', at) })],
]);
await keep('value', (at) => db.put(`value ${at}`, [part('value', at)]));
await keep('property', async (at) => {
  const value = { [part('property', at)]: at };
  for (let time = 0; time < 5; time++) await db.put('shaped', value);
});
await keep('property of a Proxy', async (at) => {
  const name = part('proxy', at);
  const value = new Proxy(
    {},
    {
      ownKeys: () => [name],
      getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
      get: (_, asked) => (asked === name ? 1 : undefined),
    },
  );
  for (let time = 0; time < 5; time++) await db.put('shaped', value);
});
await keep('error', async (at) => {
  try {
    await db.put(part('error', at), () => part('error', at));
  } catch {}
});
// The log of writes that an open transaction keeps had the keys of callers. A batch of two is linked by itself.
let end = () => {};
const transaction = db.transaction(async (tx) => {
  tx.count();
  await new Promise((resolve) => {
    end = () => resolve(null);
  });
});
await keep('put beside a transaction', (at) => db.put(part('beside', at), at));
await keep('batch beside a transaction', (at) =>
  db.batch([
    { type: 'put', key: part('batch beside', at), value: at },
    { type: 'put', key: widePart('wide batch beside', at), value: at },
  ]),
);
await keep('delete beside a transaction', (at) => db.delete(part('beside', at)));
await keep('clear beside a transaction', (at) => {
  const key = part('batch beside', at);
  return db.clear({ gte: key, lte: key });
});
await keep('clear from a key on', (at) => db.clear({ gte: widePart('wide batch beside', at) }));
end();
await transaction;
await db.checkpoint();
for (let at = 0; at < PARTS; at++) await db.put(part('replayed', at), at);
await db.close();
const opened = memory();
const again = await open(directory);
held['load and replay'] = (memory() - opened) / 2 ** 20;
await again.close();

console.log(JSON.stringify(held));
process.exit(0);
