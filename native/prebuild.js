// Builds addons for the package into prebuilds/, with the flags of binding.gyp. test/native/prebuilds.test.ts tests what they
// need of a system.
//
//     npm run prebuilds [-- TARGET...]        linux-x64, linux-arm64; without one, that of this machine

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');
const SOURCES = ['binding.gyp', 'addon.cc', 'core'];

/** The first part of the names of Debian's compilers for each target, on another machine. */
const TOOLS = { 'linux-x64': 'x86_64-linux-gnu-', 'linux-arm64': 'aarch64-linux-gnu-' };

/** Node says which glibc it runs on. On musl, it names none. */
const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? '-musl' : '';
const HERE = `${process.platform}-${process.arch}${libc}`;
const targets = process.argv.length > 2 ? process.argv.slice(2) : [HERE];
for (const target of targets) {
  if (target !== HERE && TOOLS[target] === undefined)
    throw new TypeError(`expected one of ${[HERE, ...Object.keys(TOOLS)].join(', ')}, not ${target}`);
  build(target, target === HERE ? '' : TOOLS[target]);
}

/** In a folder of its own, so that the addon of the checkout stays. */
function build(target, tools) {
  const folder = path.join(ROOT, 'build/prebuilds', target);
  for (const name of SOURCES)
    fs.cpSync(path.join(ROOT, 'native', name), path.join(folder, name), { recursive: true });
  const [, arch] = target.split('-');
  const env = { ...process.env, CC: `${tools}gcc`, CXX: `${tools}g++`, AR: `${tools}ar`, LDFLAGS: '-s' };
  const parameters = ['configure', 'build', '--loglevel', 'warn', '--directory', folder, '--arch', arch];
  // npm puts its own node-gyp on the PATH of scripts.
  const { status, error } = spawnSync('node-gyp', parameters, {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    console.error(
      `keelson: prebuilds/${target} was not built${error === undefined ? '' : ` (${error.message})`}.`,
    );
    process.exit(1);
  }
  const built = path.join(ROOT, 'prebuilds', target, 'keelson.node');
  fs.mkdirSync(path.dirname(built), { recursive: true });
  fs.copyFileSync(path.join(folder, 'build/Release/keelson.node'), built);
  console.log(`prebuilds/${target}: ${fs.statSync(built).size} bytes`);
}
