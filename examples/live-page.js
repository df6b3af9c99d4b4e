// @ts-check
// A live page: every open browser sees the newest messages of a room, by server-sent events. The server has no list of
// clients and sends nothing by hand: each client is one loop over watchRange().
//
//     node examples/live-page.js               calls the server, and checks what its clients see
//     node examples/live-page.js --serve 8080  serves the page on http://localhost:8080/kitchen
//
// A state is told when it is durable, so no client sees a message that a power cut could take back. A client that reads
// slowly misses states in between, and never the last one.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { msgpack, open, tuple } from 'keelson';

/** @typedef {{ from: string, text: string }} Message */
/** @typedef {import('keelson').Store<[room: string, id: number], Message>} Messages */

const NEWEST = 10;

const PAGE = `<!doctype html>
<meta charset="utf-8"><title>Room</title>
<ul id="messages"></ul>
<form><input name="from" placeholder="name" required><input name="text" placeholder="message" required><button>Say</button></form>
<script>
  new EventSource(location.pathname + '/events').onmessage = ({ data }) => {
    messages.replaceChildren(...JSON.parse(data).map(({ from, text }) => {
      const item = document.createElement('li');
      item.textContent = from + ': ' + text;
      return item;
    }));
  };
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    const { from, text } = Object.fromEntries(new FormData(event.target));
    fetch(location.pathname, { method: 'POST', body: JSON.stringify({ from, text }) });
    event.target.text.value = '';
  };
</script>`;

/** Sends the newest messages of a room, now and after every change, until the client leaves or the store is closed. */
async function sendEvents(
  /** @type {Messages} */ db,
  /** @type {string} */ room,
  /** @type {import('node:http').ServerResponse} */ response,
) {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  for await (const state of db.watchRange({ prefix: [room] }, { signal: gone.signal })) {
    const messages = Array.from(state.entries({ reverse: true, limit: NEWEST }), ([, message]) => message);
    const hasRoom = response.write(`id: ${state.lsn}\ndata: ${JSON.stringify(messages.reverse())}\n\n`);
    // Without this, everything that a slow client has not read yet would gather in memory.
    if (!hasRoom) await once(response, 'drain', { signal: gone.signal }).catch(() => {});
  }
  response.end();
}

/** Reads the body of a request. */
async function bodyOf(/** @type {import('node:http').IncomingMessage} */ request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part;
    if (text.length > 10_000) throw new RangeError('The message is too long');
  }
  return JSON.parse(text);
}

function serve(/** @type {Messages} */ db) {
  return createServer(async (request, response) => {
    try {
      const [, room = '', events] = (request.url ?? '').split('/').map(decodeURIComponent);
      if (room === '') response.writeHead(404).end();
      else if (request.method === 'POST') {
        const { from, text } = await bodyOf(request);
        await db.put([room, db.nextId()], { from: String(from), text: String(text) });
        response.writeHead(204).end();
      } else if (events === 'events') await sendEvents(db, room, response);
      else response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  });
}

const openMessages = (/** @type {string} */ directory) =>
  open(directory, {
    keyEncoding: /** @type {import('keelson').KeyType<[room: string, id: number]>} */ (tuple()),
    valueEncoding: /** @type {import('keelson').ValueType<Message>} */ (msgpack()),
  });

/** Listens, and returns the address of the server. */
async function listen(/** @type {import('node:http').Server} */ server, port = 0) {
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return `http://127.0.0.1:${address.port}`;
}

/** Iterates over the lists of messages that a client is sent. */
async function* listsOf(/** @type {string} */ url, /** @type {AbortSignal} */ signal) {
  const { body } = await fetch(url, { signal });
  assert(body !== null);
  let text = '';
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const [, data = ''] = event.split('\ndata: ');
      yield/** @type {Message[]} */ (JSON.parse(data));
    }
  }
}

/** Reads as a browser would, until the last message is `until`. Returns the number of lists that came. */
async function readUntil(/** @type {string} */ url, /** @type {string} */ until) {
  const leave = new AbortController();
  let lists = 0;
  for await (const messages of listsOf(url, leave.signal)) {
    lists++;
    const texts = messages.map(({ text }) => text);
    assert(texts.length <= NEWEST);
    if (texts.at(-1) === until) break;
  }
  leave.abort();
  return lists;
}

async function demo(/** @type {string} */ directory) {
  const db = await openMessages(directory);
  const server = serve(db);
  const url = await listen(server);
  const say = (/** @type {string} */ room, /** @type {string} */ text) =>
    fetch(`${url}/${room}`, { method: 'POST', body: JSON.stringify({ from: 'ann', text }) });
  try {
    assert.match(await (await fetch(`${url}/kitchen`)).text(), /EventSource/);
    await say('kitchen', 'hello');
    const readers = [1, 2, 3].map(() => readUntil(`${url}/kitchen/events`, 'the end'));
    // Nobody in the garden sees what is said in the kitchen.
    const garden = readUntil(`${url}/garden/events`, 'rain');
    for (let at = 0; at < 100; at++) await say('kitchen', `message ${at}`);
    await say('kitchen', 'the end');
    await say('garden', 'rain');
    const lists = await Promise.all(readers);
    assert((await garden) <= 2, 'the garden is told of the kitchen');
    assert.equal(db.count({ prefix: ['kitchen'] }), 102);
    console.log(`3 clients were sent ${lists.join(', ')} lists, and each saw the last of 102 messages.`);
  } finally {
    // The loops of clients that are still there end with the store.
    await db.close();
    server.close();
  }
}

const [command, port] = process.argv.slice(2);
if (command === '--serve') {
  const db = await openMessages('./live-page');
  console.log(`${await listen(serve(db), Number(port))}/kitchen`);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-live-page-'));
  await demo(directory).finally(() => rm(directory, { recursive: true }));
}
