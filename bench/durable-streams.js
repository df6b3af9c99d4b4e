// Appends a second over HTTP: the Durable Streams server of the examples beside the protocol's reference server for
// Node.js and a server that does nothing, in turns. Medians of the rounds with the lowest and the highest.
//
//   npm run build && node bench/durable-streams.js [--rounds N] [--seconds N]
//
// The durability is equal: Keelson and the reference server, file-backed, flush an append before they answer. A power
// cut can still take the state of a producer from the reference server, which keeps it elsewhere and does not flush it.
// The server that does nothing reads the body and answers. What it reaches is the limit of HTTP here.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '1' } },
});
const ROUNDS = Number(options.rounds);
const ROUND_MS = Number(options.seconds) * 1000;
const WARM_UP_MS = 1000;
const BODY = 'x'.repeat(100);

const SERVERS = {
  Keelson: (directory) => ['examples/durable-streams/server.js', directory, '0'],
  '@durable-streams/server': (directory) => ['--input-type=module', '--eval', REFERENCE, directory],
  'does nothing': () => ['--input-type=module', '--eval', NOTHING],
};

const REFERENCE = `
import { DurableStreamTestServer } from '@durable-streams/server';
const server = new DurableStreamTestServer({ port: 0, dataDir: process.argv[1] });
console.log(await server.start());`;

const NOTHING = `
import { createServer } from 'node:http';
const server = createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => response.writeHead(204).end());
});
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));`;

const LOADS = {
  '1 client': { clients: 1, streams: 1 },
  '64 clients, 1 stream': { clients: 64, streams: 1 },
  '64 clients, 64 streams': { clients: 64, streams: 64 },
};

const started = [];

/** Starts a server with its streams, and returns its port. */
async function start(name) {
  const directory = fs.mkdtempSync(
    path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'),
  );
  const child = spawn(process.execPath, SERVERS[name](directory), { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push({ child, directory });
  const url = await urlOf(child.stdout);
  for (let at = 0; at < 64; at++)
    await fetch(`${url}/stream-${at}`, { method: 'PUT', headers: { 'content-type': 'text/plain' } });
  return Number(new URL(url).port);
}

async function stop({ child, directory }) {
  child.kill('SIGKILL');
  await once(child, 'exit');
  fs.rmSync(directory, { recursive: true, force: true });
}

/** Returns the line that is an address. The reference server says other things first. */
async function urlOf(output) {
  const lines = createInterface(output);
  for (;;) {
    const [line] = await once(lines, 'line');
    if (line.startsWith('http://')) return line;
  }
}

/** Appends on one connection, one message after the other, until the time has come. Returns how many were answered. */
async function append(port, stream, untilMs) {
  const request = Buffer.from(
    `POST /stream-${stream} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  );
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let answered = 0;
  socket.write(request);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.latin1Slice();
    if (!answer.endsWith('\r\n\r\n')) return;
    if (!answer.startsWith('HTTP/1.1 204')) {
      socket.destroy(new Error(`an append was answered with ${answer}`));
      return;
    }
    answer = '';
    answered++;
    if (performance.now() < untilMs) socket.write(request);
    else socket.end();
  });
  await once(socket, 'close');
  return answered;
}

async function perSecond(port, { clients, streams }, ms) {
  const start = performance.now();
  const all = Array.from({ length: clients }, (_, at) => append(port, at % streams, start + ms));
  const answered = await Promise.all(all);
  return answered.reduce((sum, count) => sum + count, 0) / ((performance.now() - start) / 1000);
}

/** Writes the median of the values, and the lowest and the highest. */
function spread(values, digits) {
  const sorted = values.toSorted((a, b) => a - b).map((value) => value.toFixed(digits));
  return `${sorted[Math.floor(sorted.length / 2)]} (${sorted[0]} to ${sorted.at(-1)})`;
}

const ports = new Map();
const rates = new Map();
try {
  for (const name of Object.keys(SERVERS)) ports.set(name, await start(name));
  for (const port of ports.values()) await perSecond(port, { clients: 64, streams: 64 }, WARM_UP_MS);
  for (let round = 0; round < ROUNDS; round++)
    for (const [load, plan] of Object.entries(LOADS))
      for (const [name, port] of ports) {
        const key = `${load}/${name}`;
        rates.set(key, [...(rates.get(key) ?? []), await perSecond(port, plan, ROUND_MS)]);
      }
} finally {
  await Promise.all(started.map(stop));
}

console.log('Equal durability: both servers flush an append to disk before they answer it.\n');
console.log('| load | server | appends a second | Keelson is faster by |');
console.log('| --- | --- | --- | --- |');
for (const load of Object.keys(LOADS))
  for (const name of Object.keys(SERVERS)) {
    const measured = rates.get(`${load}/${name}`);
    const ratios = rates.get(`${load}/Keelson`).map((rate, round) => rate / measured[round]);
    console.log(`| ${load} | ${name} | ${spread(measured, 0)} | ${spread(ratios, 2)} |`);
  }
