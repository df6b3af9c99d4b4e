// Who takes part: the name of each store, its driver, and its one configuration in words, which the report prints.

/** `options` go to the driver. `preparedAs` names the store whose files a store reads, where it does not prepare its own. */
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
  lmdb: {
    title: 'lmdb',
    driver: 'lmdb',
    package: 'lmdb',
    configuration:
      '`overlappingSync: false`, where `put` itself waits for the flush; a batch is `db.batch`; a transaction is `transactionSync`; shared structures for objects. D and P are the same',
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
      'defaults; `getSync`, `nextv` with room for the range, JSON for objects. D: `sync: true`; P: `sync: false`',
  },
  'better-sqlite3': {
    title: 'better-sqlite3',
    driver: 'better-sqlite3',
    package: 'better-sqlite3',
    configuration:
      'WAL, a `WITHOUT ROWID` table, prepared statements, JSON text for objects. D: `synchronous = FULL`; P: `NORMAL`',
  },
  'deno-kv': {
    title: 'Deno KV',
    driver: 'deno-kv',
    package: '@deno/kv',
    configuration:
      'the package `@deno/kv`, local: SQLite in WAL with `synchronous = FULL`. A transaction is `getMany`, and an `atomic` with a check of both versions, again until it succeeds',
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

/** Opens a store; `kind` says what its values are (VALUES in workload.js), `durability` is a class of trials.js. */
export async function openStore(store, directory, { kind, durability }) {
  const { driver, options } = STORES[store];
  const { open } = await import(`./drivers/${driver}.js`);
  return open(directory, { kind, durability, ...options });
}
