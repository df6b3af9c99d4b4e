// The simulated disk keeps the same contract as every other engine.

import { SimulatedDisk } from '../../src/testing/index.js';
import { storageContract } from '../storage/contract.js';

let seed = 0;

storageContract('simulated disk', async () => {
  // Another seed, so another order of completions, for each fact.
  seed += 1;
  const disk = new SimulatedDisk({ seed, directories: ['/store'] });
  return { storage: disk.life(), directory: '/store', dispose: async () => disk.halt() };
});
