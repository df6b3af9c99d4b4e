// node esbuild.js INPUT OUTPUT esm|cjs

import { build } from 'esbuild';

const [input, outfile, format] = process.argv.slice(2);
await build({
  entryPoints: [input],
  outfile,
  format,
  bundle: true,
  platform: 'node',
  target: 'node20',
  logLevel: 'error',
});
