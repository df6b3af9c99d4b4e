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
    readonly retain?: { readonly bytes: number };
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

/** The encodings of keys and values of the store or of a namespace. */
export interface ScriptEncodings {
  readonly keyEncoding: 'utf8' | 'tuple';
  readonly valueEncoding: 'msgpack' | 'json' | 'utf8';
}

/** The namespaces of scripts, by their names. The first write creates one, also after it was dropped. */
export const NAMESPACES: ReadonlyMap<string, ScriptEncodings> = new Map([
  ['people', { keyEncoding: 'utf8', valueEncoding: 'msgpack' }],
  ['pairs', { keyEncoding: 'tuple', valueEncoding: 'json' }],
  ['__proto__', { keyEncoding: 'utf8', valueEncoding: 'utf8' }],
]);

/** The keys of scripts, in their order. */
export const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];

/** A place in a script: `in` names a namespace, and is left out for the store itself. */
interface InSpace {
  readonly in?: string;
}

/** A condition: `if` says whether it holds. The key then has the version that the write names, or another one. */
interface Conditional {
  readonly if?: boolean;
}

export type PutStep = { readonly do: 'put'; readonly key: string; readonly value: ScriptValue } & InSpace;
export type TouchStep = { readonly do: 'touch'; readonly key: string; readonly ttl: number } & InSpace;
export type DeleteStep = { readonly do: 'delete'; readonly key: string } & InSpace;
export type ClearStep = { readonly do: 'clear'; readonly from: string; readonly to: string } & InSpace;

/** What a batch and a transaction write. */
export type WriteStep =
  | PutStep
  | DeleteStep
  | (ClearStep & { readonly limit?: number; readonly reverse?: boolean });

export type BatchStep =
  | WriteStep
  | ({ readonly do: 'check'; readonly key: string; readonly if: boolean } & InSpace);

/** What a transaction reads. A scan stops after `count` entries. */
export type ReadPart = InSpace &
  (
    | { readonly do: 'get' | 'rank'; readonly key: string }
    | {
        readonly do: 'scan';
        readonly from: string;
        readonly to: string;
        readonly reverse: boolean;
        readonly count: number;
      }
    | { readonly do: 'count'; readonly from: string; readonly to: string }
    | { readonly do: 'nth'; readonly at: number }
    | { readonly do: 'size' }
  );

export type TransactionPart =
  | PutStep
  | DeleteStep
  | ClearStep
  | ReadPart
  /** Draws an id and puts it. */
  | ({ readonly do: 'draw'; readonly key: string } & InSpace)
  /** Counts the number under a key up at the commit, or throws there. */
  | ({ readonly do: 'at commit'; readonly key: string; readonly throws: boolean } & InSpace)
  | { readonly do: 'nested'; readonly parts: readonly TransactionPart[]; readonly throws: boolean }
  /** Lets others go on. In asynchronous transactions only. */
  | { readonly do: 'turns'; readonly count: number }
  /** Tries to write with the store itself. In synchronous transactions only. */
  | { readonly do: 'outside'; readonly key: string };

export interface TransactionStep {
  readonly do: 'transaction';
  readonly isAsync: boolean;
  readonly parts: readonly TransactionPart[];
  /** Whether the function throws at its end. */
  readonly throws: boolean;
  readonly maxAttempts?: number;
  readonly wait?: boolean;
  readonly memory?: boolean;
}

export type Step =
  /** Writes. `wait`: go on when it is durable. `memory`: its promise says nothing of the disk. */
  | ((
      | (PutStep & Conditional & { readonly ttl?: number })
      | TouchStep
      | (DeleteStep & Conditional)
      | Extract<WriteStep, { do: 'clear' }>
      | { readonly do: 'batch'; readonly operations: readonly BatchStep[] }
      | { readonly do: 'drop'; readonly in: string; readonly byName: boolean }
    ) & {
      readonly wait?: boolean;
      readonly memory?: boolean;
    })
  | TransactionStep
  /** Draws an id and puts it, or forgets it. */
  | ({ readonly do: 'draw'; readonly key: string | null } & InSpace)
  /** Sets the clock of the store forward or back. Then all entries are looked at. */
  | { readonly do: 'clock'; readonly by: number }
  /** Removes what has expired. */
  | { readonly do: 'expire' }
  /** Waits for everything that was accepted. */
  | { readonly do: 'settle' }
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'flush' | 'flushSync' }
  | { readonly do: 'checkpoint'; readonly wait: boolean }
  | { readonly do: 'backup'; readonly to: string; readonly wait: boolean }
  /** Takes a snapshot, compares it with what it must be, lets go of it. */
  | { readonly do: 'hold' | 'compare' | 'release'; readonly name: string }
  /** Starts an iteration; goes on with it. */
  | ({ readonly do: 'iterate'; readonly name: string; readonly reverse: boolean } & InSpace)
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

export interface Script extends ScriptEncodings {
  /** Of the disk, of the crashes, and of what checks choose. */
  readonly seed: number;
  readonly life: LifeOptions;
  /** Whether the namespaces have indexes. */
  readonly isIndexed: boolean;
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

/** Returns the encodings of the store itself, or of a namespace. */
export function encodingsOf(script: Script, namespace = ''): ScriptEncodings {
  return namespace === '' ? script : NAMESPACES.get(namespace)!;
}

/** Returns the key that the store has for a key of a script: that key, or a tuple in the same order that ends with it. */
export function storeKey({ keyEncoding }: ScriptEncodings, key: string): unknown {
  return keyEncoding === 'utf8' ? key : ['key', key.charCodeAt(0), [key.length], key];
}

/** Returns the key of a script for a key of the store. */
export function scriptKey(key: unknown): string {
  return Array.isArray(key) ? key.at(-1) : (key as string);
}

/** What is put: a text, or an object around it; most of the objects have names in common. */
export function putValue({ valueEncoding }: ScriptEncodings, { number, bytes }: ScriptValue): unknown {
  const stamp = `#${number} `;
  const text = stamp.repeat(Math.ceil(bytes / stamp.length)).slice(0, bytes);
  if (valueEncoding === 'utf8' || number % 4 === 0) return text;
  return number % 4 === 1 ? { number, text } : { text };
}

/** Returns the value that stands for a number: an id, or a count. */
export function numberValue({ valueEncoding }: ScriptEncodings, number: number): unknown {
  return valueEncoding === 'utf8' ? `= ${number}` : { is: number };
}

/** Returns the number that a value stands for; 0 for any other value. */
export function numberIn(value: unknown): number {
  if (typeof value === 'string') return value.startsWith('= ') ? Number(value.slice(2)) : 0;
  return (value as { is?: number } | undefined)?.is ?? 0;
}
