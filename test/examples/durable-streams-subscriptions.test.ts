// Subscriptions of the Durable Streams server of the examples: who was not done before a kill or the end of a lease is
// told again, what was acknowledged stays so, and nobody can go on with a wake that is over.

import fs from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { startServer } from './durable-streams-process.js';

interface Wake {
  wake_id: string;
  generation: number;
  callback_token: string;
  token: string;
  streams: { path: string; acked_offset: string; tail_offset: string; has_pending: boolean }[];
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-subscriptions-'));
let server: Awaited<ReturnType<typeof startServer>>;

beforeEach(async () => {
  server = await startServer(directory);
});
afterEach(async () => {
  await server.kill();
  fs.rmSync(directory, { recursive: true });
});

async function killServer() {
  const { port } = server;
  await server.kill();
  server = await startServer(directory, { port });
}

const subscriptionPath = (id: string) => `/v1/stream/__ds/subscriptions/${id}`;

function send(method: string, url: string, body?: unknown, token?: string) {
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return fetch(`${server.url}${url}`, { method, headers, body: JSON.stringify(body) ?? null });
}

async function json<T>(response: Response | Promise<Response>) {
  return (await (await response).json()) as T;
}

const codeOf = async (response: Promise<Response>) =>
  (await json<{ error: { code: string } }>(response)).error.code;

/** Receives webhooks. Answers each by the next of the given statuses, and with 200 after the last. */
async function startReceiver(...statuses: number[]) {
  const wakes: Wake[] = [];
  let arrived = () => {};
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    wakes.push(JSON.parse(Buffer.concat(chunks).toString()) as Wake);
    response.writeHead(statuses.shift() ?? 200).end('{}');
    arrived();
  });
  await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  return {
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    /** Resolves with the webhook of a number, from 0. */
    async webhook(at: number): Promise<Wake> {
      while (wakes.length <= at)
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      return wakes[at] as Wake;
    },
  };
}

const tailsOf = ({ streams }: Wake) =>
  streams.map(({ path: stream, tail_offset: offset }) => ({ stream, offset }));

test('a webhook that was not done before a kill is sent again, and its token is still good', async () => {
  const { url, webhook } = await startReceiver();
  const config = { type: 'webhook', pattern: 'jobs/**', webhook: { url }, lease_ttl_ms: 600_000 };
  expect((await send('PUT', subscriptionPath('a'), config)).status).toBe(201);
  await send('PUT', '/v1/stream/jobs/x/y', { first: 1 });
  const before = await webhook(0);

  await killServer();
  const again = await webhook(1);
  expect(again).toEqual(before);
  const done = { wake_id: again.wake_id, generation: again.generation, acks: tailsOf(again), done: true };
  const callback = `${subscriptionPath('a')}/callback`;
  expect(await json(send('POST', callback, done, before.callback_token))).toEqual({
    ok: true,
    next_wake: false,
  });

  // What is acknowledged survives, too.
  await killServer();
  expect((await send('PUT', subscriptionPath('a'), config)).status).toBe(200);
  const { streams } = await json<Wake>(send('GET', subscriptionPath('a')));
  expect(streams).toMatchObject([
    { path: 'jobs/x/y', acked_offset: done.acks[0]?.offset, has_pending: false },
  ]);
  expect(await codeOf(send('POST', callback, done, before.callback_token))).toBe('FENCED');
  await send('POST', '/v1/stream/jobs/x/y', { second: 2 });
  expect((await webhook(2)).generation).toBe(before.generation + 1);
});

test('a webhook that fails is sent again, and its subscription says so meanwhile', async () => {
  const { url, webhook } = await startReceiver(500);
  await send('PUT', subscriptionPath('a'), { type: 'webhook', streams: ['one'], webhook: { url } });
  await send('PUT', '/v1/stream/one', { first: 1 });
  const failed = await webhook(0);
  expect(await webhook(1)).toEqual(failed);
});

