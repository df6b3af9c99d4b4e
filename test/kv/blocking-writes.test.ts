// Blocking writes in a loop that gives the event loop no turn: what was handed to the thread pool could not come back,
// so every commit was pinned, and written twice. In a child process, whose memory is looked at.

import { describe, expect, it } from 'vitest';
import { jsonOf, runProgram, useDirectory } from '../native/native-tools.js';

const MIB = 1024 * 1024;

const here = useDirectory();

function run(engine: string, program: string): Promise<{ arrayBuffers: number; blockingCommits: number }> {
  const source = `
    import { open } from 'keelson';
    const db = await open(process.argv[1], { valueEncoding: 'bytes', engine: ${JSON.stringify(engine)} });
    ${program}
    const { arrayBuffers } = process.memoryUsage();
    const { blockingCommits } = db.stats().journal;
    await db.close();
    print({ arrayBuffers, blockingCommits });
  `;
  return jsonOf(runProgram(source, [here.at('db')]));
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
