// The trials: what each measures, who takes part, and the goals.

/** Figures that a measurement returns: their names in reports, and which way is better. */
export const FIGURES = {
  perSecond: { title: 'per second', isLessBetter: false },
  p50Ms: { title: 'p50, ms', isLessBetter: true },
  p99Ms: { title: 'p99, ms', isLessBetter: true },
  longestTurnMs: { title: 'longest turn without garbage collection, ms', isLessBetter: true },
  conflictPercent: { title: 'conflicts, %', isLessBetter: true },
  diskMb: { title: 'on disk, MB', isLessBetter: true },
  rssMb: { title: 'RSS over an empty process, MB', isLessBetter: true },
  openMs: { title: 'ms', isLessBetter: true },
};

/**
 * What an acknowledgement means; never compared across. `D`: it survives power loss. `P`: it survives the death of the
 * process only. Keelson has no class P: what its `durability: 'memory'` acknowledges is not yet written at all.
 */
export const DURABILITY = { D: 'survives power loss', P: 'survives the death of the process' };

/**
 * What a trial may ask a driver for beyond entries: `ttl`, puts with a lifetime of `ttlMs`; `index`, an index by the field
 * `email`; `feed`, a reader that is told all changes.
 */
export const FEATURES = ['ttl', 'index', 'feed'];

const SQLITES = ['better-sqlite3', 'node-sqlite'];
const WRITERS = ['keelson', 'keelson-fs', 'lmdb', 'classic-level', ...SQLITES];
const CONCURRENT_WRITERS = ['keelson', 'keelson-fs', 'lmdb'];
const KEEPERS = ['keelson', 'lmdb', 'classic-level', ...SQLITES];
const READERS = [...KEEPERS, 'memory-level'];
const WRITERS_P = ['lmdb', 'classic-level', ...SQLITES];
const WITH_AND_WITHOUT = ['keelson', 'keelson-fs', 'keelson-plain'];
const LEVELS = ['keelson-level', 'classic-level'];
const CONCURRENT_WRITERS_P = ['lmdb', 'classic-level'];

const LATENCY_FIGURES = ['perSecond', 'p50Ms', 'p99Ms'];
const CONCURRENT_FIGURES = [...LATENCY_FIGURES, 'longestTurnMs'];

const atLeast = (figure, ratios, of) =>
  Object.entries(ratios).map(([over, ratio]) => ({ ...(of && { of }), figure, over, atLeast: ratio }));

/** Keelson's own bound for many puts in flight. */
const SHORT_TURNS = { figure: 'longestTurnMs', atMost: 10 };

const IN_FLIGHT = 1000;
const FIRST_PUTS = 3000;
const HOUR_MS = 3_600_000;
const NOT_IN_FLIGHT =
  'better-sqlite3 and node:sqlite are synchronous: two of their puts are never in flight at once. Their figures for one at a time count here too.';
const NOT_REALLY_IN_FLIGHT =
  'The puts of better-sqlite3 and node:sqlite are synchronous, so one of them is in flight at a time, with a flush of its own, and nothing watches their turns.';

const SYNC_IS_COPIED =
  'classic-level needs the option `sync: true` to be durable, and abstract-level copies the options of a batch into each of its operations. KeelsonLevel is durable without an option.';

const LMDB_IS_D =
  'lmdb has one configuration here, which flushes before the promise of `put` resolves. So its figures are figures of class D.';

/**
 * `isPrepared`: the store holds the entries before the process starts. `isWriting`: the process gets a copy of them, because
 * it writes. `isInSizes`: a full run varies the number of entries. `isFullOnly`: a quick run leaves the trial out, to keep
 * its ten minutes.
 *
 * A goal judges a `figure` of the store `of` (Keelson, if it names none): its ratio to the figure of the store `over` in the
 * same round, or the figure itself, if the goal has no `over`.
 */
