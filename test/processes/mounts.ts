// Small real file systems for the tests of real faults: a tmpfs, and ext4 in a file. Whatever a test does, they are gone
// after it.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll } from 'vitest';

export type FileSystem = 'tmpfs' | 'ext4';

export interface Mount {
  /** Where it is mounted. */
  readonly directory: string;
  /** The name of the loop device, without /dev/. Null on tmpfs. */
  readonly device: string | null;
  remount(options: string): void;
  /** Unmounts ext4, has it repaired as after a crash, and mounts it again. */
  repair(): void;
}

/** Null where these can be mounted, or the reason for which the tests that need it are skipped. */
export function whyNoMount(kind: FileSystem): string | null {
  if (process.getuid?.() !== 0) return 'mounting takes root';
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-mount-'));
  try {
    mount(kind, base, 4).unmount();
    return null;
  } catch (error) {
    return `no ${kind} can be mounted: ${(error as Error).message.split('\n')[0]}`;
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
}

/** Mounts for the tests around it, unmounted after each, also after one that failed. */
export function useMounts(): (kind: FileSystem, mebibytes: number) => Mount {
  const undo: (() => void)[] = [];
  beforeAll(() => () => undoAll(undo));
  afterEach(() => undoAll(undo));
  return (kind, mebibytes) => {
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-mount-'));
    undo.push(() => fs.rmSync(base, { recursive: true, force: true }));
    const mounted = mount(kind, base, mebibytes);
    undo.push(mounted.unmount);
    return mounted;
  };
}

function undoAll(undo: (() => void)[]): void {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) step();
}

function mount(kind: FileSystem, base: string, mebibytes: number): Mount & { unmount(): void } {
  const directory = path.join(base, 'mounted');
  const image = path.join(base, 'image');
  fs.mkdirSync(directory);
  const again = () => {
    if (kind === 'tmpfs') run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', directory);
    else run('mount', '-o', 'loop,errors=remount-ro', image, directory);
  };
  if (kind === 'ext4') {
    fs.closeSync(fs.openSync(image, 'w'));
    fs.truncateSync(image, mebibytes * 1024 * 1024);
    run('mkfs.ext4', '-q', '-F', image);
  }
  again();
  const source = run('findmnt', '-n', '-o', 'SOURCE', directory).trim();
  return {
    directory,
    device: kind === 'ext4' ? path.basename(source) : null,
    remount: (options) => void run('mount', '-o', `remount,${options}`, directory),
    repair() {
      run('umount', directory);
      // Its exit code says whether it repaired anything, which is no failure.
      const { status, stderr } = spawnSync('e2fsck', ['-f', '-y', image], { encoding: 'utf8' });
      if (status === null || status > 2) throw new Error(`e2fsck ended with ${status}: ${stderr}`);
      again();
    },
    // Detached at once, even while a failed test has left a file open on it.
    unmount: () => void run('umount', '--lazy', directory),
  };
}

function run(command: string, ...parameters: string[]): string {
  return execFileSync(command, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
