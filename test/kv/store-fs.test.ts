// The store's contract on real files.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFsStorage } from '../../src/storage/index.js';
import { storeContract } from './store-contract.js';

storeContract('the node:fs engine', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'keelson-store-'));
  return {
    storage: createFsStorage(),
    directory: join(parent, 'store'),
    dispose: () => rm(parent, { recursive: true }),
  };
});
