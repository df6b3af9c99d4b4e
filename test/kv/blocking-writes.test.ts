// Blocking writes in a loop that gives the event loop no turn: what was handed to the thread pool could not come back,
// so every commit was pinned, and written twice. In a child process, whose memory is looked at.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const MIB = 1024 * 1024;

async function run(
  engine: string,
  program: string,
): Promise<{ arrayBuffers: number; blockingCommits: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-blocking-'));
  try {
    const source = `
      import { open } from 'keelson';
      const db = await open(process.argv[1], { valueEncoding: 'bytes', engine: ${JSON.stringify(engine)} });
      ${program}
      const { arrayBuffers } = process.memoryUsage();
      const { blockingCommits } = db.stats().journal;
      await db.close();
      console.log(JSON.stringify({ arrayBuffers, blockingCommits }));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source, join(directory, 'db')], {
      cwd: process.cwd(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    return JSON.parse(output);
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe.each(['fs', 'auto'])('without a turn of the event loop, on the engine %s', (engine) => {
  it('half a gibibyte of puts keeps no more than the limit and its buffers', async () => {
    const program = `
      const value = new Uint8Array(65536);
      for (let i = 0; i < 8192; i++) db.put('k' + (i % 16), value);
    `;
    const { arrayBuffers, blockingCommits } = await run(engine, program);
    expect(blockingCommits).toBeGreaterThan(50);
    expect(arrayBuffers).toBeLessThan(3 * 64 * MIB);
  });

  it('a flush after every put keeps nothing', async () => {
    const program = `
      const value = new Uint8Array(100);
      for (let i = 0; i < 1000; i++) { db.put('k' + (i % 16), value); db.flushSync(); }
    `;
    const { arrayBuffers, blockingCommits } = await run(engine, program);
    expect(blockingCommits).toBeGreaterThanOrEqual(1000);
    expect(arrayBuffers).toBeLessThan(32 * MIB);
  });
});
