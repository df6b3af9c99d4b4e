// The core without Node: its own tests, compiled with the address and undefined-behaviour sanitizers, and run.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasTool, mountSmall, PROJECT, useDirectory } from './native-tools.js';

const FLAGS = ['-std=c++20', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** So that scripted-kernel.h stands between the core and the kernel. */
const WRAPS = ['-Wl,--wrap=syscall,--wrap=mmap'];
const WARNINGS = ['-Wall', '-Wextra', '-Werror'];
const CORE = path.join(PROJECT, 'native/core');
/** Compiling takes its time on a busy machine, whatever a run of tests says of others. */
const TIMEOUT = { timeout: 60_000 };
/** What the program says it has shown, at least: fewer would mean that it has stopped looking. */
const FACTS_MIN = 5;
const FACTS_OF_RINGS = [
  'a write is in the file when it is finished',
  'more writes than the rings hold are all told of, once',
  'completions that overflow are all collected by who is woken',
  'an entry asks for a durable write',
  'a short write is continued where it stopped',
  'what is interrupted is tried again',
  'what the kernel refuses for now is counted',
  'what fails is told once and never tried again',
  'an entry that was refused is never carried out',
  'a slot is of one write at a time',
  'one look collects all that has overflowed',
  'opening and closing ten thousand rings leaks nothing',
];

const isHere = process.platform === 'linux' && hasTool('g++');

describe.skipIf(!isHere)(`the core${isHere ? '' : ' (skipped: no g++ here)'}`, () => {
  const here = useDirectory();

  test(
    'holds what its tests say, without an address or a behaviour that is undefined',
    TIMEOUT,
    (context) => {
      const sources = fs.readdirSync(CORE).filter((name) => name.endsWith('.cc'));
      expect(sources.length).toBeGreaterThan(3);
      const files = ['native/test/core-test.cc', ...sources.map((name) => `native/core/${name}`)];
      const program = here.at('core-test');
      const compiled = spawnSync('g++', [...FLAGS, ...WARNINGS, ...WRAPS, ...files, '-o', program], {
        cwd: PROJECT,
        encoding: 'utf8',
      });
      // A compiler without the sanitizers' libraries is as good as none.
      context.skip(/cannot find -l[au]b?san|libasan|libubsan/.test(compiled.stderr), 'no sanitizers here');
      expect(compiled.stderr).toBe('');
      expect(compiled.status).toBe(0);

      fs.mkdirSync(here.at('files'));
      fs.mkdirSync(here.at('small'));
      const unmount = mountSmall(here.at('small'));
      try {
        const parameters = [here.at('files'), ...(unmount === null ? [] : [here.at('small')])];
        const run = spawnSync(program, parameters, { encoding: 'utf8' });
        const lines = run.stdout.trim().split('\n');
        console.log(lines.join('\n'));
        expect(run.stderr).toBe('');
        expect(run.signal).toBeNull();
        expect(run.status).toBe(0);
        const held = lines.filter((line) => line.startsWith('holds: ')).map((line) => line.slice(7));
        expect(held.length).toBeGreaterThanOrEqual(FACTS_MIN);
        expect(lines.at(-1)).toBe(`${held.length} hold`);
        if (!lines.some((line) => line.startsWith('skipped: io_uring')))
          expect(held).toEqual(expect.arrayContaining(FACTS_OF_RINGS));
      } finally {
        unmount?.();
      }
    },
  );
});
