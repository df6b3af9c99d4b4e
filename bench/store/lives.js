// What do many short lives of a small store leave? Each opens it, writes the one key that it has, and closes it.

import fs from 'node:fs';
import path from 'node:path';
import { directoryBytes, MIB } from './files.js';
import { keyAt, openStore, secondsOf, valueAt } from './workload.js';

const LIVES = 200;
const FEW_LIVES = 15;

export const title = 'lives: a store of one key, opened, written once and closed, 200 times';

/** Bytes of all files by their sizes: what a copy of them takes. */
const bytesBySize = (directory) =>
  fs.readdirSync(directory).reduce((sum, name) => sum + fs.statSync(path.join(directory, name)).size, 0);

export const steps = {
  async lives({ directory, lives }) {
    let few = 0;
    let onDisk = 0;
    let bySize = 0;
    let open = 0;
    const seconds = await secondsOf(async () => {
      for (let life = 1; life <= lives; life++) {
        const db = await openStore(directory);
        await db.put(keyAt(0), valueAt(life));
        open = Math.max(open, directoryBytes(directory));
        await db.close();
        onDisk = Math.max(onDisk, directoryBytes(directory));
        bySize = Math.max(bySize, bytesBySize(directory));
        if (life === FEW_LIVES) few = directoryBytes(directory);
      }
    });
    return { few, onDisk, bySize, open, msEach: (seconds / lives) * 1000 };
  },
};

export async function round({ run, directory, scaled }) {
  const { few, onDisk, bySize, open, msEach } = await run('lives', { directory, lives: scaled(LIVES) });
  return [
    { name: 'largest directory after a close, on the disk, MiB', value: onDisk / MIB, goal: '≤ 2' },
    { name: 'the same by the sizes of the files, MiB', value: bySize / MIB, goal: '≤ 2' },
    { name: `after ${FEW_LIVES} of them, on the disk, MiB`, value: few / MIB },
    { name: 'largest directory while open, MiB', value: open / MIB },
    { name: 'a life, ms', value: msEach },
  ];
}
