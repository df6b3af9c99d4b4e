// Addons of the package: what they need of a system, which of them a system takes, and the core of the one for arm64 under
// qemu-user.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isForMusl } from '../../src/storage/native-addon.js';
import { hasTool, PROJECT, useDirectory } from './native-tools.js';

/** What Debian 10 and Red Hat 8 have, and what Node.js needs itself. */
const NEWEST = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' };

/** The addon of this checkout is built with the same flags. */
const FILES = [
  'native/build/Release/keelson.node',
  ...['x64', 'arm64', 'x64-musl'].map((system) => `prebuilds/linux-${system}/keelson.node`),
];

/** The versions of a library whose symbols a file needs: their names are among its strings. */
function versionsIn(bytes: Buffer, library: string): string[] {
  return [...bytes.toString('latin1').matchAll(new RegExp(`\\b${library}_([0-9.]+)`, 'g'))].map(
    ([, version]) => version!,
  );
}

function isAbove(version: string, newest: string): boolean {
  return version.localeCompare(newest, 'en', { numeric: true }) > 0;
}

function tooNewIn(bytes: Buffer): string[] {
  return Object.entries(NEWEST).flatMap(([library, newest]) =>
    versionsIn(bytes, library)
      .filter((version) => isAbove(version, newest))
      .map((version) => `${library}_${version}`),
  );
}

describe('an addon', () => {
  const here = useDirectory();

  for (const file of FILES) {
    const isHere = fs.existsSync(path.join(PROJECT, file));
    test.skipIf(!isHere)(
      `needs no newer library than Node.js: ${file}${isHere ? '' : ' (skipped: not built here)'}`,
      () => {
        const bytes = fs.readFileSync(path.join(PROJECT, file));
        expect(tooNewIn(bytes)).toEqual([]);
        if (!file.includes('musl')) expect(versionsIn(bytes, 'GLIBC')).toContain('2.17');
      },
    );
  }

  test('that needs a newer one is seen', () => {
    const bytes = Buffer.from('\0fcntl64\0GLIBC_2.28\0GLIBC_2.34\0GLIBC_2.9\0GLIBCXX_3.4.26\0CXXABI_1.3.9\0');
    expect(tooNewIn(bytes)).toEqual(['GLIBC_2.34', 'GLIBCXX_3.4.26']);
  });

  test('for musl is for a program that names the loader of musl', () => {
    const program = (loader: string) => {
      fs.writeFileSync(here.at('program'), `\x7fELF${'\0'.repeat(800)}${loader}\0`);
      return here.at('program');
    };
    expect(isForMusl(program('/lib/ld-musl-x86_64.so.1'))).toBe(true);
    expect(isForMusl(program('/lib64/ld-linux-x86-64.so.2'))).toBe(false);
    expect(isForMusl(here.at('absent'))).toBe(false);
  });
});

const MISSING = ['aarch64-linux-gnu-g++', 'qemu-aarch64'].filter((tool) => !hasTool(tool));
const why = MISSING.length === 0 ? '' : ` (skipped: no ${MISSING.join(', no ')} here)`;

describe.skipIf(why !== '')(`on arm64${why}`, () => {
  const here = useDirectory();

  test('checksums and frames are those of every other processor', { timeout: 120_000 }, () => {
    const sources = fs.readdirSync(path.join(PROJECT, 'native/core')).filter((name) => name.endsWith('.cc'));
    const files = ['native/test/core-test.cc', ...sources.map((name) => `native/core/${name}`)];
    const flags = ['-std=c++20', '-O1', '-Wall', '-Wextra', '-Werror', '-Wl,--wrap=syscall,--wrap=mmap'];
    const compiled = spawnSync('aarch64-linux-gnu-g++', [...flags, ...files, '-o', here.at('core-test')], {
      cwd: PROJECT,
      encoding: 'utf8',
    });
    expect(compiled.stderr).toBe('');
    fs.mkdirSync(here.at('files'));
    const parameters = ['-L', '/usr/aarch64-linux-gnu', here.at('core-test'), here.at('files')];
    const run = spawnSync('qemu-aarch64', parameters, { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    // qemu-user has no io_uring: the facts of rings are those of test/native/core.test.ts.
    expect(run.stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'holds: the CRC has the known values',
        'holds: the CRC by the CPU is that by tables',
        'holds: checksumming refuses frames that do not fill the body',
        'holds: every checksum covers seed, LSN, header and record',
        expect.stringMatching(/^\d+ hold$/),
      ]),
    );
  });
});
