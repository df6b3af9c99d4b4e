// The trials: what each measures, who takes part, and what Keelson is to reach. A goal over a rival is a ratio of two figures
// of the same round; one without is a bound of Keelson's own figure.

/** Figures that a measurement returns: their names in reports, and which way is better. */
export const FIGURES = {
  perSecond: { title: 'per second', isLessBetter: false },
  p50Ms: { title: 'p50, ms', isLessBetter: true },
  p99Ms: { title: 'p99, ms', isLessBetter: true },
  diskMb: { title: 'on disk, MB', isLessBetter: true },
  rssMb: { title: 'RSS over an empty process, MB', isLessBetter: true },
  openMs: { title: 'ms', isLessBetter: true },
};

/**
 * What an acknowledgement means; never compared across. `D`: it survives power loss. `P`: it survives the death of the
 * process only. Keelson has no class P: what its `durability: 'memory'` acknowledges is not yet written at all.
 */
export const DURABILITY = { D: 'survives power loss', P: 'survives the death of the process' };

const WRITERS = ['keelson', 'lmdb', 'lmdb-no-overlap', 'classic-level', 'better-sqlite3'];
const CONCURRENT_WRITERS = ['keelson', 'lmdb', 'lmdb-no-overlap', 'classic-level'];
const READERS = ['keelson', 'lmdb', 'classic-level', 'better-sqlite3', 'memory-level'];
const KEEPERS = ['keelson', 'lmdb', 'classic-level', 'better-sqlite3'];
const WRITERS_P = ['lmdb', 'classic-level', 'better-sqlite3'];
const CONCURRENT_WRITERS_P = ['lmdb', 'classic-level'];

const atLeast = (figure, ratios) =>
  Object.entries(ratios).map(([over, ratio]) => ({ figure, over, atLeast: ratio }));

const IN_FLIGHT = 1000;
const NOT_IN_FLIGHT =
  'better-sqlite3 is synchronous: two of its puts are never in flight at once. Its figure for one at a time counts here too.';

const LMDB_FLUSHES =
  'lmdb 3.5.6 flushes before the promise of `put` resolves, as strace shows, although its documentation promises that only for `flushed`. So its figures are figures of class D.';

/** `isPrepared`: the store holds the entries before the process starts; `isWriting`: on a copy of it, because it is written to. */
export const TRIALS = [
  {
    name: 'put-lone',
    title: 'Durable put, one at a time',
    measurement: 'put',
    durability: 'D',
    stores: [...WRITERS, 'floor'],
    parameters: { values: 'objects', order: 'ascending', inFlight: 1 },
    figures: ['perSecond', 'p50Ms', 'p99Ms'],
    goals: atLeast('perSecond', { lmdb: 3.5, 'classic-level': 1.7, 'better-sqlite3': 1.3, floor: 0.7 }),
  },
  {
    name: 'put-ascending',
    title: 'Durable put, 1,000 in flight, ascending new keys',
    measurement: 'put',
    durability: 'D',
    stores: CONCURRENT_WRITERS,
    parameters: { values: 'objects', order: 'ascending', inFlight: IN_FLIGHT },
    figures: ['perSecond', 'p50Ms', 'p99Ms'],
    goals: [
      ...atLeast('perSecond', { lmdb: 2, 'classic-level': 20 }),
      { figure: 'p99Ms', over: 'lmdb', atMost: 0.5 },
    ],
    note: NOT_IN_FLIGHT,
  },
  {
    name: 'put-random',
    title: 'Durable put, 1,000 in flight, random existing keys',
    measurement: 'put',
    durability: 'D',
    stores: CONCURRENT_WRITERS,
    isPrepared: true,
    isWriting: true,
    isInSizes: true,
    parameters: { values: 'objects', order: 'random', inFlight: IN_FLIGHT },
    figures: ['perSecond', 'p50Ms', 'p99Ms'],
    goals: [...atLeast('perSecond', { lmdb: 3 }), { figure: 'p99Ms', over: 'lmdb', atMost: 0.5 }],
    note: NOT_IN_FLIGHT,
  },
  {
    name: 'batch',
    title: 'Durable batches of 1,000 new keys, one batch at a time, in entries',
    measurement: 'batch',
    durability: 'D',
    stores: [...WRITERS, 'lmdb-transaction'],
    parameters: { values: 'objects' },
    figures: ['perSecond'],
    goals: atLeast('perSecond', { lmdb: 1.5, 'better-sqlite3': 2 }),
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
  ...[
    ['put-lone-p', 'Put, one at a time', 'put', WRITERS_P, { order: 'ascending', inFlight: 1 }],
    [
      'put-ascending-p',
      'Put, 1,000 in flight, ascending new keys',
      'put',
      CONCURRENT_WRITERS_P,
      { order: 'ascending', inFlight: IN_FLIGHT },
    ],
    ['batch-p', 'Batches of 1,000 new keys, in entries', 'batch', WRITERS_P, {}],
  ].map(([name, title, measurement, stores, parameters]) => ({
    name,
    title,
    measurement,
    durability: 'P',
    stores,
    parameters: { values: 'objects', ...parameters },
    figures: ['perSecond'],
    goals: [],
    note: LMDB_FLUSHES,
  })),
];

/** Ten times the entries may cost so many times as much, for the caches of a processor; more than that is a cliff. */
export const CLIFF_RATIO = 3;

/** Of a store that keeps nothing, and so is filled in each process. */
export const VOLATILE_ENTRIES_MAX = 1_000_000;
