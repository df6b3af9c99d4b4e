// The page of a run, in Markdown. Pure: from results and their summary to text.

import { STORES } from './stores.js';
import { CLIFF_RATIO, DURABILITY, FIGURES } from './trials.js';

const NOT_MEASURED = '–';

export function shown(value) {
  if (value === null || value === undefined) return NOT_MEASURED;
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(Math.abs(value) >= 1 ? 2 : 3);
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (header, rows) => [row(header), row(header.map(() => '---')), ...rows.map(row)].join('\n');

const goalOf = ({ atLeast, atMost }) => (atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`);

const verdictOf = ({ median, isReached }) => {
  if (median === null) return 'not measured';
  return isReached ? 'reached' : '**short**';
};

function nameOfGoal({ of, figure, over }) {
  const judged = of === 'keelson' ? '' : `${STORES[of].title}: `;
  const rival = over === undefined ? '' : `, over ${STORES[over].title}`;
  return `${judged}${FIGURES[figure].title}${rival}`;
}

/** What a goal asks, what came of it, and whether that is enough. */
const goalCells = (goal) => [
  nameOfGoal(goal),
  goalOf(goal),
  shown(goal.median),
  shown(goal.lowest),
  shown(goal.highest),
  verdictOf(goal),
];

function figuresTable({ figures, rows }) {
  const header = ['', ...figures.flatMap((figure) => [FIGURES[figure].title, 'lowest', 'highest'])];
  const cells = rows.map(({ store, figures: measured }) => [
    STORES[store].title,
    ...figures.flatMap((figure) => {
      const values = measured[figure];
      return [shown(values?.median), shown(values?.lowest), shown(values?.highest)];
    }),
  ]);
  return table(header, cells);
}

const GOAL_HEADER = ['goal', 'asked', 'median', 'lowest', 'highest', ''];

function trialSection(trial) {
  const parts = [`### ${trial.title}`, `\`--only ${trial.name}\``, figuresTable(trial)];
  if (trial.goals.length > 0) parts.push(table(GOAL_HEADER, trial.goals.map(goalCells)));
  if (trial.note !== undefined) parts.push(trial.note);
  for (const failure of trial.failures) parts.push(`Failed: ${failure}`);
  return parts.join('\n\n');
}

/** A note on the costs in a large run. */
const SHORT_ROUNDS =
  'Rounds of this run are so short that Keelson makes checkpoints of the smaller stores only, and none of a million entries or more. The full run shows what those cost, up to a million.';

const roundsOf = ({ rounds }) => `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`;

function goalsSection(trials) {
  const rows = trials.flatMap(({ title, goals }) => goals.map((goal) => [title, ...goalCells(goal)]));
  if (rows.length === 0) return [];
  const reached = trials.flatMap(({ goals }) => goals).filter(({ isReached }) => isReached).length;
  return ['## Goals', `${reached} of ${rows.length} reached.`, table(['trial', ...GOAL_HEADER], rows)];
}

function costsSection(costs, { large }) {
  if (costs.length === 0) return [];
  const tables = costs.map(({ title, sizes, stores }) => {
    const header = ['', ...sizes.map((size) => size.toLocaleString('en')), 'steepest step'];
    const rows = stores.map(({ store, costsUs, steepest }) => [
      STORES[store].title,
      ...costsUs.map(shown),
      `× ${shown(steepest)}`,
    ]);
    return `### ${title}\n\n${table(header, rows)}`;
  });
  const ours = costs.flatMap(({ stores }) => stores.filter(({ store }) => store === 'keelson'));
  const hasCliff = ours.some(({ steepest }) => steepest > CLIFF_RATIO);
  const verdict = `Keelson ${hasCliff ? '**has a cliff**' : 'has none'}.`;
  const intro = `µs for each operation (for each entry of a scan), by the number of entries in the store. A cliff is a step to ten times the entries that makes an operation more than ${CLIFF_RATIO} times as expensive. ${verdict}${large ? ` ${SHORT_ROUNDS}` : ''}`;
  return ['## Cost against size', intro, ...tables];
}

function machineSection({ machine, startedAt, options, durationMinutes }) {
  const { cpu, cores, memoryGib, kernel, fileSystem, node, keelson, engine, versions, loadBefore } = machine;
  const rivals = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    '## The machine',
    table(
      ['', ''],
      [
        ['machine', `${cpu}, ${cores} cores, ${memoryGib} GiB, load before: ${loadBefore.toFixed(2)}`],
        ['system', `${kernel}, ${fileSystem}, Node ${node}`],
        ['Keelson', `${keelson}; engine ${engine}`],
        ['rivals', rivals.join(', ')],
        ['run', `${startedAt}, ${roundsOf(options)} of ${options.seconds} s, ${durationMinutes} minutes`],
      ],
    ),
  ];
}

