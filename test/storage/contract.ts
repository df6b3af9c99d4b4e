// The contract of the storage floor: the facts that hold for every engine, each in a directory of its own.
// An engine's own test file calls storageContract() and adds what only that engine promises.

import { describe, expect, test } from 'vitest';
import { filesContract } from './contract-files.js';
import { heldContract } from './contract-held.js';
import { logFilesContract } from './contract-log-files.js';
import { namesContract } from './contract-names.js';
import { BLOCK_BYTES, expectSameBytes, type MakeEnvironment, useEnvironment } from './contract-tools.js';

export function storageContract(name: string, makeEnvironment: MakeEnvironment): void {
  namesContract(name, makeEnvironment);
  filesContract(name, makeEnvironment);
  logFilesContract(name, makeEnvironment);
  heldContract(name, makeEnvironment);

  describe(`${name}: memory, identity, figures`, () => {
    const here = useEnvironment(makeEnvironment);

    test('allocated memory is zeroed, of the length asked for, and nobody else has it', () => {
      const one = here.storage.allocate(BLOCK_BYTES);
      const two = here.storage.allocate(BLOCK_BYTES);
      expectSameBytes(one, new Uint8Array(BLOCK_BYTES));
      one.fill(1);
      expectSameBytes(two, new Uint8Array(BLOCK_BYTES));
      expectSameBytes(here.storage.allocate(BLOCK_BYTES), new Uint8Array(BLOCK_BYTES));
    });

    test('this process is alive while it has its file open', async () => {
      const file = await here.storage.createFile(`${here.directory}/held`);
      expect(here.storage.liveness(here.storage.processIdentity)).toBe('live');
      await file.close();
    });

    test('random bytes have the length asked for, and differ', () => {
      const one = here.storage.randomBytes(16);
      expect(one).toHaveLength(16);
      expect(Buffer.compare(one, here.storage.randomBytes(16))).not.toBe(0);
      expect(here.storage.randomBytes(0)).toHaveLength(0);
    });

    test('time never goes back', () => {
      let before = here.storage.nowMs();
      for (let look = 0; look < 1000; look++) {
        const now = here.storage.nowMs();
        expect(now).toBeGreaterThanOrEqual(before);
        before = now;
      }
    });

    test('the wall clock shows whole milliseconds since 1970', () => {
      const wallMs = here.storage.wallMs();
      expect(Number.isSafeInteger(wallMs)).toBe(true);
      expect(new Date(wallMs).getUTCFullYear()).toBeGreaterThanOrEqual(2025);
    });

    test('a timer that was cancelled does not fire, and may be cancelled again', () => {
      const timer = here.storage.startTimer(86_400_000, () => {
        throw new Error('it fired');
      });
      timer.cancel();
      timer.cancel();
    });

    test('the report says which engine runs, and why in a sentence', () => {
      expect(['fs', 'io_uring', 'simulated']).toContain(here.storage.report.engine);
      expect(here.storage.report.engineReason).toMatch(/^\p{Lu}.* .*\.$/u);
    });
  });
}
