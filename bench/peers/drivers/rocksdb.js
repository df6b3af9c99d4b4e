// RocksDB by the package @nxtedition/rocksdb, at its defaults. Its `put` drops the option `sync`, so a put is a batch of one here.
// A write is done, with its flush, when the call returns, although a promise comes with it.

import { RocksLevel } from '@nxtedition/rocksdb';
import { levelHandle, levelOptions } from './level.js';

export async function open(directory, { kind, durability }) {
  const db = new RocksLevel(directory, levelOptions(kind));
  await db.open();
  const how = { sync: durability === 'D' };
  const handle = levelHandle(db, how);
  return {
    ...handle,
    put: (key, value) => db.batch([{ type: 'put', key, value }], how),
    putsSynchronously: true,
    get: handle.getAsync,
  };
}
