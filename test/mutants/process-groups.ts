// The groups of processes in which tests of mutants run. A group ends with this process, and when it takes too much memory.

import fs from 'node:fs';

/** A fault may take memory without end, and the machine with it. No test needs as much, in bytes. */
const GROUP_BYTES_MAX = 6 * 2 ** 30;
const LOOK_MS = 250;
const PAGE_BYTES = 4096;

const running = new Map<number, NodeJS.Timeout>();

/** Watches a group of processes, and calls `onTooLarge` once when it takes more memory than `bytesMax`. */
export function addGroup(group: number, onTooLarge: () => void, bytesMax = GROUP_BYTES_MAX): void {
  const timer = setInterval(() => {
    if (memoryOf(group) <= bytesMax) return;
    clearInterval(timer);
    onTooLarge();
  }, LOOK_MS);
  running.set(group, timer);
}

/** Ends all processes of a group. */
export function endGroup(group: number): void {
  clearInterval(running.get(group));
  running.delete(group);
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Ends all groups. */
export function endGroups(): void {
  for (const group of running.keys()) endGroup(group);
}

/** Returns the resident memory of all processes of a group, in bytes. */
function memoryOf(group: number): number {
  let pages = 0;
  for (const id of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(id)) continue;
    try {
      // Behind the name in parentheses: state, parent, group, and as the 22nd the resident pages.
      const fields = fs.readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      if (Number(fields[2]) === group) pages += Number(fields[21]);
    } catch {
      // The process has ended meanwhile.
    }
  }
  return pages * PAGE_BYTES;
}