function storesSection(trials) {
  const names = new Set(trials.flatMap(({ rows }) => rows.map(({ store }) => store)));
  const rows = [...names].map((name) => [STORES[name].title, STORES[name].configuration]);
  return ['## The stores and their configurations', table(['', 'configuration'], rows)];
}

const HOW = `## How it is measured

* Each measurement is a process of its own with V8's default flags. A round goes over all trials, and in each trial over all stores. Every round begins with another store.
* Each store has one configuration, which the table above names. Ratios are taken within a round, and the median of the ratios counts.
* Each process opens its store, makes its keys and warms up for 0.4 of the measured time, which does not count. Then it measures for a fixed time. So a fast store does more and ends with more data. The first puts of a new store are the exception: they are a fixed number, and nothing warms up.
* Keys are \`user:000000123\`. *Objects* have five fields and take 72 bytes in MessagePack. *Strings* have 100 characters, *binaries* 100 bytes. Values of 20, 1,000 and 10,000 bytes are objects \`{ id, text }\` that take so many bytes in MessagePack. All texts can be compressed only by their alphabet.
* *Random new keys* are numbers from 0 to 999,999,999 in an order that looks random. None comes twice, and the store is empty at first.
* Keys that are looked up are fresh strings in a seeded order, the same for all stores. They are made before the clock runs.
* New keys are made before the clock runs, for 500,000 puts a second (50,000, if one is in flight). A store that puts more makes the further keys while the clock runs. No store runs out of keys.
* *1,000 in flight* means a thousand writers. Each writer awaits its own put and then makes the next one, without a barrier between the writers. A latency is the time of one put, from the call to what follows its \`await\`. Only the first million latencies for each measured second go into p50 and p99. All puts count.
* *Transactions* read two entries of the filled store, count up a field of both, and put both. Each pair of keys comes again only after all others, in a seeded order. After the measurement, the entries of the last thousand transactions must have all changes that were acknowledged: no update may be lost.
* *Lifetimes, indexes and feeds* are measured with the feature and, in the same round, without it: *Keelson, without it*. After the measurement, an index must find what was put last and nothing else, and a reader must have been told as many changes as were made. The time of a feed ends when its reader has been told all.
* *Through abstract-level* and *through Keyv*, Keelson and its rivals stand behind the same API and get the same calls.
* *Synchronous puts*, those of better-sqlite3, node:sqlite and RocksDB, are durable when they return. So one of them is in flight at a time, in every trial.
* *The longest turn* is the longest stop of the event loop in the measured time: the longest gap between two calls of a timer of 1 ms, less that millisecond, and less the garbage collections in the gap. Making keys and recording latencies is part of it, for every store.
* *One batch at a time* includes the time to make the operations, for every store.
* Stores that are read are filled once, untimed, in ascending order, and left at rest (Keelson: \`checkpoint()\`; classic-level: \`compactRange\`; better-sqlite3: \`wal_checkpoint\`). Each round opens them in a new process.
* Stores that are overwritten are a flushed copy, which is made for each measurement.
* Every measurement checks that it measured what it says. After writes it compares the number of keys, their order and a thousand values (two thousand after transactions), before reads a thousand values.
* Durability classes are never mixed. **D**: an acknowledged write survives power loss. **P**: it survives only the death of the process. Keelson has no class P: its \`durability: 'memory'\` acknowledges a write that is not written at all yet.

## What is unfair, and to whom

* **Unfair to every store but Keelson and memory-level, in reads:** those stores can hold more data than fits in memory, and Keelson cannot. Their files are in the page cache here.
* **Unfair to Keelson, in opening:** it loads all data. That is the price of its reads.
* **Unfair to Keelson, in gets:** all gets of a measurement run in one turn of the event loop, and lmdb keeps one read transaction for a turn.
* **Unfair to every store but Keelson and lmdb, with objects:** these two write common field names once, the others with every value.
* **Unfair to every store but classic-level, in size:** LevelDB compresses with Snappy.
* **Unfair to classic-level, in class D with many in flight:** LevelDB groups the writes of threads, and libuv's pool has four threads. The documentation of classic-level does not say to raise \`UV_THREADPOOL_SIZE\`, so it stays as it is.
* **Unfair to classic-level and better-sqlite3, in gets:** their caches have the documented defaults (8 MiB and 16 MiB) and are smaller than the data.
* **Unfair to better-sqlite3, everywhere:** SQL can do more than keys and values, and no trial asks for more. On the other hand, better-sqlite3 blocks the event loop while it flushes, and no figure here shows that. The same holds for node:sqlite.
* **Unfair to SQLite, in feeds and lifetimes:** it has neither, so a table with triggers and a column with an index stand for them. Nothing removes its expired entries, which is in its favour.
* **Unfair to lmdb and classic-level, in puts with an index:** the program keeps the index. It reads the old value before each put, and one transaction or batch changes both.
* **In favour of Keelson, with an index:** its index is in memory. Nothing of it is written, and it is built when the store is opened, which does not count here.
* **In favour of classic-level, in feeds:** its events are gone when nobody listens, and a reader cannot resume after a crash.
* **Unfair to @keyv/sqlite:** its default is a rollback journal, which flushes more often for a write than a WAL does.
* **Unfair to better-sqlite3, and to \`transactionSync\` of lmdb, in transactions:** each is durable when it returns, so each waits for a flush of its own, while a thousand transactions of Keelson share flushes. A program that can wait may put many changes into one transaction. \`overlappingSync: true\` does not change this: \`transactionSync\` still flushes before it returns.
* **Unfair to Deno KV:** its API is made for a database across a network. Keys, values and versions go through Protocol Buffers to a thread of its own. Each atomic write has a flush of its own.
* **Unfair to lmdb:** many processes may open it at once, and it pays for that with locks. No other store here allows that.
* **Unfair to lmdb, in writes:** its default, \`overlappingSync: true\`, lets a flush overlap with the next transaction. It is not measured, because its \`put\` promises durability only by a second promise, \`flushed\`.
* **In favour of lmdb:** stores are filled in ascending order, which leaves its pages full.
* **In favour of stores that are slow to write:** in a fixed time a faster store gets more data, more checkpoints and more compaction. A store that puts more than 500,000 keys a second makes the further keys in its own time.
* **In favour of stores that leave much garbage, in the longest turn:** collections do not count there, whoever caused them. They count in p99 and in everything else.

## Who is missing

* **node:sqlite** takes part where Node.js has it without a flag (22.13 and later): \`npm run bench -- --node FILE\`. better-sqlite3 is built for one version of Node.js and fails there.
* **rocksdb-js**: the registry has \`@harperfast/rocksdb-js-linux-x64-glibc\`, which is the addon alone, and no \`@harperfast/rocksdb-js\` that uses it. RocksDB takes part in two trials by \`@nxtedition/rocksdb\`, whose \`put\` drops the option \`sync\` and does not flush (\`strace\` shows it). Its \`batch\` keeps the option and flushes each time, so a put is a batch of one here.
* **Deno KV in gets and with many puts in flight**: it has asynchronous gets only, and flushes once for each write, whatever is in flight. \`watch\` tells the latest state of up to ten keys and is no feed of changes.
* **keyv-file in sets**: it flushes nothing. \`node bench/keyv.js\` compares it with \`durability: 'memory'\`.
* **lmdb and Level with lifetimes**: they have none.`;

