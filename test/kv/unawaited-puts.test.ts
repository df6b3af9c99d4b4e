// Millions of puts in one loop that never gives the event loop a turn: bounded memory, nothing lost. In a child process
// with a heap limit, because what is promised is that it does not die. A quarter of ten million puts, with a quarter of
// the bytes that may be undurable and of the memory: ten million with the defaults are in `npm run bench:store`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const PUTS = 2_500_000;
const KEYS = 10_000;
const UNDURABLE_BYTES_MAX = 16 * 1024 * 1024;
const HEAP_MEGABYTES_MAX = 256;
/** The heap, 16 MiB undurable, buffers, and the process itself. Kept, all puts would take several times the heap. */
const RSS_MEGABYTES_MAX = 450;

const PROGRAM = `
  import { open } from 'keelson';
  const directory = process.argv[1];
  const db = await open(directory, { maxUndurableBytes: ${UNDURABLE_BYTES_MAX} });
  for (let i = 0; i < ${PUTS}; i++) db.put('key' + (i % ${KEYS}), i);
  const { blockingDrains } = db.stats().journal;
  await db.close();
  const again = await open(directory);
  let wrong = 0;
  for (let k = 0; k < ${KEYS}; k++) if (again.get('key' + k) !== ${PUTS} - ${KEYS} + k) wrong++;
  await again.close();
  const maxRssMegabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ blockingDrains, size: ${KEYS}, wrong, maxRssMegabytes }));
`;

describe('puts that nobody awaits, in millions,', () => {
  it('are kept in bounded memory, and all of them are there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keelson-unawaited-'));
    try {
      const child = spawn(
        process.execPath,
        [
          `--max-old-space-size=${HEAP_MEGABYTES_MAX}`,
          '--input-type=module',
          '-e',
          PROGRAM,
          join(directory, 'db'),
        ],
        { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let output = '';
      child.stdout.on('data', (chunk) => {
        output += chunk;
      });
      const [code] = await once(child, 'close');
      expect(code).toBe(0);
      const { blockingDrains, wrong, maxRssMegabytes } = JSON.parse(output);
      expect(wrong).toBe(0);
      expect(blockingDrains).toBeGreaterThan(2);
      expect(maxRssMegabytes).toBeLessThan(RSS_MEGABYTES_MAX);
      console.log(`${PUTS} puts: ${blockingDrains} drains, at most ${maxRssMegabytes} MB resident`);
    } finally {
      await rm(directory, { recursive: true });
    }
  }, 180_000);
});
