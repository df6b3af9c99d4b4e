// Writes the page and the charts of a run beside its results.json.

import fs from 'node:fs';
import path from 'node:path';
import { chartsOf } from './charts.js';
import { markdownOf } from './markdown.js';
import { summarize } from './summary.js';

/** Returns the page. */
export function writeReport(results, directory) {
  const summary = summarize(results);
  const charts = chartsOf(results, summary);
  for (const { file, svg } of charts) fs.writeFileSync(path.join(directory, file), svg);
  const markdown = markdownOf(results, summary, charts);
  fs.writeFileSync(path.join(directory, 'README.md'), markdown);
  return markdown;
}
