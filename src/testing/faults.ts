// Faults of a simulated disk. A fault rule sees every operation when it is submitted and may make it fail.

import type { KeelsonError } from '../errors.js';
import { storageError } from '../storage/storage-errors.js';

/**
 * Operations of a simulated disk, named after the methods of Storage and StorageFile. Blocking forms have the same
 * name.
 */
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
  | 'reserve'
  | 'truncate'
  | 'flush'
  | 'close'
  | 'submit';

/** An operation as a fault rule sees it. */
export interface FaultyOperation {
  /** Name of the operation. */
  readonly name: OperationName;
  /** Path that the process passed. */
  readonly path: string;
  /** True for the blocking form of an operation. */
  readonly sync: boolean;
  /** 1-based index among the operations of this name on this disk. */
  readonly nth: number;
  /** 1-based number of the process (life) on this disk that submitted the operation. */
  readonly life: number;
}

/**
 * Effect of a failed operation on its data.
 * - `before`: nothing, because the operation had no effect. Pending data stays pending.
 * - `dropped`: reads see the new data, but no later flush makes it durable, although later flushes report success.
 *   Linux file systems behave like this after a failed write-back.
 * - `kept`: the data stays pending, and a later flush can make it durable.
 * - `reverted`: reads see the durable data.
 *
 * `flush`, `flushDirectory` and `submit` can fail in each of these ways. After a failed `submit` of kind `dropped` or
 * `reverted`, each of its sectors on the medium is old, new or garbage. A failed `write`, `zeroFill` or `reserve` of kind
 * `kept` leaves part of its bytes visible to reads; the other kinds act like `before`. Every other operation fails like
 * `before`.
 */
export type FaultKind = 'before' | 'dropped' | 'kept' | 'reverted';

/**
 * Effect of a silent fault on a `write`, `zeroFill`, `reserve` or `submit`, which the disk reports as successful.
 * - `lost`: the bytes arrive nowhere. Sectors that held nothing before hold garbage.
 * - `misdirected`: the bytes arrive at another place of the same file and overwrite what is there. Their own place
 *   stays as with `lost`.
 *
 * Other operations ignore these kinds and succeed.
 */
export type SilentFaultKind = 'lost' | 'misdirected';

/** A fault that is reported, or a silent one. */
export type Fault = FailingFault | SilentFault;

/** A fault that the disk does not report. */
export interface SilentFault {
  /** Effect of the fault. */
  readonly kind: SilentFaultKind;
}

/** A fault that the disk reports as an error. */
export interface FailingFault {
  /** Name of the system's error, such as `EIO` or `ENOSPC`. */
  readonly errno: string;
  /** Default: `dropped` for `flush`, `flushDirectory` and `submit`, and `before` for everything else. */
  readonly kind?: FaultKind;
  /** Value of `memoryIsFree` that a failed durable write reports. Default: true. */
  readonly memoryIsFree?: boolean;
}

/** Returns the fault of an operation, or undefined. Called once for each operation, at its submission. */
export type FaultRule = (operation: FaultyOperation) => Fault | undefined;

/** Returns true for a kind of fault that is not reported. */
export function isSilent(kind: FaultKind | SilentFaultKind): kind is SilentFaultKind {
  return kind === 'lost' || kind === 'misdirected';
}

/** Returns the kind of a fault on this operation, with the default filled in. */
export function faultKind(fault: Fault, name: OperationName): FaultKind | SilentFaultKind {
  if (fault.kind !== undefined) return fault.kind;
  return name === 'flush' || name === 'submit' || name === 'flushDirectory' ? 'dropped' : 'before';
}

/** Returns the error that an engine reports for this errno, with the code and facts of a real disk. */
export function simulatedError(errno: string, syscall: string, path: string): KeelsonError {
  const cause = Object.assign(new Error(`${errno}: simulated`), { code: errno, syscall, path });
  return storageError(cause, syscall, path);
}