test('the wake of a worker that does not report passes to another when the lease is over', async () => {
  await send('PUT', '/v1/stream/wakes', []);
  const config = { type: 'pull-wake', pattern: 'jobs/*', wake_stream: 'wakes', lease_ttl_ms: 1000 };
  await send('PUT', subscriptionPath('a'), config);
  await send('PUT', '/v1/stream/jobs/x', { first: 1 });
  const claim = (worker: string) => send('POST', `${subscriptionPath('a')}/claim`, { worker });
  let offset = '-1';
  const nextGenerations = async () => {
    const response = await fetch(`${server.url}/v1/stream/wakes?live=long-poll&offset=${offset}`);
    offset = response.headers.get('stream-next-offset') ?? '';
    return (await json<{ generation: number }[]>(response)).map(({ generation }) => generation);
  };
  expect(await nextGenerations()).toEqual([1]);
  const lost = await json<Wake>(claim('lost'));
  expect(await codeOf(claim('other'))).toBe('ALREADY_CLAIMED');

  // The lease goes on over a kill.
  await killServer();
  expect(await nextGenerations()).toEqual([2]);
  const taken = await json<Wake>(claim('other'));
  expect(taken).toMatchObject({ generation: 2, streams: [{ path: 'jobs/x', has_pending: true }] });
  const report = ({ wake_id, generation, token }: Wake) =>
    send(
      'POST',
      `${subscriptionPath('a')}/ack`,
      { wake_id, generation, acks: tailsOf(taken), done: true },
      token,
    );
  expect(await codeOf(report(lost))).toBe('FENCED');
  expect(await json(report(taken))).toEqual({ ok: true, next_wake: false });
  expect(await codeOf(claim('third'))).toBe('NO_PENDING_WORK');
});

test('a deleted stream leaves its subscriptions, and a deleted subscription is told of nothing', async () => {
  const { url, webhook } = await startReceiver();
  await send('PUT', subscriptionPath('a'), {
    type: 'webhook',
    pattern: '*',
    webhook: { url },
    lease_ttl_ms: 600_000,
  });
  await send('PUT', '/v1/stream/first', {});
  expect((await webhook(0)).streams).toHaveLength(1);
  await send('DELETE', '/v1/stream/first');
  await expect.poll(async () => (await json<Wake>(send('GET', subscriptionPath('a')))).streams).toEqual([]);
  expect((await send('DELETE', subscriptionPath('a'))).status).toBe(204);
  expect(await codeOf(send('GET', subscriptionPath('a')))).toBe('SUBSCRIPTION_NOT_FOUND');
});

test('malformed requests are refused, and change nothing', async () => {
  const webhook = { url: 'http://127.0.0.1:1/' };
  const put = (body: unknown) => codeOf(send('PUT', subscriptionPath('a'), body));
  for (const body of [
    [],
    { type: 'push' },
    { type: 'webhook', webhook },
    { type: 'webhook', pattern: '', webhook },
    { type: 'webhook', streams: [1], webhook },
    { type: 'webhook', pattern: '*' },
    { type: 'webhook', pattern: '*', webhook, lease_ttl_ms: 999 },
    { type: 'webhook', pattern: '*', webhook, lease_ttl_ms: 600_001 },
    { type: 'webhook', pattern: '*', webhook, lease_ttl_ms: '1000' },
    { type: 'pull-wake', pattern: '*' },
  ])
    expect(await put(body)).toBe('INVALID_REQUEST');
  for (const url of [
    'nowhere',
    'ftp://example.com',
    'http://example.com',
    'https://10.0.0.1',
    'https://[::1]/',
    'https://localhost',
  ])
    expect(await put({ type: 'webhook', pattern: '*', webhook: { url } })).toBe('WEBHOOK_URL_REJECTED');
  expect(await codeOf(send('GET', subscriptionPath('a')))).toBe('SUBSCRIPTION_NOT_FOUND');

  await send('PUT', subscriptionPath('a'), { type: 'pull-wake', pattern: 'x', wake_stream: 'w' });
  await send('PUT', '/v1/stream/x', { first: 1 });
  await expect
    .poll(async () => (await json<Wake>(send('GET', subscriptionPath('a')))).streams.length)
    .toBe(1);
  const { wake_id, generation, token } = await json<Wake>(
    send('POST', `${subscriptionPath('a')}/claim`, { worker: 'w' }),
  );
  const ack = (acks: unknown, by?: string) =>
    codeOf(send('POST', `${subscriptionPath('a')}/ack`, { wake_id, generation, acks }, by));
  expect(await ack([])).toBe('TOKEN_INVALID');
  expect(await ack([], `${token}x`)).toBe('TOKEN_INVALID');
  const zero = '0000000000000000_0000000000000000';
  for (const acks of [
    [{ stream: 'x', offset: '-1' }],
    [{ stream: 'y', offset: zero }],
    [{ stream: 'x', offset: '0000000000000000_9000000000000000' }],
    [{ stream: 'x' }],
    [
      { stream: 'x', offset: zero },
      { stream: 'y', offset: zero },
    ],
  ])
    expect(await ack(acks, token)).toBe('INVALID_OFFSET');
  expect((await json<Wake>(send('GET', subscriptionPath('a')))).streams).toMatchObject([
    { acked_offset: '-1' },
  ]);
});
