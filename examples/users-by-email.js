// @ts-check
// Users that are found by their e-mail address: a unique index. Two people register with one address at the same time, and
// only one of them gets it, though each registration waits in its middle.

import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isKeelsonError, msgpack, open } from 'keelson';

const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'users-by-email-'));
const db = await open(directory);

/** @typedef {{ name: string, email: string, joined: number }} User */

/** Users by their ids. Addresses are compared in lower case. */
const users = await db.namespace('users', {
  valueEncoding: /** @type {typeof msgpack<User>} */ (msgpack)(),
  indexes: (index) => ({
    byEmail: index.unique((user) => user.email.toLowerCase()),
    byJoined: index((user) => user.joined),
  }),
}).ready;

/**
 * Registers a user, and resolves with the id when that is durable. Rejects with KEELSON_UNIQUE for a taken address.
 *
 * @param {string} name
 * @param {string} email
 */
async function register(name, email) {
  return db.transaction(async (tx) => {
    // Hashing a password, or asking a service, takes a while.
    await setTimeout(10);
    const id = `user-${db.nextId()}`;
    tx.in(users).put(id, { name, email, joined: tx.now });
    return id;
  });
}

/** Returns the user with an address, or undefined. */
function findByEmail(/** @type {string} */ email) {
  return users.indexes.byEmail.get(email.toLowerCase());
}

const results = await Promise.allSettled([
  register('Ada', 'Ada@example.com'),
  register('An impostor', 'ada@example.com'),
  register('Bob', 'bob@example.com'),
]);
for (const result of results) {
  if (result.status === 'fulfilled') console.log('registered');
  else if (isKeelsonError(result.reason, 'KEELSON_UNIQUE')) console.log(`refused: ${result.reason.message}`);
  else throw result.reason;
}

console.log('by e-mail:', findByEmail('ADA@example.com')?.name);
console.log(
  'newest first:',
  [...users.indexes.byJoined.values({ reverse: true })].map(({ name }) => name).join(', '),
);

// A change of address keeps the index right, in one write.
const key = users.indexes.byEmail.getKey('bob@example.com');
const bob = key === undefined ? undefined : users.get(key);
if (key !== undefined && bob !== undefined) await users.put(key, { ...bob, email: 'robert@example.com' });
console.log(
  'old address:',
  findByEmail('bob@example.com'),
  '· new address:',
  findByEmail('robert@example.com')?.name,
);

await db.close();
await fs.rm(directory, { recursive: true });
