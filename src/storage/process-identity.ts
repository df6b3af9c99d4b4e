// Who this process is, and whether the process of an identity still lives.
// These are labels: another boot id may be mounted over this machine's, and another pid namespace may number processes
// anew. Whoever has a proof that the kernel holds asks that instead (see held-directory.ts). Every doubt is 'unknown'.

import fs from 'node:fs';
import type { Liveness, ProcessIdentity } from './storage.js';

const PID_MAX = 2 ** 31 - 1;

/** The two fields of /proc/<pid>/stat that liveness needs. */
export interface ProcessStat {
  /** One letter; Z and X are those of a process that will never run again. */
  readonly state: string;
  readonly startTime: string;
}

export function readProcessIdentity(): ProcessIdentity {
  return {
    bootId: readOr('', () => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: readOr('', () => fs.readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startTime: readOr('', () => parseProcessStat(fs.readFileSync('/proc/self/stat', 'utf8')).startTime),
  };
}

/** Whether the process of `identity` has a task that can still run, as far as `own`, this process, can tell. */
export function processLiveness(identity: ProcessIdentity, own: ProcessIdentity): Liveness {
  // The machine has booted since. (Machines that share a store over a network file system are outside the promise:
  // their boot ids differ while both live.)
  if (identity.bootId !== '' && own.bootId !== '' && identity.bootId !== own.bootId) return 'dead';
  if (identity.pidNamespace !== own.pidNamespace) return 'unknown';
  // A pid that no process can have; and to signal 0 or a negative one would mean whole groups of processes.
  if (!Number.isInteger(identity.pid) || identity.pid < 1 || identity.pid > PID_MAX) return 'unknown';
  return procShowsOwnNamespace() ? livenessFromProc(identity) : livenessFromSignal(identity.pid);
}

/**
 * Parses /proc/<pid>/stat. The second field is the name of the program in parentheses, and may itself hold spaces and
 * parentheses: so the fields are counted from the last closing one, behind which comes the third, the state.
 */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[22 - 3]];
  if (state === undefined || startTime === undefined) throw new Error(`Not a process stat: ${text}`);
  return { state, startTime };
}

function livenessFromProc(identity: ProcessIdentity): Liveness {
  let stat: ProcessStat;
  try {
    stat = parseProcessStat(fs.readFileSync(`/proc/${identity.pid}/stat`, 'utf8'));
  } catch (error) {
    // A /proc mounted with hidepid leaves out living processes of other users, so its word alone is not enough.
    return isAbsence(error) && !canBeSignalled(identity.pid) ? 'dead' : 'unknown';
  }
  if (identity.startTime !== '' && stat.startTime !== identity.startTime) return 'dead';
  return canRun(stat.state) ? 'live' : livenessOfTasks(identity.pid);
}

/** The first task of a process may have ended, and be a zombie, while others still run. */
function livenessOfTasks(pid: number): Liveness {
  try {
    for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
      if (taskCanRun(`/proc/${pid}/task/${task}/stat`)) return 'live';
    }
    return 'dead';
  } catch (error) {
    return isAbsence(error) ? 'dead' : 'unknown';
  }
}

function taskCanRun(statPath: string): boolean {
  try {
    return canRun(parseProcessStat(fs.readFileSync(statPath, 'utf8')).state);
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

function livenessFromSignal(pid: number): Liveness {
  if (!canBeSignalled(pid)) return 'dead';
  // Without a start time it may be another process that was given the pid since, or a zombie.
  return pid === process.pid ? 'live' : 'unknown';
}

/** False only when the system says that there is no such process. */
function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** A process in a new pid namespace may still see the /proc of the outer one, where its pids mean others. */
function procShowsOwnNamespace(): boolean {
  return readOr(false, () => fs.readlinkSync('/proc/self') === String(process.pid));
}

function canRun(state: string): boolean {
  return state !== 'Z' && state !== 'X' && state !== 'x';
}

/** ESRCH is what reading says when the process ended after its file was opened. */
function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}

function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read();
  } catch {
    return fallback;
  }
}
