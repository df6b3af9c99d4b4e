// The lock's file with anything in it: the directory is taken or KEELSON_LOCKED, and it is never taken from an owner
// that lives and says so.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lockDirectory } from '../../src/journal/internal.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { anyBytes, codeOfError, runs } from './fuzz-tools.js';

const LOCK_BYTES_MAX = 1000;

async function lockIn(storage: Storage, number: number, contents: Uint8Array): Promise<string> {
  const file = await storage.createFile(`/data/LOCK.${number}`);
  if (contents.length > 0) await file.write(contents, 0);
  await file.close();
  try {
    const lock = await lockDirectory(storage, '/data');
    await lock.release();
    return 'taken';
  } catch (error) {
    return codeOfError(error);
  }
}

const number = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(0, 10 ** 15 - 2));
const word = fc.oneof(
  { weight: 4, arbitrary: fc.constant('held ') },
  fc.constantFrom('free ', 'Held ', 'hel', 'held', ''),
);
const anything = fc.oneof(
  fc.constantFrom('', 'x', 'simulated'),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.object(),
);

function text(string: string): Uint8Array {
  return new TextEncoder().encode(string);
}

describe("a lock's file", () => {
  test('of any bytes, or any JSON, is taken over or KEELSON_LOCKED', async () => {
    const owner = fc.record(
      {
        bootId: anything,
        pidNamespace: anything,
        pid: anything,
        startTime: anything,
        flock: anything,
        instance: anything,
      },
      { requiredKeys: [] },
    );
    const contents = fc.oneof(
      anyBytes(5000),
      fc.tuple(word, fc.json()).map(([start, json]) => text(start + json)),
      fc.tuple(word, owner).map(([start, json]) => text(`${start}${JSON.stringify(json)}\n`)),
    );
    await fc.assert(
      fc.asyncProperty(number, contents, async (of, bytes) => {
        const outcome = await lockIn(
          new SimulatedDisk({ seed: 1, directories: ['/data'] }).life(),
          of,
          bytes,
        );
        assert(outcome === 'taken' || outcome === 'KEELSON_LOCKED', outcome);
      }),
      runs(500),
    );
  });

  test('of an owner that lives is KEELSON_LOCKED, whatever else it says and however it is written', async () => {
    await fc.assert(
      fc.asyncProperty(number, fc.dictionary(fc.string(), anything), fc.nat(3), async (of, more, spaces) => {
        const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
        const { processIdentity } = disk.life();
        const json = JSON.stringify({ ...more, ...processIdentity, flock: false }, null, spaces);
        // Longer than any lock is: what is cut off cannot be read.
        fc.pre(json.length < LOCK_BYTES_MAX);
        const outcome = await lockIn(disk.life(), Math.max(1, of), text(`held ${json}`));
        expect(outcome).toBe('KEELSON_LOCKED');
      }),
      runs(200),
    );
  });
});
