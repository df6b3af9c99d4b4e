// How much disk does a store take that holds next to nothing?

import { directoryBytes, MIB } from './files.js';
import { keyAt, openStore, valueAt } from './workload.js';

export const title = 'empty: a store opened, written once and closed';

export const steps = {
  async writeOnce({ directory }) {
    const db = await openStore(directory);
    await db.put(keyAt(0), valueAt(0));
    const open = directoryBytes(directory);
    await db.close();
    return { open, closed: directoryBytes(directory) };
  },
};

export async function round({ run, directory }) {
  const { open, closed } = await run('writeOnce', { directory });
  return [
    { name: 'directory while open, MiB', value: open / MIB },
    { name: 'directory when closed, MiB', value: closed / MIB, goal: '≤ 2.5' },
  ];
}
