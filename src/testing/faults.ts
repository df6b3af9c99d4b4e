// The faults that a simulated disk can be told to have. A rule sees every operation as it is submitted and may fail it.

import type { KeelsonError } from '../errors.js';
import { storageError } from '../storage/storage-errors.js';

/** The operations of a simulated disk: the methods of Storage and StorageFile; sync forms have the same name. */
export type OperationName =
  | 'kind'
  | 'makeDirectory'
  | 'list'
  | 'flushDirectory'
  | 'rename'
  | 'link'
  | 'remove'
  | 'openFile'
  | 'createFile'
  | 'createLogFile'
  | 'openLogFile'
  | 'size'
  | 'read'
  | 'write'
  | 'zeroFill'
  | 'truncate'
  | 'flush'
  | 'close'
  | 'submit';

/** An operation as a fault rule sees it. */
export interface FaultyOperation {
  readonly name: OperationName;
  readonly path: string;
  /** True for the blocking form of an operation. */
  readonly sync: boolean;
  /** The how manieth operation of this name on this disk it is, from 1. */
  readonly nth: number;
  /** Which life asks: 1 for the first process on this disk. */
  readonly life: number;
}

/**
 * What is left of the data when an operation fails.
 * - `before`: it failed before it had any effect. What was pending stays pending.
 * - `dropped`: reads go on seeing the new data, but no later flush can make it durable, though it will report success.
 *   This is what Linux file systems do after a failed write-back.
 * - `kept`: the data stays pending, and a later flush that succeeds makes it durable.
 * - `reverted`: reads see what is durable.
 *
 * A failed durable write (`submit`) of the kinds `dropped` and `reverted` leaves each of its sectors old, new or
 * damaged on the medium. A failed `write` or `zeroFill` of the kind `kept` leaves a part of its bytes in the view.
 * Every other operation fails as `before`, whatever the kind.
 */
export type FaultKind = 'before' | 'dropped' | 'kept' | 'reverted';

/**
 * What a disk does wrong to a `write` or a `submit` while it reports success.
 * - `lost`: nothing arrives. Where nothing was before, there is garbage.
 * - `misdirected`: the bytes arrive at another place of the file, over what is there; at their own place nothing does.
 *
 * Other operations do not know these kinds: they succeed.
 */
export type SilentFaultKind = 'lost' | 'misdirected';

/** A fault that is reported, or one that is not. */
export type Fault = FailingFault | SilentFault;

export interface SilentFault {
  readonly kind: SilentFaultKind;
}

export interface FailingFault {
  /** The operating system's name of the error, such as `EIO` or `ENOSPC`. */
  readonly errno: string;
  /** `dropped` for flushes and durable writes when absent, `before` for everything else. */
  readonly kind?: FaultKind;
  /** What a failed durable write says of its memory; true when absent. */
  readonly memoryIsFree?: boolean;
}

/** Asked once for every operation, when it is submitted. */
export type FaultRule = (operation: FaultyOperation) => Fault | undefined;

export function isSilent(kind: FaultKind | SilentFaultKind): kind is SilentFaultKind {
  return kind === 'lost' || kind === 'misdirected';
}

/** The kind of a fault on this operation, with the default filled in. */
export function faultKind(fault: Fault, name: OperationName): FaultKind | SilentFaultKind {
  if (fault.kind !== undefined) return fault.kind;
  return name === 'flush' || name === 'submit' || name === 'flushDirectory' ? 'dropped' : 'before';
}

/** The error an engine reports for this errno: the same code and facts as on a real disk. */
export function simulatedError(errno: string, syscall: string, path: string): KeelsonError {
  const cause = Object.assign(new Error(`${errno}: simulated`), { code: errno, syscall, path });
  return storageError(cause, syscall, path);
}
