// Who takes part: the name of each store, its driver, and the configuration in words, which the report prints. A `variant`
// is another configuration of a store: the better figure of all counts as that store's.

export const STORES = {
  keelson: {
    title: 'Keelson',
    driver: 'keelson',
    configuration: 'defaults',
  },
  lmdb: {
    title: 'lmdb',
    driver: 'lmdb',
    package: 'lmdb',
    configuration:
      'defaults; shared structures for objects. D: `put` and then its `flushed` (`separateFlushed`); P: `put`',
  },
  'lmdb-no-overlap': {
    title: 'lmdb, overlappingSync: false',
    driver: 'lmdb',
    variantOf: 'lmdb',
    options: { overlappingSync: false },
    configuration: 'the same with `overlappingSync: false`, where `put` itself waits for the flush',
  },
  'lmdb-transaction': {
    title: 'lmdb, transaction',
    driver: 'lmdb',
    variantOf: 'lmdb',
    options: { hasTransactions: true },
    configuration: 'the defaults; a batch is one `transaction` and then `flushed`, instead of `batch`',
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

/** The name under which figures are compared. */
export const familyOf = (store) => STORES[store].variantOf ?? store;

export async function openStore(store, directory, options) {
  const { driver, options: own } = STORES[store];
  const { open } = await import(`./drivers/${driver}.js`);
  return open(directory, { ...options, ...own });
}
