// The store's contract on the simulated disk.

import { SimulatedDisk } from '../../src/testing/index.js';
import { storeContract } from './store-contract.js';

storeContract('the simulated disk', async () => {
  const disk = new SimulatedDisk({ seed: 7, directories: ['/data'] });
  return { storage: disk.life(), directory: '/data/store', dispose: async () => disk.halt() };
});
