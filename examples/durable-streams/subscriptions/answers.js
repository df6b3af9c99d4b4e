// @ts-check
// The answers to requests for subscriptions, and the public key that webhooks are signed with.

import { Refusal } from '../refusal.js';
import { textOf as headerOf, offsetOf } from '../requests.js';
import { configOf, objectOf, pathsOf, refused, reportOf, textOf, trimmed } from './config.js';
import {
  atOnce,
  claim,
  linkExplicitly,
  linkedStreams,
  presentSubscription,
  RESERVED,
  release,
  report,
  subscribe,
  unlinkExplicitly,
  unsubscribe,
} from './subscriptions.js';

/**
 * @typedef {import('../answers.js').Answer} Answer
 * @typedef {import('../answers.js').Request} Request
 * @typedef {import('../store.js').Store} Store
 * @typedef {{ store: Store, id: string, path: string, request: Request, body: Record<string, unknown> }} Call
 * @typedef {(call: Call) => Answer | Promise<Answer>} Answering
 */

const SUBSCRIPTIONS = `${RESERVED}/subscriptions/`;
const JWKS = `${RESERVED}/jwks.json`;
const DONE = { status: 204 };

/** Tells whether a path is the server's own. */
export const isReserved = (/** @type {string} */ path) =>
  path === RESERVED || path.startsWith(`${RESERVED}/`);

const json = (
  /** @type {number} */ status,
  /** @type {unknown} */ value,
  contentType = 'application/json',
) => ({ status, headers: { 'Content-Type': contentType }, body: JSON.stringify(value) });

/** Answers by method and by what follows the name of a subscription. @type {Record<string, Answering>} */
const ANSWERS = {
  async 'PUT '({ store, id, request, body }) {
    const config = configOf(body);
    const isNew = await atOnce(store, (view) => subscribe(view, id, config));
    return json(isNew ? 201 : 200, shown(store, id, request));
  },

  'GET ': ({ store, id, request }) => json(200, shown(store, id, request)),

  async 'DELETE '({ store, id }) {
    await atOnce(store, (view) => unsubscribe(view, id));
    return DONE;
  },

  async 'POST streams'({ store, id, body }) {
    const paths = pathsOf(body['streams']);
    await atOnce(store, (view) => linkExplicitly(view, id, paths));
    return DONE;
  },

  async 'DELETE streams'({ store, id, path }) {
    await atOnce(store, (view) => unlinkExplicitly(view, id, path));
    return DONE;
  },

  'POST callback': (call) => reported(call, 'webhook'),
  'POST ack': (call) => reported(call, 'pull-wake'),

  async 'POST claim'({ store, id, body }) {
    const worker = textOf(body['worker'], 'worker');
    const { wake, generation, config } = await atOnce(store, (view) => claim(view, id, worker));
    const token = store.secrets.tokenOf(id, generation);
    const streams = streamsOf(store, id);
    return json(200, { wake_id: wake?.id, generation, token, streams, lease_ttl_ms: config.leaseMs });
  },

  async 'POST release'(call) {
    const { store, id, body } = call;
    const generation = generationOf(call);
    await atOnce(store, (view) => release(view, id, generation, reportOf(body)));
    return DONE;
  },
};

/** Answers a request for a path of the server's own. @returns {Promise<Answer>} */
export async function answerReserved(
  /** @type {Store} */ store,
  /** @type {string} */ method,
  /** @type {Request} */ request,
) {
  if (request.path === JWKS && method === 'GET')
    return json(200, store.secrets.jwks, 'application/jwk-set+json');
  const [id = '', action = '', ...rest] = request.path.startsWith(SUBSCRIPTIONS)
    ? request.path.slice(SUBSCRIPTIONS.length).split('/').map(decoded)
    : [];
  const answer = ANSWERS[`${method} ${action}`];
  if (id === '') throw refused(404, 'SUBSCRIPTION_NOT_FOUND', 'There is nothing at this path');
  if (answer === undefined) throw new Refusal(405, 'There is no such method');
  const body = method === 'PUT' || method === 'POST' ? objectOf(request.body) : {};
  return answer({ store, id, path: trimmed(rest.join('/')), request, body });
}

function decoded(/** @type {string} */ part) {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refused(400, 'INVALID_REQUEST', 'The path is malformed');
  }
}

/** Answers who has worked on a wake. */
async function reported(/** @type {Call} */ call, /** @type {'webhook' | 'pull-wake'} */ type) {
  const { store, id, body } = call;
  const generation = generationOf(call);
  const told = reportOf(body);
  const isNext = await atOnce(store, (view) => report(view, id, type, generation, told));
  return json(200, { ok: true, next_wake: isNext });
}

/** Returns the generation that the token of a request belongs to. */
function generationOf(/** @type {Call} */ { store, id, request }) {
  presentSubscription(store, id);
  const [, token = ''] = /^Bearer (.+)$/.exec(headerOf(request.headers, 'authorization') ?? '') ?? [];
  const generation = store.secrets.generationOf(id, token);
  if (generation === undefined)
    throw refused(401, 'TOKEN_INVALID', 'The token is missing, or none of this server');
  return generation;
}

const positionAsOffset = (/** @type {number} */ position) => (position < 0 ? '-1' : offsetOf(position));

/** Lists the streams of a subscription for a client. */
export const streamsOf = (/** @type {Store} */ store, /** @type {string} */ id) =>
  linkedStreams(store, id).map(({ path, isExplicit, acked, tail, isPending }) => ({
    path,
    link_type: isExplicit ? 'explicit' : 'glob',
    acked_offset: positionAsOffset(acked),
    tail_offset: offsetOf(tail),
    has_pending: isPending,
  }));

/** Shows a subscription to a client. */
function shown(/** @type {Store} */ store, /** @type {string} */ id, /** @type {Request} */ { headers }) {
  const { config, createdAt, isFailing } = presentSubscription(store, id);
  const signing = { alg: 'ed25519', kid: store.secrets.kid, jwks_url: `http://${headers.host}${JWKS}` };
  return {
    id,
    subscription_id: id,
    type: config.type,
    pattern: config.pattern ?? undefined,
    streams: streamsOf(store, id),
    webhook: config.url === null ? undefined : { url: config.url, signing },
    wake_stream: config.wakeStream ?? undefined,
    lease_ttl_ms: config.leaseMs,
    created_at: createdAt,
    status: isFailing ? 'failed' : 'active',
    description: config.description ?? undefined,
  };
}
