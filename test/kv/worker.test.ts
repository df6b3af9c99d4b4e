// A worker thread that is terminated leaves its store as a killed process would: to be opened at once, with
// everything that was acknowledged. (better-sqlite3#1476, rocksdb-js#741 and lmdb-js#48 crash at worker exit.)

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { open } from '../../src/index.js';

const ROUNDS = 12;

const PROGRAM = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { open } from '${new URL('../../dist/index.js', import.meta.url)}';
  const db = await open(workerData);
  for (let i = db.size; ; i++) {
    await db.put('k' + String(i).padStart(6, '0'), i);
    parentPort.postMessage(i);
  }
`;

describe('a worker that is terminated in the middle of a write', () => {
  it('loses nothing acknowledged and does not keep the lock', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keelson-worker-'));
    try {
      let acknowledged = -1;
      for (let round = 0; round < ROUNDS; round++) {
        const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`), {
          workerData: join(directory, 'db'),
        });
        await new Promise<void>((resolve, reject) => {
          let seen = 0;
          worker.on('error', reject);
          worker.on('message', (i: number) => {
            acknowledged = Math.max(acknowledged, i);
            if (++seen === 5 + round) resolve();
          });
        });
        await expect(open(join(directory, 'db'))).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
        await worker.terminate();
        const db = await open<number>(join(directory, 'db'));
        expect(db.size).toBeGreaterThan(acknowledged);
        expect([...db.values()]).toEqual(Array.from({ length: db.size }, (_, i) => i));
        await db.close();
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
