// The files of a store, seen from outside.

import fs from 'node:fs';
import path from 'node:path';

/** The unit of `blocks` in what stat says, whatever the block size of the file system. */
const STAT_BLOCK_BYTES = 512;
const READ_BYTES = 1024 * 1024;
export const MIB = 1024 * 1024;

/** Bytes that all files in a directory take on the disk. */
export function directoryBytes(directory) {
  let bytes = 0;
  for (const name of fs.readdirSync(directory)) {
    // One that has been removed since the listing takes nothing.
    const stat = fs.lstatSync(path.join(directory, name), { throwIfNoEntry: false });
    bytes += (stat?.blocks ?? 0) * STAT_BLOCK_BYTES;
  }
  return bytes;
}

/** Reads all files in a directory, so that opening the store does not wait for the disk. */
export function warmPageCache(directory) {
  const buffer = new Uint8Array(READ_BYTES);
  for (const name of fs.readdirSync(directory)) {
    const fd = fs.openSync(path.join(directory, name));
    while (fs.readSync(fd, buffer) > 0);
    fs.closeSync(fd);
  }
}

/** Bytes that this process has caused to be written so far: direct ones, and those that went to the page cache. */
export function processWriteBytes() {
  const [, bytes] = /^write_bytes: (\d+)$/m.exec(fs.readFileSync('/proc/self/io', 'utf8'));
  return Number(bytes);
}
