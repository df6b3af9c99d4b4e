// What it takes to start a process that imports Keelson, beside one that imports nothing: in turns, medians in milliseconds.
//
//     node bench/start.js [--rounds N] [CHECKOUT ...]        this checkout and others, each built

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '15' } },
  allowPositionals: true,
});
const checkouts = [process.cwd(), ...positionals.map((folder) => path.resolve(folder))];
const DOORS = ['index.js', 'journal/index.js', 'level/index.js', 'testing/index.js'];

const importing = (file) => [
  '--input-type=module',
  '-e',
  file === null ? '' : `await import(${JSON.stringify(file)})`,
];
const TRIALS = [
  ['nothing', importing(null)],
  ...checkouts.flatMap((checkout) => [
    ...DOORS.map((door) => [path.join(checkout, 'dist', door), importing(path.join(checkout, 'dist', door))]),
    [path.join(checkout, 'dist/cli/main.js --help'), [path.join(checkout, 'dist/cli/main.js'), '--help']],
  ]),
];

const took = new Map(TRIALS.map(([name]) => [name, []]));
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [name, parameters] of TRIALS) {
    const start = performance.now();
    const { status, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' });
    took.get(name).push(performance.now() - start);
    if (status !== 0) throw new Error(`${name}: ${stderr}`);
  }
}

console.log('| process | ms | more than nothing |\n| --- | --- | --- |');
const medians = [...took].map(([name, times]) => [name, times.toSorted((a, b) => a - b)[times.length >> 1]]);
for (const [name, median] of medians) {
  console.log(
    `| ${path.relative(process.cwd(), name)} | ${median.toFixed(0)} | ${(median - medians[0][1]).toFixed(0)} |`,
  );
}