export const TRIALS = [
  {
    name: 'put-first',
    title: 'The first 3,000 durable puts of a new store, one at a time',
    measurement: 'putFirst',
    durability: 'D',
    stores: [...WRITERS, 'floor'],
    parameters: { values: 'objects', puts: FIRST_PUTS },
    figures: LATENCY_FIGURES,
    goals: atLeast('perSecond', { floor: 0.75, 'better-sqlite3': 1 }),
    note: 'There is no warm-up. Opening the store does not count.',
  },
  {
    name: 'put-lone',
    title: 'Durable put, one at a time',
    measurement: 'put',
    durability: 'D',
    stores: [...WRITERS, 'rocksdb', 'deno-kv', 'floor'],
    parameters: { values: 'objects', order: 'ascending', inFlight: 1 },
    figures: LATENCY_FIGURES,
    goals: atLeast('perSecond', { lmdb: 3.2, 'classic-level': 2, 'better-sqlite3': 1.2, floor: 0.85 }),
  },
  {
    name: 'put-ascending',
    title: 'Durable put, 1,000 in flight, ascending new keys',
    measurement: 'put',
    durability: 'D',
    stores: [...CONCURRENT_WRITERS, 'classic-level'],
    parameters: { values: 'objects', order: 'ascending', inFlight: IN_FLIGHT },
    figures: CONCURRENT_FIGURES,
    goals: [
      ...atLeast('perSecond', { lmdb: 1 }),
      { figure: 'p99Ms', over: 'lmdb', atMost: 1.5 },
      SHORT_TURNS,
      { of: 'keelson-fs', figure: 'perSecond', over: 'keelson', atLeast: 0.8 },
    ],
    note: NOT_IN_FLIGHT,
  },
  {
    name: 'put-new-random',
    title: 'Durable put, 1,000 in flight, random new keys',
    measurement: 'put',
    durability: 'D',
    stores: CONCURRENT_WRITERS,
    parameters: { values: 'objects', order: 'scattered', inFlight: IN_FLIGHT },
    figures: CONCURRENT_FIGURES,
    goals: [...atLeast('perSecond', { lmdb: 2 }), SHORT_TURNS],
  },
  {
    name: 'put-random',
    title: 'Durable put, 1,000 in flight, random existing keys',
    measurement: 'put',
    durability: 'D',
    stores: [...CONCURRENT_WRITERS, 'classic-level'],
    isPrepared: true,
    isWriting: true,
    isInSizes: true,
    parameters: { values: 'objects', order: 'existing', inFlight: IN_FLIGHT },
    figures: CONCURRENT_FIGURES,
    goals: [
      ...atLeast('perSecond', { lmdb: 5.5 }),
      { figure: 'p99Ms', over: 'lmdb', atMost: 0.5 },
      SHORT_TURNS,
    ],
    note: NOT_IN_FLIGHT,
  },
  ...[
    [100, { lmdb: 1.4 }, [SHORT_TURNS]],
    [10_000, { lmdb: 0.75 }, []],
  ].map(([inFlight, ratios, bounds]) => ({
    name: `put-window-${inFlight}`,
    title: `Durable put, ${inFlight.toLocaleString('en')} in flight, ascending new keys`,
    measurement: 'put',
    durability: 'D',
    isFullOnly: true,
    stores: CONCURRENT_WRITERS,
    parameters: { values: 'objects', order: 'ascending', inFlight },
    figures: CONCURRENT_FIGURES,
    goals: [...atLeast('perSecond', ratios), ...bounds],
  })),
  ...[
    ['20b', '20 bytes', { lmdb: 1 }],
    ['1kb', '1,000 bytes', { lmdb: 1 }],
    ['10kb', '10,000 bytes', { lmdb: 0.9 }],
  ].map(([size, title, ratios]) => ({
    name: `put-${size}`,
    title: `Durable put of ${title}, 1,000 in flight, ascending new keys`,
    measurement: 'put',
    durability: 'D',
    isFullOnly: true,
    stores: CONCURRENT_WRITERS,
    parameters: { values: `objects-${size}`, order: 'ascending', inFlight: IN_FLIGHT },
    figures: CONCURRENT_FIGURES,
    goals: [...atLeast('perSecond', ratios), SHORT_TURNS],
  })),
  {
    name: 'batch',
    title: 'Durable batches of 1,000 new keys, one batch at a time, in entries',
    measurement: 'batch',
    durability: 'D',
    stores: [...WRITERS, 'rocksdb'],
    parameters: { values: 'objects' },
    figures: ['perSecond'],
    goals: atLeast('perSecond', { lmdb: 1, 'better-sqlite3': 1.6 }),
  },
  {
    name: 'transactions',
    title:
      'Durable transactions of two gets and two puts, synchronous, 1,000 in flight, random existing keys',
    measurement: 'transact',
    durability: 'D',
    isFullOnly: true,
    stores: ['keelson', 'keelson-fs', 'keelson-batch', 'lmdb', 'lmdb-async', ...SQLITES],
    isPrepared: true,
    isWriting: true,
    parameters: { values: 'objects', method: 'transact', inFlight: IN_FLIGHT },
    figures: CONCURRENT_FIGURES,
    goals: atLeast('perSecond', { 'keelson-batch': 0.8, lmdb: 2, 'better-sqlite3': 2 }),
    note: 'The transactions of better-sqlite3 and node:sqlite and the `transactionSync` of lmdb are durable when they return, so two of them are never in flight at once. They run one after another here, with a flush each. The asynchronous `transaction` of lmdb is what its documentation recommends instead.',
  },
  {
    name: 'async-transactions',
    title:
      'Durable transactions of two reads, an `await` and two writes, 100 in flight, 1 % conflicts, random existing keys',
    measurement: 'transact',
    durability: 'D',
    isFullOnly: true,
    stores: ['keelson', 'keelson-fs', 'deno-kv'],
    isPrepared: true,
    isWriting: true,
    parameters: { values: 'objects', method: 'transactAsync', inFlight: 100, conflictEvery: 100 },
    figures: [...CONCURRENT_FIGURES, 'conflictPercent'],
    goals: [{ figure: 'perSecond', atLeast: 100_000 }],
    note: 'No other store here has transactions that wait and that others may run beside. Deno KV comes nearest: it reads versions, and checks them in an atomic write. The `await` of Keelson waits for a microtask; those of Deno KV wait for its thread. Each hundredth transaction takes a key of the one before it, which is still in flight. A transaction that meets a conflict is tried again, and counts once.',
  },
  ...[
    ['strings', { lmdb: 2 }],
    ['binaries', { lmdb: 2.5 }],
    ['objects', { lmdb: 1.5, 'classic-level': 3, 'better-sqlite3': 4 }],
  ].map(([values, goals]) => ({
    name: `get-${values}`,
    title: `Get, random keys, ${values}`,
    measurement: 'get',
    stores: READERS,
    isPrepared: true,
    isInSizes: values === 'objects',
    parameters: { values },
    figures: ['perSecond'],
    goals: atLeast('perSecond', goals),
  })),
  ...[
    ['scan-keys', 'keys only', 'keys', 'objects', { lmdb: 2 }],
    ['scan-binaries', 'entries of binaries', 'entries', 'binaries', { lmdb: 3 }],
    ['scan-objects', 'entries of objects', 'entries', 'objects', { lmdb: 1 }],
  ].map(([name, title, part, values, goals]) => ({
    name,
    title: `Range scan, 1,000 from a random key on: ${title}`,
    measurement: 'scan',
    stores: READERS,
    isPrepared: true,
    isInSizes: name === 'scan-objects',
    parameters: { values, part },
    figures: ['perSecond'],
    goals: atLeast('perSecond', goals),
  })),
  {
    name: 'load',
    title: 'Loading in durable batches of 1,000: disk of the closed store, memory of the open one',
    measurement: 'load',
    durability: 'D',
    stores: KEEPERS,
    parameters: { values: 'objects' },
    figures: ['diskMb', 'rssMb', 'perSecond'],
    goals: [
      { figure: 'diskMb', over: 'lmdb', atMost: 1 },
      { figure: 'rssMb', atMost: 280 },
    ],
    note: 'RSS includes pages of a mapped file that the system could take back, so lmdb would run with less memory.',
  },
  {
    name: 'open',
    title: 'Opening a closed store, up to the first value, page cache warm',
    measurement: 'opening',
    stores: KEEPERS,
    isPrepared: true,
    parameters: { values: 'objects' },
    figures: ['openMs', 'rssMb'],
    goals: [{ figure: 'rssMb', atMost: 280 }],
    note: 'lmdb maps its file and wins, at any size. Keelson loads all data. The others read data when a program asks for it.',
  },
  {
    name: 'put-ttl',
    title: 'Durable put with a lifetime, 1,000 in flight, random new keys',
    measurement: 'put',
    durability: 'D',
    isFullOnly: true,
    stores: [...WITH_AND_WITHOUT, 'deno-kv', ...SQLITES],
    parameters: {
      values: 'objects',
      order: 'scattered',
      inFlight: IN_FLIGHT,
      feature: 'ttl',
      ttlMs: HOUR_MS,
    },
    figures: CONCURRENT_FIGURES,
    goals: atLeast('perSecond', { 'keelson-plain': 0.85 }),
    note: `Each entry lives for an hour, so that none expires meanwhile. lmdb and Level have no lifetimes. SQLite has none either: a column and an index stand for it here, without what removes the entries. ${NOT_REALLY_IN_FLIGHT}`,
  },
  {
    name: 'put-index',
    title: 'Durable put of another value with an index, 1,000 in flight, random existing keys',
    measurement: 'put',
    durability: 'D',
    isFullOnly: true,
    stores: [...WITH_AND_WITHOUT, 'lmdb', 'classic-level', ...SQLITES],
    isPrepared: true,
    isWriting: true,
    parameters: { values: 'objects', order: 'existing', inFlight: IN_FLIGHT, feature: 'index' },
    figures: CONCURRENT_FIGURES,
    goals: atLeast('perSecond', { 'keelson-plain': 0.6, lmdb: 2, 'classic-level': 10 }),
    note: `The index is by e-mail address, which each put changes. SQLite keeps indexes itself. lmdb and Level do not: the program looks for the old address, and changes the index with the entry in one transaction or batch. ${NOT_REALLY_IN_FLIGHT}`,
  },
  {
    name: 'get-index',
    title: 'Get by an index, random e-mail addresses',
    measurement: 'get',
    isFullOnly: true,
    stores: KEEPERS,
    isPrepared: true,
    parameters: { values: 'objects', feature: 'index', method: 'getByEmail' },
    figures: ['perSecond'],
    goals: atLeast('perSecond', { lmdb: 1, 'better-sqlite3': 2 }),
    note: 'All values with an address are asked for, and there is one. Level has asynchronous iterators only, so its gets are awaited one after another. The index of Keelson is in memory and is built when the store is opened, which does not count.',
  },
  {
    name: 'put-feed',
    title: 'Durable put with a reader of all changes, 1,000 in flight, ascending new keys',
    measurement: 'put',
    durability: 'D',
    isFullOnly: true,
    stores: [...WITH_AND_WITHOUT, 'classic-level', ...SQLITES],
    parameters: { values: 'objects', order: 'ascending', inFlight: IN_FLIGHT, feature: 'feed' },
    figures: CONCURRENT_FIGURES,
    goals: atLeast('perSecond', { 'keelson-plain': 0.85 }),
    note: `The time ends when the reader has been told all. No rival has a feed that a reader can resume after a crash. The events of classic-level come nearest: who does not listen misses them. A table that triggers fill, read in one query at the end, is what a program builds on SQLite. \`watch\` of Deno KV tells the latest state of up to ten keys, so it is left out. ${NOT_REALLY_IN_FLIGHT}`,
  },
  ...[
    [
      'level-put',
      'put, 1,000 in flight, ascending new keys',
      'put',
      { order: 'ascending', inFlight: IN_FLIGHT },
      { figures: CONCURRENT_FIGURES, goal: 5 },
    ],
    ['level-batch', 'batches of 1,000 new keys, one batch at a time, in entries', 'batch', {}, { goal: 5 }],
  ].map(([name, title, measurement, parameters, { figures = ['perSecond'], goal }]) => ({
    name,
    title: `Through abstract-level: durable ${title}`,
    measurement,
    durability: 'D',
    isFullOnly: true,
    stores: LEVELS,
    parameters: { values: 'objects', ...parameters },
    figures,
    goals: atLeast('perSecond', { 'classic-level': goal }, 'keelson-level'),
    note: SYNC_IS_COPIED,
  })),
  ...[
    ['level-get', 'get, random keys, awaited one after another', 'get', { method: 'getAsync' }],
    ['level-scan', 'range scan, 1,000 entries from a random key on', 'scan', { part: 'entries' }],
  ].map(([name, title, measurement, parameters]) => ({
    name,
    title: `Through abstract-level: ${title}`,
    measurement,
    isFullOnly: true,
    stores: LEVELS,
    isPrepared: true,
    parameters: { values: 'objects', ...parameters },
    figures: ['perSecond'],
    goals: atLeast('perSecond', { 'classic-level': 1 }, 'keelson-level'),
  })),
  {
    name: 'keyv-set',
    title: 'Through Keyv: durable set, 100 in flight, new keys',
    measurement: 'put',
    durability: 'D',
    isFullOnly: true,
    stores: ['keelson-keyv', 'keyv-sqlite'],
    parameters: { values: 'objects', order: 'ascending', inFlight: 100 },
    figures: CONCURRENT_FIGURES,
    goals: atLeast('perSecond', { 'keyv-sqlite': 3 }, 'keelson-keyv'),
    note: "keyv-file does not flush, so it takes no part: `node bench/keyv.js` compares it with `durability: 'memory'`.",
  },
  {
    name: 'keyv-get',
    title: 'Through Keyv: get, random keys of 10,000 entries, awaited one after another',
    measurement: 'get',
    isFullOnly: true,
    stores: ['keelson-keyv', 'keyv-sqlite', 'keyv-file'],
    parameters: { values: 'objects', entries: 10_000, isFilledHere: true },
    figures: ['perSecond'],
    goals: atLeast('perSecond', { 'keyv-sqlite': 3, 'keyv-file': 1 }, 'keelson-keyv'),
  },
  ...[
    ['put-lone-p', 'Put, one at a time', 'put', WRITERS_P, { order: 'ascending', inFlight: 1 }, []],
    [
      'put-ascending-p',
      'Put, 1,000 in flight, ascending new keys',
      'put',
      CONCURRENT_WRITERS_P,
      { order: 'ascending', inFlight: IN_FLIGHT },
      ['longestTurnMs'],
    ],
    ['batch-p', 'Batches of 1,000 new keys, in entries', 'batch', WRITERS_P, {}, []],
  ].map(([name, title, measurement, stores, parameters, figures]) => ({
    name,
    title,
    measurement,
    durability: 'P',
    isFullOnly: true,
    stores,
    parameters: { values: 'objects', ...parameters },
    figures: ['perSecond', ...figures],
    goals: [],
    note: LMDB_IS_D,
  })),
];

/** Ten times the entries may cost so many times as much, for the caches of a processor; more than that is a cliff. */
export const CLIFF_RATIO = 3;

/** Of a store that keeps nothing, and so is filled in each process. */
export const VOLATILE_ENTRIES_MAX = 1_000_000;
