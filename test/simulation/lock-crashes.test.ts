// The lock across power cuts and kills, for openers that lack the addon: nothing but files and sockets tells them who lives.
// test/models/power-cut.pml is the same as a model.

import { expect, test } from 'vitest';
import { lockDirectory } from '../../src/journal/directory/directory-lock.js';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes } from '../../src/testing/index.js';
import { heldWith } from '../storage/wrapped-storage.js';

const DIRECTORY = '/data/db';

function withoutAddon(storage: Storage): Storage {
  return new Proxy(storage, {
    get(target, name) {
      if (name !== 'holdDirectory') return Reflect.get(target, name, target);
      return async (path: string) => {
        const held = await target.holdDirectory(path);
        return { ...heldWith(held, held.storage), lock: () => 'unknown', probeLock: () => 'unknown' };
      };
    },
  });
}

// A power cut kept a lock that said it was held, and lost the name of its socket, by three ways: the socket was not durable
// when the lock named it; it was removed before the lock said durably that it was free; or it was cleared away, as that of
// a dead owner, before the next owner's lock was durable. Then nobody got the lock until a person removed a file.
test.each([
  ['has the addon', (storage: Storage) => storage],
  ['lacks the addon', withoutAddon],
])(
  'after any crashes of owners, every other of which %s, an opener without it gets the lock',
  async (_, other) => {
    const { states } = await exploreCrashes({
      seed: 7,
      statesMax: 1000,
      nestedDepth: 3,
      nestedStates: 3,
      disk: { directories: [DIRECTORY] },
      workload: async (storage) => {
        for (let life = 0; life < 3; life++) await (await lockDirectory(other(storage), DIRECTORY)).release();
      },
      recover: async (storage) => {
        await (await lockDirectory(withoutAddon(storage), DIRECTORY)).release();
        return lockDirectory(other(storage), DIRECTORY);
      },
      verify: (lock) => lock.release(),
    });
    expect(states).toBeGreaterThan(500);
  },
);
