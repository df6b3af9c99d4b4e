// The identity of this process, and whether the process of another identity lives.
//
// An identity consists of labels, and labels can deceive: another boot id may be mounted over the machine's, and
// another pid namespace may number processes anew. A lock or a socket, which the kernel releases when its process
// ends, is a better proof and decides where there is one (held-directory.ts). Every doubt is 'unknown'.

import fs from 'node:fs';
import type { Liveness, ProcessIdentity } from './storage.js';

const PID_MAX = 2 ** 31 - 1;

/** Fields of /proc/<pid>/stat that tell whether a process lives. */
export interface ProcessStat {
  /** Process state, one letter. Z and X mean that the process will never run again. */
  readonly state: string;
  /** Start time in clock ticks since boot. */
  readonly startTime: string;
}

/** Returns the identity of this process. Fields that the system does not give are empty. */
export function readProcessIdentity(): ProcessIdentity {
  return {
    bootId: readOr('', () => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: readOr('', () => fs.readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startTime: readOr('', () => parseProcessStat(fs.readFileSync('/proc/self/stat', 'utf8')).startTime),
  };
}

/** Returns 'live' if the process of `identity` has a task that can still run, as far as the process `own` can tell. */
export function processLiveness(identity: ProcessIdentity, own: ProcessIdentity): Liveness {
  // The machine has booted since. Machines that share a store over a network file system are not supported: their
  // boot ids differ while both are up.
  if (identity.bootId !== '' && own.bootId !== '' && identity.bootId !== own.bootId) return 'dead';
  if (identity.pidNamespace !== own.pidNamespace) return 'unknown';
  // No process can have this pid. Signalling 0 or a negative pid would address groups of processes.
  if (!Number.isInteger(identity.pid) || identity.pid < 1 || identity.pid > PID_MAX) return 'unknown';
  return procShowsOwnNamespace() ? livenessFromProc(identity) : livenessFromSignal(identity.pid);
}

/**
 * Parses /proc/<pid>/stat. The second field is the program's name in parentheses and may contain spaces and
 * parentheses. So the fields are counted from the last closing parenthesis; the field after it is the third, the
 * state.
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
    // A /proc mounted with hidepid omits living processes of other users, so a missing entry alone proves nothing.
    return isAbsence(error) && !canBeSignalled(identity.pid) ? 'dead' : 'unknown';
  }
  if (identity.startTime !== '' && stat.startTime !== identity.startTime) return 'dead';
  return canRun(stat.state) ? 'live' : livenessOfTasks(identity.pid);
}

/**
 * Returns 'live' if any task of the process can run. The first task may have ended, and be a zombie, while others
 * run.
 */
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
  // Without a start time, the pid may belong to a zombie, or to a newer process.
  return pid === process.pid ? 'live' : 'unknown';
}

/** Returns false only if the system says that there is no such process. */
function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Returns false in a new pid namespace that still sees the outer /proc: there its pids belong to other processes. */
function procShowsOwnNamespace(): boolean {
  return readOr(false, () => fs.readlinkSync('/proc/self') === String(process.pid));
}

function canRun(state: string): boolean {
  return state !== 'Z' && state !== 'X' && state !== 'x';
}

/** Returns true for errors that mean "no such process". ESRCH comes if the process ends after its file was opened. */
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
