// Copies the files of the page of `keelson inspect` into dist/, with those of uPlot (MIT licence), which draws its charts.

import fs from 'node:fs';
import path from 'node:path';

const ROOT = import.meta.dirname;
const PAGE = path.join(ROOT, 'dist/cli/inspect/page');
const CHARTS = path.join(ROOT, 'node_modules/uplot');

fs.cpSync(path.join(ROOT, 'src/cli/inspect/page'), PAGE, { recursive: true });
for (const [from, to] of [
  ['dist/uPlot.iife.min.js', 'uplot.js'],
  ['dist/uPlot.min.css', 'uplot.css'],
  ['LICENSE', 'uplot.LICENSE'],
])
  fs.copyFileSync(path.join(CHARTS, from), path.join(PAGE, to));
