// @ts-check
// Tells of wakes when they are durable: sends webhooks, and appends events to wake streams. A wake that began before a
// restart is told again, so everybody hears of it at least once.

import { setTimeout as delay } from 'node:timers/promises';
import { append } from '../append.js';
import { Refusal } from '../refusal.js';
import { streamsOf } from './answers.js';
import { atOnce, belowRoot, expire, fail, finish, follow, ROOT, urlOf } from './subscriptions.js';

/**
 * @typedef {import('../store.js').Store} Store
 * @typedef {import('./subscriptions.js').Subscription} Subscription
 * @typedef {{ wakeId: string, failures: number }} Told The wake that a subscription was told of.
 */

const WEBHOOK_MS = 30_000;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 60_000;

/** Tells of wakes for as long as the store is open. `origin` is the address of this server, for callbacks. */
export async function tellOfWakes(/** @type {Store} */ store, /** @type {string} */ origin) {
  const { streams, leases, subscriptions } = store;
  // From here on, the feeds miss nothing.
  const changes = [streams.changes(), leases.changes(), subscriptions.changes()];
  /** @type {Map<string, Told>} */
  const told = new Map();
  const tell = (/** @type {string} */ id) => tellOf(store, origin, told, id);
  const expireOne = (/** @type {string} */ id) => atOnce(store, (view) => expire(view, id));
  const followOne = (/** @type {string} */ key) => followStream(store, key);
  const parts = [followOne, expireOne, tell];
  for (const path of [...streams.keys({ prefix: ROOT })]) await followOne(path);
  for (const id of [...subscriptions.keys()]) {
    await expireOne(id);
    tell(id);
  }
  await Promise.all(parts.map((part, at) => forEachKey(changes[at] ?? [], part)));
}

/**
 * Calls a function for each key that changes.
 *
 * @param {AsyncIterable<{ changes: readonly object[] }> | []} feed
 * @param {(key: string) => void | Promise<unknown>} call
 */
async function forEachKey(feed, call) {
  for await (const { changes } of feed)
    for (const change of changes) if ('key' in change) await call(String(change.key));
}

/** Has all subscriptions follow a stream that may have grown. */
async function followStream(/** @type {Store} */ store, /** @type {string} */ key) {
  const path = belowRoot(key);
  if (path === undefined) return;
  for (const id of [...store.subscriptions.keys()]) await atOnce(store, (view) => follow(view, id, path));
}

/** Tells of the wake of a subscription, once. */
function tellOf(
  /** @type {Store} */ store,
  /** @type {string} */ origin,
  /** @type {Map<string, Told>} */ told,
  /** @type {string} */ id,
) {
  const subscription = store.subscriptions.get(id);
  if (subscription === undefined) return void told.delete(id);
  const { wake, config } = subscription;
  const last = told.get(id);
  if (wake === null || wake.id === last?.wakeId) return;
  const entry = { wakeId: wake.id, failures: last?.failures ?? 0 };
  told.set(id, entry);
  if (config.type === 'webhook')
    sendWebhooks(store, origin, id, entry).catch((error) => console.error(error));
  else if (wake.holder === null) appendWake(store, id, subscription);
}

/** Appends an event to the wake stream. If it is not there, workers find the wake when they ask for work. */
function appendWake(
  /** @type {Store} */ store,
  /** @type {string} */ id,
  /** @type {Subscription} */ { config, generation, wake },
) {
  const [stream = ''] = wake?.tails.find(([, tail, acked]) => tail > acked) ?? [];
  const event = { type: 'wake', subscription_id: id, stream, generation, ts: Date.now() };
  const how = { contentType: 'application/json', seq: undefined, isClosed: false, producer: undefined };
  try {
    append(store, ROOT + config.wakeStream, how, Buffer.from(JSON.stringify(event)));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

/** Sends a webhook until one gets through, for as long as its wake lasts. */
async function sendWebhooks(
  /** @type {Store} */ store,
  /** @type {string} */ origin,
  /** @type {string} */ id,
  /** @type {Told} */ told,
) {
  for (;;) {
    if (told.failures > 0) await delay(Math.min(RETRY_MS * 2 ** (told.failures - 1), RETRY_MS_MAX));
    const subscription = store.subscriptions.get(id);
    if (subscription?.wake?.id !== told.wakeId) return;
    const answer = await sendWebhook(store, origin, id, subscription);
    told.failures = answer === undefined ? told.failures + 1 : 0;
    const isFailing = answer === undefined;
    if (isFailing !== subscription.isFailing) await atOnce(store, (view) => fail(view, id, isFailing));
    if (answer?.done === true) await atOnce(store, (view) => finish(view, id, told.wakeId));
    if (answer !== undefined) return;
  }
}

/** Sends a webhook. Resolves with the answer, or with `undefined` if it did not get through. */
async function sendWebhook(
  /** @type {Store} */ store,
  /** @type {string} */ origin,
  /** @type {string} */ id,
  /** @type {Subscription} */ { config, generation, wake },
) {
  const body = JSON.stringify({
    subscription_id: id,
    wake_id: wake?.id,
    generation,
    streams: streamsOf(store, id),
    callback_url: `${origin}${urlOf(id)}/callback`,
    callback_token: store.secrets.tokenOf(id, generation),
  });
  try {
    const response = await fetch(String(config.url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Webhook-Signature': store.secrets.signatureOf(body) },
      body,
      // The address was checked, and one that it leads to was not.
      redirect: 'error',
      signal: AbortSignal.timeout(WEBHOOK_MS),
    });
    const text = await response.text();
    if (!response.ok) return undefined;
    return /** @type {{ done?: unknown }} */ (parsed(text) ?? {});
  } catch {
    return undefined;
  }
}

function parsed(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
