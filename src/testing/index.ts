// The entry point of "keelson/testing": a simulated disk with the faults of real disks, and a search for crashes
// after which code on that disk breaks its promises. It works with every test runner, because a broken promise
// rejects the call.

import '../node-version.js';

export {
  type Crash,
  type CrashCheck,
  type CrashContext,
  type CrashCounts,
  type CrashExploration,
  CrashFailure,
  type CrashKind,
  exploreCrashes,
} from './crash-explorer.js';
export type { Damage } from './damage.js';
export type {
  FailingFault,
  Fault,
  FaultKind,
  FaultRule,
  FaultyOperation,
  OperationName,
  SilentFault,
  SilentFaultKind,
} from './faults.js';
export { HangError } from './hang.js';
export { type InMemory, inMemory, type Open } from './in-memory.js';
export type { PowerCutChoice, PowerCutPattern, PowerCutProfile, PowerCutSearch } from './power-cut.js';
export {
  type CheckRun,
  type CrashSimulation,
  simulateCrashes,
  type WorkloadRun,
} from './simulate-crashes.js';
export { type Boundary, type DiskState, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.js';
