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

function nameOfGoal({ figure, over }) {
  const { title } = FIGURES[figure];
  return over === undefined ? title : `${title}, over ${STORES[over].title}`;
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

/** Of a large run. */
const SHORT_ROUNDS =
  'In rounds so short Keelson makes checkpoints of the smaller stores only, and none of a million entries or more: what those cost is in the full run, up to a million.';

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
  const intro = `µs an operation (an entry of a scan), by entries in the store. A step to ten times the entries that costs more than ${CLIFF_RATIO} times as much is a cliff. ${verdict}${large ? ` ${SHORT_ROUNDS}` : ''}`;
  return ['## Cost against size', intro, ...tables];
}

function machineSection({ machine, startedAt, options, durationMinutes }) {
  const { cpu, cores, memoryGib, kernel, fileSystem, node, keelson, engine, versions, loadBefore } = machine;
  const rivals = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    '## Where',
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
  return ['## Who, and how configured', table(['', 'configuration'], rows)];
}

const HOW = `## How it is measured

* Each measurement is a process of its own with V8's default flags. Rounds go over trials, and in each over the stores; every round begins with another store. Ratios are
  taken within a round, and the median of the ratios counts. Of several configurations of one store the best of each round counts.
* Each process opens its store, makes its keys, warms up (0.4 of the measured time, not counted), and then measures for a fixed time: a fast store does more, and ends with more data.
* Keys are \`user:000000123\`. *Objects* have five fields and take 72 bytes in MessagePack. *Strings* are 100 characters, *binaries* 100 bytes, neither compressible by more than their alphabet. Keys that are looked
  for are fresh strings in a seeded order, the same for all, made before the clock runs.
* *1,000 in flight* are a thousand writers, each of which awaits its own put and then makes its next, with no barrier between them. Latencies are those of each put, from the call to what follows its \`await\`.
* *One batch at a time* includes making the operations, for everybody.
* Stores that are read are filled once, untimed, in ascending order, and left at rest (Keelson: \`checkpoint()\`; classic-level: \`compactRange\`; better-sqlite3: \`wal_checkpoint\`); each round opens them in a new process. Stores
  that are overwritten are a flushed copy, made for each measurement.
* Every measurement looks whether it measured what it says: after writes the number of keys, their order and a thousand values are compared; before reads a thousand values.
* Durability classes never mix. **D**: what is acknowledged survives power loss. **P**: it survives the death of the process only. Keelson has no class P: its \`durability: 'memory'\` acknowledges what is not yet written at all.

## What is unfair, and to whom

* **To everyone but Keelson and memory-level, in reads:** they can hold more data than fits in memory, and Keelson cannot. Their files are in the page cache here.
* **To Keelson, in opening:** it loads all data. That is the price of its reads.
* **To Keelson, in gets:** all gets of a measurement are one turn of the event loop, for which lmdb keeps one read transaction.
* **To everyone but Keelson and lmdb, with objects:** these two write the names of fields that many values have in common once, the others with every value. **To everyone but classic-level, in size:** LevelDB compresses with Snappy.
* **To classic-level, in class D with many in flight:** LevelDB groups the writes of threads, and there are four of them in the pool of libuv. Its documentation does not say to raise \`UV_THREADPOOL_SIZE\`, so it is as it is.
* **To classic-level and better-sqlite3, in gets:** their caches are at the documented defaults (8 MiB, 16 MiB) and smaller than the data.
* **To better-sqlite3, everywhere:** SQL does more than keys and values, and is asked for nothing of it here. It also blocks the event loop while it flushes, which no figure here shows.
* **To lmdb:** it may be opened by many processes at once, for which it pays with locks, and nobody else here does it. **For lmdb:** stores are filled in ascending order, which leaves its pages full.
* **For stores that are slow to write:** a fixed time leaves a faster store with more data, more checkpoints and more compaction in the same measurement.`;

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
    `Written by \`npm run bench\`${kind}. ${options.entries.toLocaleString('en')} entries unless said otherwise; medians with the lowest and the highest of ${roundsOf(options)}. Read the ratios, not the absolute figures.`,
    ...charts.map(({ file, title }) => `![${title}](${file})`),
    ...goalsSection(main),
    ...(d.length > 0 ? ['## Trials', `Writes are class D: ${DURABILITY.D}.`, ...d.map(trialSection)] : []),
    ...costsSection(costs, options),
    ...(p.length > 0
      ? [
          '## Class P',
          `What is acknowledged ${DURABILITY.P}. Keelson has no such class; compare these with nothing above.`,
          ...p.map(trialSection),
        ]
      : []),
    ...storesSection(trials),
    ...machineSection(results),
    HOW,
  ];
  return `${parts.join('\n\n')}\n`;
}
