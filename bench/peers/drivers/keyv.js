// Keyv over an adapter. Class D is the default of KeyvKeelson, and of @keyv/sqlite with the default mode of SQLite. keyv-file
// keeps everything in memory and writes the whole file without a flush: it takes part in reads only.

import path from 'node:path';
import Keyv from 'keyv';

/** Functions from a directory, and options of KeyvKeelson, to an adapter. */
export const ADAPTERS = {
  async keelson(directory, options) {
    const { KeyvKeelson } = await import('../../../dist/keyv/index.js');
    return new KeyvKeelson(path.join(directory, 'keelson'), options);
  },
  async sqlite(directory) {
    const { default: KeyvSqlite } = await import('@keyv/sqlite');
    return new KeyvSqlite(`sqlite://${path.join(directory, 'sqlite')}`);
  },
  async file(directory) {
    const { KeyvFile } = await import('keyv-file');
    return new KeyvFile({ filename: path.join(directory, 'file.json'), writeDelay: 0 });
  },
  map: () => new Map(),
};

export const openKeyv = async (adapter, directory, options) =>
  new Keyv({ store: await ADAPTERS[adapter](directory, options), throwOnErrors: true });

export async function open(directory, { adapter }) {
  const keyv = await openKeyv(adapter, directory);
  return {
    put: (key, value) => keyv.set(key, value),
    batch: (operations) => Promise.all(operations.map(({ key, value }) => keyv.set(key, value))),
    get: (key) => keyv.get(key),
    async keys(gte, limit, visit) {
      const keys = [];
      for await (const [key] of keyv.iterator()) if (key >= gte) keys.push(key);
      for (const key of keys.sort().slice(0, limit)) visit(key);
    },
    settle() {},
    close: () => keyv.disconnect(),
  };
}
