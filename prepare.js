// npm runs this in a checkout: after `npm ci`, before `npm pack`, and for a git dependency. It never runs where the
// package is installed from a tarball. It builds dist/ (build.js), and the addon where that can be built.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const ROOT = import.meta.dirname;

/** Of this checkout alone: one of a folder above could be any version. Absent where devDependencies were left out. */
const COMPILER = path.join(ROOT, 'node_modules/typescript/bin/tsc');

const isPacked = ['pack', 'publish'].includes(process.env.npm_command);

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (fs.existsSync(COMPILER)) {
  run('build.js');
} else {
  console.log('keelson: dist/ was not built: TypeScript is not installed. Run npm ci with devDependencies.');
  if (isPacked) process.exit(1);
}
run('native/build.js');
if (isPacked && process.platform === 'linux') run('native/prebuild.js');
