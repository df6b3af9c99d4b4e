// The Durable Streams server of the examples passes the conformance suite of the protocol whole.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runConformanceTests } from '@durable-streams/server-conformance-tests';
import { afterAll, beforeAll, describe } from 'vitest';
import { startServer } from './durable-streams-process.js';

const LONG_POLL_MS = 500;

// Streams of the suite expire while it waits in real time, with half a second to spare, which a busy machine can miss.
describe('Durable Streams', { retry: 3 }, () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-streams-'));
  const options = { baseUrl: '', longPollTimeoutMs: LONG_POLL_MS + 2000, subscriptions: true };
  let server: Awaited<ReturnType<typeof startServer>>;

  beforeAll(async () => {
    server = await startServer(directory, { longPollMs: LONG_POLL_MS });
    options.baseUrl = server.url;
  });
  afterAll(async () => {
    await server.kill();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  runConformanceTests(options);
});
