// How much longer takes the opening of a store that retains history?

import fs from 'node:fs';
import { warmPageCache } from './files.js';
import { openStore, secondsOf } from './workload.js';

const ENTRIES = 1_000_000;
const HISTORY_BYTES = 1024 ** 3;
const VALUE_BYTES = 4096;
const IN_FLIGHT = 256;
const RETAIN = { bytes: 64 * 1024 ** 3 };

export const title =
  'history: opening a store of 1 M entries with 1 GB of retained history, against the same without, page cache warm';

export const steps = {
  /** Puts all entries, then overwrites one entry until there is enough history, then makes an image. */
  async write({ directory, entries, historyBytes }) {
    const db = await openStore(directory, { retain: RETAIN, autoCheckpoint: false });
    for (let key = 0; key < entries; key++) {
      db.put(`key ${key}`, Buffer.from(`value ${key}`));
      if (key % IN_FLIGHT === 0) await db.drained();
    }
    const value = new Uint8Array(VALUE_BYTES);
    for (let bytes = 0; bytes < historyBytes; bytes += IN_FLIGHT * VALUE_BYTES) {
      for (let put = 0; put < IN_FLIGHT; put++) db.put('overwritten', value);
      await db.flush();
    }
    await db.checkpoint();
    await db.close();
    return {};
  },

  /** Makes a copy of a store without its history. */
  async forget({ directory }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    await db.checkpoint();
    await db.close();
    return {};
  },

  async open({ directory, entries }) {
    let db;
    const seconds = await secondsOf(async () => {
      db = await openStore(directory, { retain: RETAIN, autoCheckpoint: false });
    });
    if (db.size !== entries + 1) throw new Error('The store is not whole');
    const { segments } = db.stats().journal;
    await db.close();
    return { seconds, segments };
  },
};

function journalBytes(directory) {
  const sizes = fs.readdirSync(directory).filter((name) => name.endsWith('.journal'));
  return sizes.reduce((total, name) => total + fs.statSync(`${directory}/${name}`).size, 0);
}

export async function prepare({ run, directory, scaled }) {
  const [retained, plain] = [`${directory}/retained`, `${directory}/plain`];
  await run('write', { directory: retained, entries: scaled(ENTRIES), historyBytes: scaled(HISTORY_BYTES) });
  fs.cpSync(retained, plain, { recursive: true });
  await run('forget', { directory: plain });
}

export async function round({ run, prepared, scaled }) {
  const opened = {};
  for (const name of ['plain', 'retained']) {
    const directory = `${prepared}/${name}`;
    warmPageCache(directory);
    opened[name] = await run('open', { directory, entries: scaled(ENTRIES) });
  }
  const { plain, retained } = opened;
  return [
    { name: 'time to open against without history', value: retained.seconds / plain.seconds, goal: '≤ 1.1' },
    { name: 'seconds without history', value: plain.seconds },
    { name: 'seconds with history', value: retained.seconds },
    { name: 'MiB of journal with history', value: journalBytes(`${prepared}/retained`) / 2 ** 20 },
    { name: 'segments with history', value: retained.segments },
  ];
}
