// A script: everything that the processes on a simulated machine do to a store, as plain data. It can be printed, read
// back, shortened and played again; script-generator.ts makes them from seeds, script-life.ts plays them.

import type { FaultKind, OperationName, SilentFaultKind } from '../../src/testing/index.js';

/** How one life opens the store. */
export interface LifeOptions {
  readonly store: {
    readonly maxUndurableBytes: number;
    readonly autoCheckpoint: boolean;
    readonly checkpointBytesMin: number;
    readonly checkpointRatio: number;
    readonly keepOlderGeneration: boolean;
  };
  readonly journal: {
    readonly blockBytes: number;
    readonly segmentBytesMin: number;
    readonly segmentBytesMax: number;
    readonly commitBytesMax: number;
  };
}

/** What to put: a text of so many bytes that names its number again and again, so that no two values are alike. */
export interface ScriptValue {
  readonly number: number;
  readonly bytes: number;
}

export type BatchStep =
  | { readonly do: 'put'; readonly key: string; readonly value: ScriptValue }
  | { readonly do: 'delete'; readonly key: string }
  | { readonly do: 'clear'; readonly from: string; readonly to: string };

export type Step =
  /** Writes. `wait`: go on when it is durable. `memory`: its promise says nothing of the disk. */
  | ((BatchStep | { readonly do: 'batch'; readonly operations: readonly BatchStep[] }) & {
      readonly wait?: boolean;
      readonly memory?: boolean;
    })
  /** Waits for everything that was accepted. */
  | { readonly do: 'settle' }
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'flush' | 'flushSync' }
  | { readonly do: 'checkpoint'; readonly wait: boolean }
  | { readonly do: 'backup'; readonly to: string; readonly wait: boolean }
  /** Takes a snapshot, compares it with what it must be, lets go of it. */
  | { readonly do: 'hold' | 'compare' | 'release'; readonly name: string }
  /** Starts an iteration; goes on with it. */
  | { readonly do: 'iterate'; readonly name: string; readonly reverse: boolean }
  | { readonly do: 'advance'; readonly name: string; readonly count: number }
  /** Ends this life and begins the next. */
  | { readonly do: 'reopen'; readonly how: 'close' | 'kill' | 'exit'; readonly life: LifeOptions };

/** One fault that the disk has while the script runs. */
export interface FaultPlan {
  readonly operation: OperationName;
  /** From the nth operation of this name on, and how many of them. */
  readonly nth: number;
  readonly count: number;
  readonly errno: string;
  readonly kind?: FaultKind | SilentFaultKind;
}

export interface Script {
  /** Of the disk, of the crashes, and of what checks choose. */
  readonly seed: number;
  readonly keyEncoding: 'utf8' | 'tuple';
  readonly valueEncoding: 'msgpack' | 'json' | 'utf8';
  readonly life: LifeOptions;
  readonly steps: readonly Step[];
  /** Whether the last life ends with close(). */
  readonly isClosed: boolean;
  /** What a life after a crash goes on to do, before it is crashed itself or checked. */
  readonly after: readonly Step[];
  readonly fault: FaultPlan | null;
  /** A fault that some of the disks found after a crash have while the store is opened. */
  readonly recoveryFault: FaultPlan | null;
  readonly capacityBytes: number | null;
}

/** Returns the key that the store has for a key of a script: that key, or a tuple in the same order that ends with it. */
export function storeKey(encoding: Script['keyEncoding'], key: string): unknown {
  return encoding === 'utf8' ? key : ['key', key.charCodeAt(0), [key.length], key];
}

/** Returns the key of a script for a key of the store. */
export function scriptKey(key: unknown): string {
  return Array.isArray(key) ? key.at(-1) : (key as string);
}

/** What is put: a text, or an object around it; most of the objects have names in common. */
export function putValue(encoding: Script['valueEncoding'], { number, bytes }: ScriptValue): unknown {
  const stamp = `#${number} `;
  const text = stamp.repeat(Math.ceil(bytes / stamp.length)).slice(0, bytes);
  if (encoding === 'utf8' || number % 4 === 0) return text;
  return number % 4 === 1 ? { number, text } : { text };
}
