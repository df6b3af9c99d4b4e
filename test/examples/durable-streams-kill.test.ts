// What the Durable Streams server of the examples acknowledged survives. The server is killed in the middle of appends,
// again and again: every acknowledged append is there once, and readers go on from where they were.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DurableStream, IdempotentProducer } from '@durable-streams/client';
import { expect, onTestFinished, test } from 'vitest';
import { open } from '../../src/index.js';
import { seededRandom } from '../native/native-tools.js';
import { startServer } from './durable-streams-process.js';

const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));
const KILLS = 3;
const WRITERS = 4;

/** Appends lines one after the other, and tells which were acknowledged. One that was not is never sent again. */
async function writeLines(url: string, writer: string, told: (line: string, offset: string) => void) {
  for (let at = 0; ; at++) {
    const line = `${writer}:${at}\n`;
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'text/plain' },
        body: line,
      });
      expect(answer.status).toBe(204);
      told(line, answer.headers.get('stream-next-offset') ?? '');
    } catch (error) {
      // The connection ended with the server.
      if (error instanceof TypeError) return;
      throw error;
    }
  }
}

/** Returns the position in an offset of the server. A client must not do so. */
const endOf = (offset: string) => Number(offset.split('_')[1]);

async function readText(url: string, offset: string) {
  const response = await new DurableStream({ url }).stream({ offset, live: false });
  return { text: await response.text(), offset: response.offset };
}

test(`what a killed server acknowledged is there once, seed ${SEED}`, async () => {
  const random = seededRandom(SEED);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-streams-kill-'));
  let server = await startServer(directory);
  onTestFinished(async () => {
    await server.kill();
    fs.rmSync(directory, { recursive: true });
  });
  let restarted = Promise.resolve();
  const { url, port } = server;
  const linesUrl = `${url}/lines`;
  await DurableStream.create({ url: linesUrl, contentType: 'text/plain' });
  const values = await DurableStream.create({ url: `${url}/values`, contentType: 'application/json' });
  // Sends a batch again, with its number, until a server has answered.
  const insist = async (...request: Parameters<typeof fetch>): Promise<Response> =>
    fetch(...request).catch(() => restarted.then(() => insist(...request)));
  const producer = new IdempotentProducer(values, 'counter', {
    lingerMs: 0,
    maxBatchBytes: 32,
    fetch: insist,
  });
  const acknowledged = new Map<string, string>();
  let numbers = 0;
  let followed = { text: '', offset: '-1' };

  for (let kill = 0; kill < KILLS; kill++) {
    const enough = acknowledged.size + 10 + random(100);
    const writers: Promise<void>[] = [];
    await new Promise<void>((resolve) => {
      const told = (line: string, offset: string) => {
        acknowledged.set(line, offset);
        producer.append(String(numbers++));
        if (acknowledged.size === enough) resolve();
      };
      for (let at = 0; at < WRITERS; at++) writers.push(writeLines(linesUrl, `${kill}.${at}`, told));
    });
    restarted = server.kill().then(async () => {
      server = await startServer(directory, { port });
    });
    await Promise.all([restarted, ...writers]);
    // From where the reader was before the kill.
    const { text, offset } = await readText(linesUrl, followed.offset);
    followed = { text: followed.text + text, offset };
  }
  await producer.flush();

  const { text } = await readText(linesUrl, '-1');
  expect(followed.text).toBe(text);
  const lines = text.split(/(?<=\n)/);
  expect(new Set(lines).size).toBe(lines.length);
  for (const [line, offset] of acknowledged)
    expect(text.slice(0, endOf(offset)).endsWith(line), line).toBe(true);
  const response = await values.stream({ live: false });
  expect(await response.json()).toEqual(Array.from({ length: numbers }, (_, at) => at));
});

test('an append is answered when it is durable', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-streams-durable-'));
  const server = await startServer(directory);
  // Another process sees only what a power cut would leave.
  const onDisk = await open(directory, { readOnly: true });
  onTestFinished(async () => {
    await onDisk.close();
    await server.kill();
    fs.rmSync(directory, { recursive: true });
  });
  const stream = await DurableStream.create({ url: `${server.url}/lines`, contentType: 'text/plain' });
  const streams = onDisk.namespace<{ tail: number }>('streams');
  for (let tail = 1; tail <= 20; tail++) {
    await stream.append('x');
    await onDisk.refresh();
    expect(streams.get('/lines')?.tail).toBe(tail);
  }
});

test('nothing is left of streams that were deleted or have expired', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-streams-rest-'));
  let server = await startServer(directory);
  onTestFinished(async () => {
    await server.kill();
    fs.rmSync(directory, { recursive: true });
  });
  const send = async (method: string, to: string, headers: Record<string, string>, body?: string) => {
    const answer = await fetch(server.url + to, { method, headers, ...(body === undefined ? {} : { body }) });
    return answer.status;
  };
  const text = { 'content-type': 'text/plain' };
  const byProducer = { ...text, 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0' };
  expect(await send('PUT', '/source', text, 'abc')).toBe(201);
  expect(await send('PUT', '/fork', { 'stream-forked-from': '/source' })).toBe(201);
  expect(await send('POST', '/fork', byProducer, 'def')).toBe(200);
  expect(await send('DELETE', '/source', {})).toBe(204);
  expect(await (await fetch(`${server.url}/fork`)).text()).toBe('abcdef');
  expect(await send('DELETE', '/fork', {})).toBe(204);
  expect(await send('GET', '/source', {})).toBe(404);
  const past = { ...text, 'stream-expires-at': '2020-01-01T00:00:00Z' };
  expect(await send('PUT', '/past', past, 'abc')).toBe(201);

  await server.kill();
  server = await startServer(directory);
  // An answer comes when everything before it is durable: also what the server has removed at its start.
  expect(await send('GET', '/past', {})).toBe(404);
  await server.kill();
  const db = await open(directory, { readOnly: true });
  const names = db.namespaces().filter((name) => name !== 'secrets');
  expect(names.filter((name) => db.namespace(name as 'messages').stats().entries > 0)).toEqual([]);
  expect(names).toContain('messages');
  await db.close();
});
