// Where the figures come from: the machine, the versions, and that the disk is one.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { STORES } from './stores.js';

const GIB = 1024 ** 3;
const BENCH = path.resolve(import.meta.dirname, '..');
const ROOT = path.resolve(BENCH, '..');

/** File systems that keep nothing: what is flushed there is as volatile as before. */
const VOLATILE_FILE_SYSTEMS = ['tmpfs', 'ramfs'];

/** The type of file system that a directory is on. */
export function fileSystemOf(directory) {
  const printed = execFileSync('df', ['--output=fstype', directory], { encoding: 'utf8' });
  return printed.trim().split('\n').at(-1);
}

export function requireRealDisk(directory) {
  const type = fileSystemOf(directory);
  if (VOLATILE_FILE_SYSTEMS.includes(type))
    throw new Error(
      `${directory} is on ${type}, where nothing is durable: give a directory on a disk by --directory`,
    );
}

const versionIn = (folder) => JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).version;

function revision() {
  try {
    const git = (...args) => execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' }).trim();
    const isChanged = git('status', '--porcelain', '--untracked-files=no', 'src', 'native') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' and changes' : ''}`;
  } catch {
    // A tarball has no repository.
    return 'unknown';
  }
}

function versions() {
  const packages = new Set(Object.values(STORES).flatMap(({ package: name }) => name ?? []));
  const folderOf = (name) => path.join(BENCH, 'node_modules', name);
  const installed = [...packages].filter((name) => fs.existsSync(folderOf(name)));
  return Object.fromEntries(installed.map((name) => [name, versionIn(folderOf(name))]));
}

/** `runtime` is what the process of a measurement runs on: `{ node, engine }`. */
export function describeMachine(directory, { node, engine }) {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown CPU',
    cores: os.cpus().length,
    memoryGib: Math.round(os.totalmem() / GIB),
    kernel: `${os.type()} ${os.release()}`,
    fileSystem: fileSystemOf(directory),
    node,
    loadBefore: os.loadavg()[0],
    keelson: `${versionIn(ROOT)}, commit ${revision()}`,
    engine,
    versions: versions(),
  };
}
