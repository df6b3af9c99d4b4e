// Who takes part: the name of each store, its driver, and its one configuration in words, which the report prints.

import { isBuiltin } from 'node:module';

/**
 * `options` go to the driver. `preparedAs` names the store whose files a store reads, where it does not prepare its own.
 * `builtin` names the module of Node.js that a store needs, `package` that of the registry.
 */
export const STORES = {
  keelson: {
    title: 'Keelson',
    driver: 'keelson',
    configuration: 'defaults',
  },
  'keelson-fs': {
    title: 'Keelson, node:fs engine',
    driver: 'keelson',
    preparedAs: 'keelson',
    options: { engine: 'fs' },
    configuration: "defaults and `engine: 'fs'`, as on a system without io_uring; writes only",
  },
  'keelson-batch': {
    title: 'Keelson, gets and a batch',
    driver: 'keelson',
    preparedAs: 'keelson',
    options: { transactsBy: 'batch' },
    configuration:
      'defaults; two gets and a batch of two puts, which a turn of the event loop makes a transaction',
  },
  'keelson-plain': {
    title: 'Keelson, without it',
    driver: 'keelson',
    preparedAs: 'keelson',
    options: { feature: undefined },
    configuration: 'defaults; the same puts without a lifetime, an index or a reader',
  },
  'keelson-level': {
    title: 'KeelsonLevel',
    driver: 'keelson-level',
    configuration: 'defaults; JSON for objects, as classic-level has it',
  },
  'keelson-keyv': {
    title: 'KeyvKeelson',
    driver: 'keyv',
    package: 'keyv',
    options: { adapter: 'keelson' },
    configuration: 'defaults, under Keyv',
  },
  lmdb: {
    title: 'lmdb',
    driver: 'lmdb',
    package: 'lmdb',
    configuration:
      '`overlappingSync: false`, where `put` itself waits for the flush; a batch is `db.batch`; a transaction is `transactionSync`; shared structures for objects. An index is a database with `dupSort`, kept by an asynchronous `transaction` for each put. D and P are the same',
  },
  'lmdb-async': {
    title: 'lmdb, asynchronous',
    driver: 'lmdb',
    preparedAs: 'lmdb',
    options: { transactsBy: 'transaction' },
    configuration:
      'the same; a transaction is the asynchronous `transaction`, whose synchronous functions share commits and flushes',
  },
  'classic-level': {
    title: 'classic-level',
    driver: 'classic-level',
    package: 'classic-level',
    configuration:
      'defaults; `getSync`, `nextv` with room for the range, JSON for objects. An index is a sublevel, kept by a `batch` for each put. D: `sync: true`; P: `sync: false`',
  },
  'better-sqlite3': {
    title: 'better-sqlite3',
    driver: 'better-sqlite3',
    package: 'better-sqlite3',
    configuration:
      'WAL, a `WITHOUT ROWID` table, prepared statements, JSON text for objects. A lifetime is a column with an index, an index is one on an expression of the JSON text, and a feed is a table that triggers fill. D: `synchronous = FULL`; P: `NORMAL`',
  },
  'node-sqlite': {
    title: 'node:sqlite',
    driver: 'node-sqlite',
    builtin: 'node:sqlite',
    configuration: 'as better-sqlite3; where Node.js has the module',
  },
  rocksdb: {
    title: 'RocksDB',
    driver: 'rocksdb',
    package: '@nxtedition/rocksdb',
    configuration:
      'the package `@nxtedition/rocksdb` at its defaults; JSON for objects; a put is a batch of one. D: `sync: true`',
  },
  'deno-kv': {
    title: 'Deno KV',
    driver: 'deno-kv',
    package: '@deno/kv',
    configuration:
      'the package `@deno/kv`, local: SQLite in WAL with `synchronous = FULL`, so an `fsync` for each write. A lifetime is `expireIn`. A transaction is `getMany`, and an `atomic` with a check of both versions, again until it succeeds',
  },
  'keyv-sqlite': {
    title: '@keyv/sqlite',
    driver: 'keyv',
    package: '@keyv/sqlite',
    options: { adapter: 'sqlite' },
    configuration: 'defaults, under Keyv: SQLite with a rollback journal and `synchronous = FULL`',
  },
  'keyv-file': {
    title: 'keyv-file',
    driver: 'keyv',
    package: 'keyv-file',
    options: { adapter: 'file' },
    configuration: 'defaults without a delay of writes, under Keyv; reads only, because no write is flushed',
  },
  'memory-level': {
    title: 'memory-level',
    driver: 'memory-level',
    package: 'memory-level',
    isVolatile: true,
    configuration: 'defaults; reads only, nothing is on a disk',
  },
  floor: {
    title: 'C floor',
    configuration:
      '`bench/native/disk-floor.cc`: a C loop of `pwritev2(RWF_DSYNC)`, 4 KiB each, on a zero-written `O_DIRECT` file',
  },
};

/** Returns the store whose files a store reads: itself, if it prepares its own. */
export const preparedAs = (store) => STORES[store].preparedAs ?? store;

/** Returns what a store has of the feature that a trial asks for. */
export const featureOf = (store, feature) => ({ feature, ...STORES[store].options }).feature;

function canLoad({ builtin, package: name }) {
  if (builtin !== undefined) return isBuiltin(builtin);
  if (name === undefined) return true;
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** The stores that cannot take part: their modules are not installed, or not in the Node.js of this process. */
export const absentStores = () => Object.keys(STORES).filter((store) => !canLoad(STORES[store]));

/**
 * Opens a store. `kind` says what its values are (VALUES in workload.js), `durability` is a class of trials.js, `feature` is
 * one of FEATURES there, and `ttlMs` is how long entries live, where lifetimes are that feature.
 */
export async function openStore(store, directory, { kind, durability, feature, ttlMs }) {
  const { driver, options } = STORES[store];
  const { open } = await import(`./drivers/${driver}.js`);
  return open(directory, { kind, durability, feature, ttlMs, ...options });
}
