// @ts-check
// Figures of a store for Prometheus: how many writes share a flush, how long a flush takes, what is not durable yet, memory.
//
//     node examples/metrics.js      serves the figures, asks for them once, and checks the answer
//
// Copy StoreMetrics. Gauges are read when Prometheus asks. Flushes are told by a channel of node:diagnostics_channel.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'keelson';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * @typedef {import('keelson').Store<string, unknown>} AnyStore
 * @typedef {import('keelson').DiagnosticMessages} Messages
 */

/**
 * The gauges of a store: a name, what it tells, and where the figure is.
 *
 * @type {[name: string, help: string, figure: (stats: import('keelson').StoreStats) => number | undefined][]}
 */
const GAUGES = [
  ['entries', 'Entries of the store itself', (stats) => stats.entries],
  ['memory_bytes', 'Memory of values outside of the JavaScript heap', (stats) => stats.memory.slabBytes],
  ['expiring', 'Entries whose deadline is ahead', (stats) => stats.expiry.expiring],
  ['expiry_backlog', 'Expired entries that wait for their removal', (stats) => stats.expiry.backlog],
  ['expiry_backlog_seconds', 'How long they have waited', (stats) => stats.expiry.backlogMs / 1000],
  ['pins', 'Feeds and iterations that keep old segments', (stats) => stats.journal?.pins],
  ['checkpoint_running', '1 while a checkpoint runs', (stats) => Number(stats.checkpoints?.isRunning)],
  [
    'checkpoint_seconds',
    'How long the last one took',
    (stats) => (stats.checkpoints?.last?.durationMs ?? 0) / 1000,
  ],
  ['undurable_bytes', 'Bytes that are not durable yet', (stats) => stats.journal?.undurableBytes],
  ['journal_bytes', 'Bytes of the journal on the disk', (stats) => stats.journal?.segmentBytes],
  ['blocking_drains', 'Writes that had to wait for the disk', (stats) => stats.journal?.blockingDrains],
];

class StoreMetrics {
  registry = new Registry();
  #flushes = new Histogram({
    name: 'keelson_flush_seconds',
    help: 'From the submission of a commit to the report that it is flushed',
    buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1],
    registers: [this.registry],
  });
  #records = new Counter({ name: 'keelson_records_total', help: 'Writes', registers: [this.registry] });
  #checkpoints = new Counter({
    name: 'keelson_checkpoints_total',
    help: 'Checkpoints by their end',
    labelNames: ['end'],
    registers: [this.registry],
  });
  #poisoned = new Gauge({
    name: 'keelson_poisoned',
    help: '1 when the store takes no more writes',
    registers: [this.registry],
  });

  constructor(/** @type {AnyStore} */ db) {
    this.directory = db.directory;
    for (const [name, help, figure] of GAUGES) {
      new Gauge({
        name: `keelson_${name}`,
        help,
        registers: [this.registry],
        collect() {
          this.set(figure(db.stats()) ?? 0);
        },
      });
    }
    subscribe('keelson:commit', this.#onCommit);
    subscribe('keelson:checkpoint', this.#onCheckpoint);
    subscribe('keelson:poisoned', this.#onPoisoned);
  }

  close() {
    unsubscribe('keelson:commit', this.#onCommit);
    unsubscribe('keelson:checkpoint', this.#onCheckpoint);
    unsubscribe('keelson:poisoned', this.#onPoisoned);
  }

  #onCommit = (/** @type {unknown} */ message) => {
    const { directory, records, durationMs } = /** @type {Messages['keelson:commit']} */ (message);
    if (directory !== this.directory) return;
    this.#flushes.observe(durationMs / 1000);
    this.#records.inc(records);
  };

  #onCheckpoint = (/** @type {unknown} */ message) => {
    const { directory, event } = /** @type {Messages['keelson:checkpoint']} */ (message);
    if (directory !== this.directory || event.type === 'started' || event.type === 'progress') return;
    this.#checkpoints.inc({ end: event.type });
  };

  #onPoisoned = (/** @type {unknown} */ message) => {
    const { directory } = /** @type {Messages['keelson:poisoned']} */ (message);
    if (directory === this.directory) this.#poisoned.set(1);
  };
}

async function demo(/** @type {string} */ directory) {
  const db = await open(directory);
  const metrics = new StoreMetrics(db);
  const server = createServer(async (_request, response) => {
    response.setHeader('Content-Type', metrics.registry.contentType);
    response.end(await metrics.registry.metrics());
  }).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, at) => db.put(`${round}:${at}`, { round, at })));
    }
    await db.put('session', {}, { ttl: 60_000 });
    await db.put('expired', {}, { expiresAt: 0 });
    await db.checkpoint();
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const figureOf = (/** @type {string} */ name) =>
      Number(page.match(new RegExp(`^${name} (.*)$`, 'm'))?.[1]);

    assert.equal(figureOf('keelson_entries'), 1001);
    assert.equal(figureOf('keelson_expiring'), 1);
    assert(figureOf('keelson_expiry_backlog') <= 1);
    assert.equal(figureOf('keelson_undurable_bytes'), 0);
    assert.equal(figureOf('keelson_checkpoints_total{end="completed"}'), 1);
    const flushes = figureOf('keelson_flush_seconds_count');
    assert(flushes < figureOf('keelson_records_total'));
    console.log(`1002 writes took ${flushes} flushes.`);
  } finally {
    server.closeAllConnections();
    server.close();
    metrics.close();
    await db.close();
  }
}

const directory = await mkdtemp(join(tmpdir(), 'keelson-metrics-'));
try {
  await demo(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
