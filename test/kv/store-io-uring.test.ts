// The store's contract on the io_uring engine.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { createIoUringStorage } from '../../src/storage/index.js';
import { whyNoIoUring } from '../native/native-tools.js';
import { storeContract } from './store-contract.js';

const why = whyNoIoUring();

describe.skipIf(why !== null)(`with io_uring${why === null ? '' : ` (skipped: ${why})`}`, () => {
  storeContract('the io_uring engine', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'keelson-store-'));
    return {
      storage: createIoUringStorage(),
      directory: join(parent, 'store'),
      dispose: () => rm(parent, { recursive: true }),
    };
  });
});
