// @ts-check
// Deletes streams, and removes what belongs to those that have expired. Messages stay while a fork needs them.

import { presentStream, WITHOUT_WAITING } from './store.js';

/**
 * @typedef {import('./store.js').Owner} Owner
 * @typedef {import('./store.js').Store} Store
 */

/** Deletes a stream. It stays as one that is gone while it has forks. */
export function remove(/** @type {Store} */ store, /** @type {string} */ path) {
  const stream = presentStream(store.streams.get(path));
  store.db.transaction((tx) => {
    tx.in(store.streams).put(path, { ...stream, isGone: true });
    collect(store, tx, [path, stream.id]);
  }, WITHOUT_WAITING);
}

/** Removes what belongs to expired streams: first those of the time before, then each when it expires. */
export async function removeExpired(/** @type {Store} */ store) {
  // From here on, the feed misses nothing.
  const changes = store.streams.changes();
  collectEach(store, store.owners.keys());
  for await (const group of changes)
    for (const change of group.changes)
      if (change.type === 'delete' && change.cause === 'expired')
        collectEach(store, store.owners.keys({ prefix: [change.key] }));
}

function collectEach(/** @type {Store} */ store, /** @type {Iterable<Owner>} */ owners) {
  for (const owner of [...owners]) store.db.transaction((tx) => collect(store, tx, owner), WITHOUT_WAITING);
}

/**
 * Removes what belongs to a stream that nobody can read any more, and then the same for its source.
 *
 * @param {Store} store
 * @param {import('keelson').Transaction<string, unknown>} tx
 * @param {Owner} owner
 */
function collect(store, tx, owner) {
  const [path, id] = owner;
  const [streams, owners, forks] = [tx.in(store.streams), tx.in(store.owners), tx.in(store.forks)];
  // By now the path may have another stream.
  const stream = streams.get(path);
  const isThere = stream?.id === id;
  if ((isThere && !stream.isGone) || forks.count({ prefix: [id] }) > 0) return;
  const source = owners.get(owner);
  if (isThere) streams.delete(path);
  owners.delete(owner);
  tx.in(store.messages).clear({ prefix: [id] });
  tx.in(store.producers).clear({ prefix: [id] });
  if (!source) return;
  forks.delete([source[1], id]);
  collect(store, tx, source);
}