export function markdownOf(results, { trials, costs }, charts) {
  const { options } = results;
  const kind = options.quick
    ? ' with `--quick`: few and short rounds'
    : options.large
      ? ' with `--large`: the trials in which the size is varied, in short rounds'
      : '';
  const main = trials.filter(({ isMain }) => isMain);
  const ofClass = (durability) => main.filter((trial) => (trial.durability === 'P') === (durability === 'P'));
  const [d, p] = [ofClass('D'), ofClass('P')];
  const parts = [
    '# Keelson and its rivals, measured',
    `Written by \`npm run bench\`${kind}. A store has ${options.entries.toLocaleString('en')} entries unless the page says otherwise. Figures are medians, with the lowest and the highest of ${roundsOf(options)}. Read the ratios, not the absolute figures. The option below the title of a trial repeats it: \`npm run bench -- --only NAME\`.`,
    ...charts.map(({ file, title }) => `![${title}](${file})`),
    ...goalsSection(main),
    ...(d.length > 0
      ? ['## Trials', `Writes are class D: an acknowledged write ${DURABILITY.D}.`, ...d.map(trialSection)]
      : []),
    ...costsSection(costs, options),
    ...(p.length > 0
      ? [
          '## Class P',
          `An acknowledged write ${DURABILITY.P}. Keelson has no such class. Compare these trials with none above.`,
          ...p.map(trialSection),
        ]
      : []),
    ...storesSection(trials),
    ...machineSection(results),
    HOW,
  ];
  return `${parts.join('\n\n')}\n`;
}
