// Builds the addon. prepare.js runs this file in a checkout. An installation of the package from a tarball does not
// run it. If the build fails, for example without a compiler, this prints one line and succeeds, because the node:fs
// engine needs no binary. With KEELSON_REQUIRE_NATIVE in the environment it fails.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const OUTPUT_LINES_SHOWN = 40;
const REASON_PATTERN = /ENOENT|not found|could not find|fatal error|error:|gyp ERR! stack/i;

if (process.platform !== 'linux') {
  console.log('keelson: no native engine for this platform; the node:fs engine runs instead.');
} else {
  // npm puts its own node-gyp on the PATH of scripts.
  const build = spawnSync(
    'node-gyp',
    // `rebuild` would first remove a working addon.
    ['configure', 'build', '--directory', fileURLToPath(new URL('.', import.meta.url))],
    {
      encoding: 'utf8',
      shell: false,
    },
  );
  if (build.status === 0) {
    console.log('keelson: the io_uring engine is built.');
  } else {
    const told = `${build.error ?? ''}${build.stdout ?? ''}${build.stderr ?? ''}`.trim().split('\n');
    if (process.env.KEELSON_REQUIRE_NATIVE) {
      console.error(told.slice(-OUTPUT_LINES_SHOWN).join('\n'));
      process.exitCode = 1;
    }
    console.log(
      `keelson: the io_uring engine was not built (${reason(told)}); the node:fs engine runs instead.`,
    );
  }
}

/** Returns the first line that names what is missing. The last lines only say that the build failed. */
function reason(lines) {
  return (lines.find((line) => REASON_PATTERN.test(line)) ?? lines.at(-1) ?? 'no reason given').trim();
}
