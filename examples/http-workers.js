// @ts-check
// An HTTP server whose answers come from replicas in worker threads. The main thread owns the store and writes; each worker
// listens on the same port, and reads from a replica in its own memory, so reads use all cores.
//
//     node examples/http-workers.js               calls the server, and checks the answers
//     node examples/http-workers.js --serve 8080  serves http://localhost:8080/<key>; PUT writes, GET reads
//
// A worker sends each write to the main thread, and answers when it is durable and its replica shows it. The answer has the
// LSN of the write. A client that sends the LSN along reads its own write from any worker.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { open } from 'keelson';
import { openReplica } from 'keelson/replica';

const WORKERS = 2;

/**
 * In the main thread: starts a worker that serves HTTP. Resolves with it and its port.
 *
 * @param {import('keelson').Store<string, string>} db
 * @param {number} port
 */
async function startWorker(db, port) {
  const replicaPort = db.replicate();
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { replicaPort, port },
    transferList: [replicaPort],
  });
  const [{ listeningOn }] = await once(worker, 'message');
  worker.on('message', async ({ id, key, value }) => {
    worker.postMessage({ id, lsn: await db.put(key, value) });
  });
  return { worker, port: listeningOn };
}

/** In a worker: serves reads from the replica, and has the main thread write. */
async function serve() {
  const { replicaPort, port } = workerData;
  /** @type {import('keelson/replica').Replica<string, string>} */
  const replica = await openReplica(replicaPort);
  const parent = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
  /** @type {Map<number, (lsn: number) => void>} */
  const writes = new Map();
  parent.on('message', ({ id, lsn }) => {
    writes.get(id)?.(lsn);
    writes.delete(id);
  });
  let nextId = 0;
  const put = (/** @type {string} */ key, /** @type {string} */ value) =>
    new Promise((/** @type {(lsn: number) => void} */ resolve) => {
      writes.set(++nextId, resolve);
      parent.postMessage({ id: nextId, key, value });
    });

  const server = createServer(async (request, response) => {
    const key = new URL(String(request.url), 'http://localhost').pathname.slice(1);
    if (request.method === 'PUT') {
      let value = '';
      for await (const text of request.setEncoding('utf8')) value += text;
      const lsn = await put(key, value);
      response.writeHead(204, { lsn }).end();
      return;
    }
    // In a real server, give a signal with a timeout: an LSN that never comes would wait for ever.
    await replica.whenAt(Number(request.headers['lsn'] ?? 0));
    const value = replica.get(key);
    response.writeHead(value === undefined ? 404 : 200, { lsn: replica.lsn }).end(value);
  });
  server.listen(port, '127.0.0.1', () => {
    parent.postMessage({
      listeningOn: /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    });
  });
}

async function main() {
  const isServer = process.argv[2] === '--serve';
  const directory = isServer ? './http-workers-store' : await mkdtemp(join(tmpdir(), 'keelson-workers-'));
  /** @type {import('keelson').Store<string, string>} */
  const db = await open(directory);
  if (isServer) {
    const { port } = await startWorker(db, Number(process.argv[3] ?? 8080));
    console.log(`http://localhost:${port}/, by one worker: put a load balancer before more of them`);
    return;
  }
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => startWorker(db, 0)));
  const urlOf = (/** @type {number} */ worker, /** @type {number} */ n) =>
    `http://127.0.0.1:${workers[worker % WORKERS]?.port}/key-${n}`;
  let reads = 0;
  for (let n = 0; n < 100; n++) {
    const written = await fetch(urlOf(n, n), { method: 'PUT', body: `value ${n}` });
    const headers = { lsn: String(written.headers.get('lsn')) };
    // The other worker has the write, too, because it is told the LSN.
    for (const worker of [n, n + 1]) {
      const read = await fetch(urlOf(worker, n), { headers });
      assert.equal(await read.text(), `value ${n}`);
      reads++;
    }
  }
  await Promise.all(workers.map(({ worker }) => worker.terminate()));
  await db.close();
  await rm(directory, { recursive: true });
  console.log(`${WORKERS} workers answered ${reads} reads, and each showed the write before it.`);
}

await (isMainThread ? main() : serve());
