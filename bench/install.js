// Installs the rivals and what draws the charts, when they are not there or the lock file is another one. The product
// depends on none of them, so that `npm ci` in the project does not bring them.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const HERE = import.meta.dirname;
const lock = fs.readFileSync(path.join(HERE, 'package-lock.json'), 'utf8');
const installedLock = path.join(HERE, 'node_modules', '.installed-lock.json');

if (!fs.existsSync(installedLock) || fs.readFileSync(installedLock, 'utf8') !== lock) {
  console.error('Installing what is measured against; where nothing is prebuilt, compiling takes minutes.');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: HERE,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('npm ci in bench/ failed', { cause: error });
  fs.writeFileSync(installedLock, lock);
}
