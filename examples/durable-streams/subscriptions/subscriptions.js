// @ts-check
// Subscriptions: who is told that streams have grown, and how far each has acknowledged them.
//
// A wake begins when a stream has grown behind what is acknowledged. There is one at a time. Its number, the generation,
// fences whoever still works on an older one. A lease is an entry with a time to live: while it is there, somebody works
// on the wake. Each change is one transaction of one turn, so nothing comes between, and a crash leaves it whole or not
// at all.

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { positionOf } from '../requests.js';
import { WITHOUT_WAITING } from '../store.js';
import { isMatch, refused } from './config.js';

/**
 * @typedef {import('../store.js').Store} Store
 * @typedef {import('./config.js').Config} Config
 * @typedef {import('./config.js').Report} Report
 * @typedef {{ isGlob: boolean, isExplicit: boolean, acked: number }} Link `acked`: a position, or -1 before the first byte.
 * @typedef {{ id: string, holder: string | null, tails: [path: string, tail: number, acked: number][] }} Wake
 * @typedef {object} Subscription
 * @property {Config} config
 * @property {string} createdAt
 * @property {number} generation
 * @property {Wake | null} wake
 * @property {boolean} isFailing The last webhook did not get through.
 * @typedef {ReturnType<typeof viewOf>} View
 */

/** Streams have paths below this one. The server's own, such as those of subscriptions, are in a folder of it. */
export const ROOT = '/v1/stream/';
export const RESERVED = `${ROOT}__ds`;

/** Returns the path of a subscription. */
export const urlOf = (/** @type {string} */ id) => `${RESERVED}/subscriptions/${encodeURIComponent(id)}`;

/** Returns the path of a stream below the root, or `undefined` for any other. */
export const belowRoot = (/** @type {string} */ path) =>
  path.startsWith(ROOT) ? path.slice(ROOT.length) : undefined;

/** Returns the namespaces as a transaction sees them. */
function viewOf(
  /** @type {Store} */ store,
  /** @type {import('keelson').Transaction<string, unknown>} */ tx,
) {
  const [streams, subscriptions] = [tx.in(store.streams), tx.in(store.subscriptions)];
  return { streams, subscriptions, links: tx.in(store.links), leases: tx.in(store.leases) };
}

/**
 * Runs changes as one, at once. What they refuse, they leave as it was.
 *
 * @template T
 * @param {Store} store
 * @param {(view: View) => T} change
 */
export const atOnce = (store, change) =>
  store.db.transaction((tx) => change(viewOf(store, tx)), WITHOUT_WAITING);

/** Returns a subscription. Refuses with 404. */
export function presentSubscription(
  /** @type {Pick<View, 'subscriptions'> | Store} */ { subscriptions },
  /** @type {string} */ id,
) {
  const subscription = subscriptions.get(id);
  if (subscription === undefined)
    throw refused(404, 'SUBSCRIPTION_NOT_FOUND', 'There is no such subscription');
  return subscription;
}

function tailOf(/** @type {View | Store} */ { streams }, /** @type {string} */ path) {
  const stream = streams.get(ROOT + path);
  return stream === undefined || stream.isGone ? 0 : stream.tail;
}

/** Lists the streams of a subscription. */
export function linkedStreams(/** @type {View | Store} */ view, /** @type {string} */ id) {
  return Array.from(view.links.entries({ prefix: [id] }), ([[, path], link]) => {
    const tail = tailOf(view, path);
    return { path, ...link, tail, isPending: tail > Math.max(link.acked, 0) };
  });
}

/** Creates a subscription, or finds one that was created in the same way. Returns whether it is new. */
export function subscribe(/** @type {View} */ view, /** @type {string} */ id, /** @type {Config} */ config) {
  const existing = view.subscriptions.get(id);
  if (existing !== undefined) {
    if (isDeepStrictEqual(existing.config, config)) return false;
    throw refused(409, 'SUBSCRIPTION_ALREADY_EXISTS', 'The subscription was created in another way');
  }
  const createdAt = new Date().toISOString();
  view.subscriptions.put(id, { config, createdAt, generation: 0, wake: null, isFailing: false });
  linkExplicitly(view, id, config.streams);
  if (config.pattern === null) return true;
  for (const key of view.streams.keys({ prefix: ROOT })) {
    const path = key.slice(ROOT.length);
    if (isMatch(config.pattern, path)) link(view, id, path, { isGlob: true }, tailOf(view, path));
  }
  return true;
}

/** Adds streams to a subscription. It is told of what they get from now on. */
export function linkExplicitly(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {readonly string[]} */ paths,
) {
  presentSubscription(view, id);
  for (const path of paths) link(view, id, path, { isExplicit: true }, tailOf(view, path));
}

/** Takes an explicit stream from a subscription. It stays if the pattern has it. */
export function unlinkExplicitly(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {string} */ path,
) {
  presentSubscription(view, id);
  const found = view.links.get([id, path]);
  if (found?.isGlob) view.links.put([id, path], { ...found, isExplicit: false });
  else view.links.delete([id, path]);
}

function link(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {string} */ path,
  /** @type {Partial<Link>} */ kind,
  /** @type {number} */ acked,
) {
  const before = view.links.get([id, path]) ?? { isGlob: false, isExplicit: false, acked };
  view.links.put([id, path], { ...before, ...kind });
}

/** Removes a subscription, if it is there. */
export function unsubscribe(/** @type {View} */ view, /** @type {string} */ id) {
  view.subscriptions.delete(id);
  view.links.clear({ prefix: [id] });
  view.leases.delete(id);
}

