// node webpack.js PROJECT INPUT OUTPUT esm|cjs

import path from 'node:path';
import { promisify } from 'node:util';
import webpack from 'webpack';

const [context, entry, file, format] = process.argv.slice(2);
const isModule = format === 'esm';
const stats = await promisify(webpack)({
  context,
  entry,
  mode: 'production',
  target: 'node20',
  devtool: false,
  experiments: { outputModule: isModule },
  output: {
    path: path.dirname(file),
    filename: path.basename(file),
    ...(isModule ? { module: true, library: { type: 'module' }, chunkFormat: 'module' } : {}),
  },
});
const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
for (const { message } of [...errors, ...warnings]) console.error(message);
if (errors.length > 0) process.exitCode = 1;
