// @ts-check
// An event-sourced shopping cart. Commands append events to one store. A projection in another store follows them by the change
// feed, applies each event once, and is built anew when its version changes. Checked on a simulated disk that crashes.
//
//     node examples/cart.js
//
// The projection stores the id of its last event with what the event has changed. So it finds its place in any snapshot.

import assert from 'node:assert/strict';
import { isKeelsonError, msgpack, tuple } from 'keelson';
import { simulateCrashes } from 'keelson/testing';

/**
 * @typedef {{ cart: string, n: number, type: 'added' | 'ordered', item: string }} CartEvent An order has no item.
 * @typedef {import('keelson').Store<string, unknown>} Store
 * @typedef {[id: number, event: CartEvent][]} Events
 */

/** The events of all carts, and the commands that append them. */
export class Carts {
  constructor(/** @type {Store} */ db) {
    this.db = db;
    /** @type {import('keelson').KeyType<[id: number]>} */
    const keyEncoding = tuple();
    /** @type {import('keelson').ValueType<CartEvent>} */
    const valueEncoding = msgpack();
    this.events = db.namespace('events', {
      keyEncoding,
      valueEncoding,
      indexes: (index) => ({ byCart: index.unique((event) => [event.cart, event.n]) }),
    });
  }

  /** Appends an event in the turn in which its command was decided. Resolves with its LSN when it is durable. */
  #append(/** @type {string} */ cart, /** @type {'added' | 'ordered'} */ type, item = '') {
    const n = this.events.indexes.byCart.count({ prefix: [cart] });
    return this.events.put([this.db.nextId()], { cart, n, type, item });
  }

  async add(/** @type {string} */ cart, /** @type {string} */ item) {
    await this.events.ready;
    return this.#append(cart, 'added', item);
  }

  /** Orders what is in a cart. Rejects when it is empty. */
  async order(/** @type {string} */ cart) {
    await this.events.ready;
    const [last] = this.events.indexes.byCart.values({ prefix: [cart], reverse: true, limit: 1 });
    if (last?.type !== 'added') throw new Error(`The cart ${cart} is empty`);
    return this.#append(cart, 'ordered');
  }
}

/** What is in each cart, and how often each item was ordered. */
export class Projection {
  /**
   * @param {Store} db A store for projections only.
   * @param {Carts} source
   * @param {number} version Increase it with each change of #project().
   */
  constructor(db, source, version) {
    this.db = db;
    this.source = source;
    // A restored backup has another id, and may lack events that were projected.
    this.prefix = `v${version}:${source.db.id}:`;
    /** @type {import('keelson').ValueType<number>} */
    const numbers = msgpack();
    /** @type {import('keelson').ValueType<string[]>} */
    const items = msgpack();
    this.cursors = db.namespace(`${this.prefix}cursors`, { valueEncoding: numbers });
    this.carts = db.namespace(`${this.prefix}carts`, { valueEncoding: items });
    this.sales = db.namespace(`${this.prefix}sales`, { valueEncoding: numbers });
  }

  /** Follows the events until the signal is aborted or, without a signal, up to the last one. */
  async follow(/** @type {AbortSignal | undefined} */ signal) {
    for (let isDone = false; !isDone; ) {
      const snapshot = this.source.db.snapshot();
      const feed = this.source.events.changes({ since: snapshot.lsn, live: signal !== undefined, signal });
      try {
        // A projection must not be ahead of the events that a power cut would leave.
        await this.source.db.flush(snapshot.lsn);
        const events = snapshot.in(this.source.events).entries({ gt: [this.cursors.get('event') ?? 0] });
        for (const [[id], event] of events) await this.#project([[id, event]]);
        const old = this.db.namespaces().filter((name) => !name.startsWith(this.prefix));
        for (const name of old) await this.db.drop(this.db.namespace(name));
        snapshot.close();
        for await (const { changes } of feed)
          await this.#project(
            changes.flatMap((one) => (one.type === 'put' ? [[one.key[0], one.value]] : [])),
          );
        isDone = true;
      } catch (error) {
        // Too far behind for the journal: it goes on from another snapshot.
        if (!isKeelsonError(error, 'KEELSON_HISTORY_GONE')) throw error;
      } finally {
        snapshot.close();
        await feed.return();
      }
    }
  }

  /** Need not wait for the disk: what a power cut takes back, it takes back with the cursor. */
  async #project(/** @type {Events} */ events) {
    const apply = (/** @type {import('keelson').Transaction<string, unknown>} */ tx) => {
      const [carts, sales] = [tx.in(this.carts), tx.in(this.sales)];
      for (const [id, { type, cart, item }] of events) {
        const items = carts.get(cart) ?? [];
        if (type === 'added') carts.put(cart, [...items, item]);
        else for (const one of items) sales.put(one, (sales.get(one) ?? 0) + 1);
        if (type === 'ordered') carts.delete(cart);
        tx.in(this.cursors).put('event', id);
      }
    };
    await this.db.transaction(apply, { durability: 'memory' });
    await this.db.drained();
  }
}

/** Follows all events that there are, and compares the projection with them. */
async function check(/** @type {Carts} */ source, /** @type {Store} */ db, /** @type {number} */ version) {
  const view = new Projection(db, source, version);
  await view.follow(undefined);
  const added = [...source.events.values()].filter(({ type }) => type === 'added').length;
  const shown = [...view.carts.values()].flat().length + [...view.sales.values()].reduce((a, b) => a + b, 0);
  assert.equal(shown, added);
  assert(db.namespaces().every((name) => name.startsWith(view.prefix)));
}

const { states } = await simulateCrashes({
  seed: 1,
  states: 300,
  workload: async ({ open, note }) => {
    const [carts, views] = [new Carts(await open('/events')), await open('/views')];
    const stop = new AbortController();
    const following = new Projection(views, carts, 1).follow(stop.signal);
    for (const item of ['tea', 'milk', 'tea']) note(await carts.add('ann', item));
    note(await carts.order('ann'));
    stop.abort();
    await following;
    note(await carts.add('bob', 'tea'));
    await check(carts, views, 2);
  },
  check: async ({ open, notes }) => {
    const [carts, views] = [new Carts(await open('/events')), await open('/views')];
    assert(carts.events.size >= notes.length, 'an acknowledged event is lost');
    for (const version of [1, 2]) await check(carts, views, version);
  },
});
console.log(`${states} crashes: no event was lost, and each was projected once.`);