/** Follows a stream that has grown or is gone. */
export function follow(/** @type {View} */ view, /** @type {string} */ id, /** @type {string} */ path) {
  const { config, wake } = presentSubscription(view, id);
  const stream = view.streams.get(ROOT + path);
  if (stream === undefined || stream.isGone) return void view.links.delete([id, path]);
  const linked = view.links.get([id, path]);
  if (!linked?.isGlob && config.pattern !== null && isMatch(config.pattern, path))
    link(view, id, path, { isGlob: true }, -1);
  if (wake === null) wakeIfPending(view, id);
}

/** Begins a wake if a stream has more than is acknowledged. Returns whether it has. */
function wakeIfPending(/** @type {View} */ view, /** @type {string} */ id) {
  const streams = linkedStreams(view, id);
  if (!streams.some(({ isPending }) => isPending)) return false;
  const subscription = presentSubscription(view, id);
  const tails = streams.map(({ path, tail, acked }) => [path, tail, Math.max(acked, 0)]);
  const wake = { id: `w_${randomUUID()}`, holder: null, tails: /** @type {Wake['tails']} */ (tails) };
  view.subscriptions.put(id, { ...subscription, generation: subscription.generation + 1, wake });
  // Whoever gets a webhook works on the wake from the beginning.
  if (subscription.config.type === 'webhook') lease(view, id);
  return true;
}

function lease(/** @type {View} */ view, /** @type {string} */ id) {
  const { config, generation } = presentSubscription(view, id);
  view.leases.put(id, generation, { ttl: config.leaseMs });
}

/** Gives the wake of a subscription to a worker. Returns the subscription. */
export function claim(/** @type {View} */ view, /** @type {string} */ id, /** @type {string} */ worker) {
  const { config, wake, generation } = presentSubscription(view, id);
  refuseOther(config, 'pull-wake');
  if (wake?.holder)
    throw refused(409, 'ALREADY_CLAIMED', 'Another worker has claimed the subscription', {
      current_holder: wake.holder,
      generation,
    });
  if (wake === null && !wakeIfPending(view, id))
    throw refused(409, 'NO_PENDING_WORK', 'There is nothing to do');
  const woken = presentSubscription(view, id);
  const claimed = { ...woken, wake: { .../** @type {Wake} */ (woken.wake), holder: worker } };
  view.subscriptions.put(id, claimed);
  lease(view, id);
  return claimed;
}

/** Refuses what does not belong to a type of subscriptions. */
function refuseOther(/** @type {Config} */ config, /** @type {Config['type']} */ type) {
  if (config.type !== type) throw refused(400, 'INVALID_REQUEST', `The subscription is no ${type}`);
}

/** Moves what is acknowledged on, and ends the wake if its work is done. Returns whether the next one begins. */
export function report(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {Config['type']} */ type,
  /** @type {number} */ generation,
  /** @type {Report} */ told,
) {
  const { config } = fence(view, id, generation, told);
  refuseOther(config, type);
  for (const { stream, offset } of told.acks) acknowledge(view, id, stream, offset);
  if (told.isDone) return endWake(view, id);
  lease(view, id);
  return false;
}

/** Gives a claimed wake back. */
export function release(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {number} */ generation,
  /** @type {Report} */ told,
) {
  const { config } = fence(view, id, generation, told);
  refuseOther(config, 'pull-wake');
  endWake(view, id);
}

/** Refuses whoever works on a wake that is over. */
function fence(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {number} */ generation,
  /** @type {Report} */ told,
) {
  const subscription = presentSubscription(view, id);
  const { wake } = subscription;
  if (
    [generation, told.generation].some((other) => other !== subscription.generation) ||
    wake?.id !== told.wakeId
  )
    throw refused(409, 'FENCED', 'The wake is over');
  return subscription;
}

function acknowledge(
  /** @type {View} */ view,
  /** @type {string} */ id,
  /** @type {string} */ path,
  /** @type {unknown} */ offset,
) {
  const found = view.links.get([id, path]);
  const position = typeof offset === 'string' && offset !== '-1' ? positionOf(offset) : Number.NaN;
  if (found === undefined || !(position >= found.acked && position <= tailOf(view, path)))
    throw refused(
      409,
      'INVALID_OFFSET',
      `The offset of ${path} is not between what is acknowledged and its tail`,
    );
  view.links.put([id, path], { ...found, acked: position });
}

/** Ends a wake that a webhook was answered for: all that it told of is acknowledged. */
export function finish(/** @type {View} */ view, /** @type {string} */ id, /** @type {string} */ wakeId) {
  const wake = view.subscriptions.get(id)?.wake;
  if (wake?.id !== wakeId) return;
  for (const [path, tail] of wake.tails) {
    const found = view.links.get([id, path]);
    if (found && found.acked < tail) view.links.put([id, path], { ...found, acked: tail });
  }
  endWake(view, id);
}

/** Notes whether webhooks get through. */
export function fail(/** @type {View} */ view, /** @type {string} */ id, /** @type {boolean} */ isFailing) {
  const subscription = view.subscriptions.get(id);
  if (subscription) view.subscriptions.put(id, { ...subscription, isFailing });
}

/** Ends the wake of a subscription if nobody works on it any more: its lease is over. */
export function expire(/** @type {View} */ view, /** @type {string} */ id) {
  const subscription = view.subscriptions.get(id);
  if (!subscription?.wake || view.leases.get(id) !== undefined) return;
  if (subscription.config.type === 'webhook' || subscription.wake.holder !== null) endWake(view, id);
}

/** Ends a wake. Returns whether the next one begins. */
function endWake(/** @type {View} */ view, /** @type {string} */ id) {
  view.subscriptions.put(id, { ...presentSubscription(view, id), wake: null });
  view.leases.delete(id);
  return wakeIfPending(view, id);
}
