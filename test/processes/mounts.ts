// Small real file systems for the tests of real faults: a tmpfs, ext4 in a file, and btrfs in a file with a quota. Whatever
// a test does, they are gone after it.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll } from 'vitest';

export type FileSystem = 'tmpfs' | 'ext4' | 'btrfs' | 'vfat' | 'exfat';

/** Less than this mkfs.btrfs refuses. What a test may write there its quota says. */
const BTRFS_MEBIBYTES = 256;

export interface Mount {
  /** Where it is mounted; on btrfs the subvolume that has the quota. */
  readonly directory: string;
  /** The name of the loop device, without /dev/. Null on tmpfs. */
  readonly device: string | null;
  remount(options: string): void;
  /** Takes the quota of btrfs away. */
  liftQuota(): void;
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
  const root = path.join(base, 'mounted');
  const image = path.join(base, 'image');
  fs.mkdirSync(root);
  if (kind !== 'tmpfs') make(kind, image, mebibytes);
  const again = () => {
    if (kind === 'tmpfs') run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', root);
    else run('mount', '-o', kind === 'ext4' ? 'loop,errors=remount-ro' : 'loop', image, root);
  };
  again();
  const directory = kind === 'btrfs' ? path.join(root, 'limited') : root;
  // Detached at once, even while a failed test has left a file open on it.
  const unmount = () => void run('umount', '--lazy', root);
  try {
    if (kind === 'btrfs') limit(root, directory, mebibytes);
  } catch (error) {
    unmount();
    throw error;
  }
  const source = run('findmnt', '-n', '-o', 'SOURCE', root).trim();
  return {
    directory,
    device: kind === 'tmpfs' ? null : path.basename(source),
    remount: (options) => void run('mount', '-o', `remount,${options}`, root),
    liftQuota: () => void run('btrfs', 'qgroup', 'limit', 'none', directory),
    repair() {
      run('umount', root);
      // Its exit code says whether it repaired anything, which is no failure.
      const { status, stderr } = spawnSync('e2fsck', ['-f', '-y', image], { encoding: 'utf8' });
      if (status === null || status > 2) throw new Error(`e2fsck ended with ${status}: ${stderr}`);
      again();
    },
    unmount,
  };
}

function make(kind: Exclude<FileSystem, 'tmpfs'>, image: string, mebibytes: number): void {
  fs.closeSync(fs.openSync(image, 'w'));
  fs.truncateSync(image, (kind === 'btrfs' ? BTRFS_MEBIBYTES : mebibytes) * 1024 * 1024);
  if (kind === 'ext4') run('mkfs.ext4', '-q', '-F', image);
  else if (kind === 'btrfs') run('mkfs.btrfs', '-q', image);
  else run(`mkfs.${kind}`, image);
}

/** A subvolume that may hold so much, and no more. */
function limit(root: string, directory: string, mebibytes: number): void {
  run('btrfs', 'quota', 'enable', root);
  run('btrfs', 'subvolume', 'create', directory);
  run('btrfs', 'quota', 'rescan', '-w', root);
  run('btrfs', 'qgroup', 'limit', `${mebibytes}M`, directory);
}

function run(command: string, ...parameters: string[]): string {
  return execFileSync(command, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
