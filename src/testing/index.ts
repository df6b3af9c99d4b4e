// The door of "keelson/testing": a simulated disk with the faults of real ones, and the search for crashes that break
// the promises of code on it. Works with every test runner: a broken promise of the code is a rejected promise of the
// call.

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
