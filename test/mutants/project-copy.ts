// Copies of the project in which faults are made: nothing of the project itself is touched.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { endGroups } from './process-groups.js';

/** Of the project, what no test reads, or what a copy makes for itself. */
const NOT_COPIED = new Set(['.git', 'node_modules', 'build', 'dist', 'native/build/Release/obj.target']);

const project = process.cwd();
const copies: string[] = [];

/** A copy of the project, with packages that are only linked. Gone when this process ends. */
export function makeCopy(): string {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-mutants-'));
  copies.push(copy);
  // Some tests go on as another user.
  fs.chmodSync(copy, 0o755);
  fs.cpSync(project, copy, {
    recursive: true,
    filter: (from) => !NOT_COPIED.has(path.relative(project, from)),
  });
  // One by one: what tools leave beside the packages stays in the copy.
  fs.mkdirSync(path.join(copy, 'node_modules'));
  for (const name of fs.readdirSync(path.join(project, 'node_modules'))) {
    if (name.startsWith('.')) continue;
    fs.symlinkSync(path.join(project, 'node_modules', name), path.join(copy, 'node_modules', name));
  }
  return copy;
}

/** Builds `dist/` of a copy, and tells whether it type-checks. What nothing uses any more is no error. */
export function build(copy: string): boolean {
  const lenient = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
  const { status } = spawnSync(process.execPath, ['build.js', ...lenient], { cwd: copy });
  return status === 0;
}

function cleanUp(): void {
  endGroups();
  for (const copy of copies) fs.rmSync(copy, { recursive: true, force: true, maxRetries: 5 });
}

process.on('exit', cleanUp);
// Whoever interrupts us is left with neither processes nor copies.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
