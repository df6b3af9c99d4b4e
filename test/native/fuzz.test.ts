// The fuzz targets of the native code are for a Clang that not everybody has: what the command says then, and that it
// knows every target there is.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasTool, PROJECT } from './native-tools.js';

const FOLDER = path.join(PROJECT, 'native/fuzz');

function runFuzz(parameters: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const script = path.join(FOLDER, 'run.js');
  return spawnSync(process.execPath, [script, ...parameters], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

describe('npm run fuzz:native', () => {
  test('without Clang fails, and says what to install', () => {
    const { status, stderr } = runFuzz([], { CLANGXX: 'no-such-clang' });
    expect(status).toBe(1);
    expect(stderr).toContain('no-such-clang is not here');
    expect(stderr).toMatch(/apt-get install clang libclang-rt-/);
  });

  test.skipIf(!hasTool('g++'))('with a compiler that has no libFuzzer fails, and says that too', () => {
    const { status, stderr } = runFuzz([], { CLANGXX: 'g++' });
    expect(status).toBe(1);
    expect(stderr).toContain('g++ cannot link libFuzzer');
    expect(stderr).toMatch(/apt-get install clang libclang-rt-/);
  });

  test.each([['--seconds'], ['--seconds', '0'], ['--seconds', 'x'], ['10']])(
    'called with %s %s says how it is called',
    (...parameters) => {
      const { status, stderr } = runFuzz(parameters);
      expect(status).toBe(1);
      expect(stderr).toContain('npm run fuzz:native -- --seconds');
    },
  );

  test('has every target of its folder', () => {
    const script = fs.readFileSync(path.join(FOLDER, 'run.js'), 'utf8');
    const targets = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.cc'));
    expect(targets.length).toBeGreaterThan(1);
    for (const name of targets) expect(script).toContain(path.basename(name, '.cc'));
  });
});
