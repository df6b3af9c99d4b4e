// The interpreter of programs: runs the steps of a program over a transaction of a store or of a model, and notes what it
// reads.

import { isKeelsonError } from '../../src/errors.js';
import { type Iteration, KEYS, type PlaceName, type Range, type Step } from './programs.js';

/** The reads and writes of one place, which a namespace, a part of a transaction and a model have. */
export interface Collection {
  get(key: string): unknown;
  has(key: string): boolean;
  getEntry(key: string): unknown;
  rank(key: string): number;
  getMany(keys: readonly string[]): unknown[];
  getEntryMany(keys: readonly string[]): unknown[];
  hasMany(keys: readonly string[]): boolean[];
  entries(range: Iteration): Iterator<unknown>;
  keys(range: Iteration): Iterator<unknown>;
  values(range: Iteration): Iterator<unknown>;
  getEntries(range: Iteration): Iterator<unknown>;
  count(range: Range): number;
  nth(at: number): unknown;
  readonly size: number;
  /** The index of a namespace; the store itself has none. */
  readonly indexes: { readonly byKind: KindIndex };
  put(key: string, value: unknown, options?: { readonly ttl?: number }): unknown;
  touch(key: string, expiry: { readonly ttl: number }): unknown;
  delete(key: string): unknown;
  clear(range: Range): unknown;
}

/** The index of the kinds of values. */
export interface KindIndex {
  keys(range: { readonly gte: number }): Iterable<string>;
  count(range: { readonly gte: number }): number;
  rank(kind: number): number;
  nth(at: number): unknown;
}

/** A transaction of a store or of a model. */
export interface Tx extends Collection {
  // biome-ignore lint/suspicious/noExplicitAny: a store takes handles of namespaces, and a model takes names.
  in(namespace: any): Collection;
  nested<T>(fn: (tx: Tx) => T): T;
  atCommit(fn: (tx: Tx) => undefined): void;
}

/** Returns the namespace of a name as in() takes it. */
export type NamespaceOf = (name: PlaceName) => unknown;

/** What one run of a program has read so far. */
export class Run {
  /** The steps and their results, as text. */
  readonly results: string[] = [];
  readonly iterators: (Iterator<unknown> | null)[] = [];
  readonly namespaceOf: NamespaceOf;
  #hash = 0;

  constructor(namespaceOf: NamespaceOf) {
    this.namespaceOf = namespaceOf;
  }

  /** A number that depends on all results so far. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  note(step: Step | { readonly do: string }, result: unknown): void {
    const text = JSON.stringify(result) ?? 'undefined';
    for (let at = 0; at < text.length; at++) this.#hash = Math.imul(this.#hash, 31) + text.charCodeAt(at);
    this.results.push(`${JSON.stringify(step)} → ${text}`);
  }
}

/** A request of a program to its driver: to wait, or to run a nested part. */
type Request = Extract<Step, { do: 'pause' | 'nested' }>;

/** Thrown to undo a nested part. */
const UNDONE = new Error('The nested part is to be undone');

/** Runs a program without pauses. */
export function runNow(steps: readonly Step[], tx: Tx, run: Run): undefined {
  for (const request of interpret(steps, tx, run)) {
    if (request.do === 'pause') continue;
    try {
      tx.nested((inner) => {
        runNow(request.steps, inner, run);
        if (request.isUndone) throw UNDONE;
      });
    } catch (error) {
      if (error !== UNDONE) throw error;
    }
  }
}

/** Runs a program that waits at each pause. Its nested parts with pauses are asynchronous. */
export async function runWithPauses(
  steps: readonly Step[],
  tx: Tx,
  run: Run,
  pause: () => Promise<void>,
): Promise<void> {
  for (const request of interpret(steps, tx, run)) {
    if (request.do === 'pause') {
      await pause();
      continue;
    }
    const hasPauses = request.steps.some((step) => step.do === 'pause');
    try {
      if (hasPauses)
        await tx.nested(async (inner) => {
          await runWithPauses(request.steps, inner, run, pause);
          if (request.isUndone) throw UNDONE;
        });
      else
        tx.nested((inner) => {
          runNow(request.steps, inner, run);
          if (request.isUndone) throw UNDONE;
        });
    } catch (error) {
      if (error !== UNDONE) throw error;
    }
  }
}

function* interpret(steps: readonly Step[], tx: Tx, run: Run): Generator<Request, void, void> {
  for (const step of steps) {
    if (step.do === 'pause' || step.do === 'nested') yield step;
    else if (step.do === 'atCommit') tx.atCommit((last) => runNow(step.steps, last, run));
    else take(step, tx, run);
  }
}

type Resume = Extract<Step, { do: 'resume' }>;
type Write = Extract<Step, { do: 'put' | 'delete' | 'clear' }>;
type Read = Exclude<Step, Request | Write | Resume | { do: 'atCommit' }>;

/** Takes one step. Notes the result of a read. */
function take(step: Read | Write | Resume, tx: Tx, run: Run): void {
  if (step.do === 'resume') {
    run.note(step, itemsOf(run, step.slot, step.take));
    if (step.isLast) run.iterators[step.slot]?.return?.();
    return;
  }
  const { place } = step;
  const at = place === '' ? tx : tx.in(run.namespaceOf(place));
  if (step.do === 'put') {
    const options = step.ttl === undefined ? undefined : { ttl: step.ttl };
    at.put(keyOf(step, run), `${step.id} after ${run.hash}`, options);
  } else if (step.do === 'delete') at.delete(keyOf(step, run));
  else if (step.do === 'clear') at.clear(step.range);
  else run.note(step, read(step, at, run));
}

function read(step: Read, at: Collection, run: Run): unknown {
  switch (step.do) {
    case 'count':
      return at.count(step.range);
    case 'size':
      return at.size;
    case 'nth':
      return at.nth(step.at);
    case 'indexKeys':
      return [...at.indexes.byKind.keys({ gte: step.at })];
    case 'indexCount':
      return at.indexes.byKind.count({ gte: step.at });
    case 'indexRank':
      return at.indexes.byKind.rank(step.at);
    case 'indexNth':
      return at.indexes.byKind.nth(step.at);
    case 'getMany':
    case 'getEntryMany':
    case 'hasMany':
      return at[step.do](step.keys);
    case 'get':
    case 'has':
    case 'getEntry':
    case 'rank':
      return at[step.do](keyOf(step, run));
    default:
      run.iterators[step.slot] = at[step.do](step.range);
      return itemsOf(run, step.slot, step.take);
  }
}

function keyOf(
  { key, isDependent }: { readonly key: number; readonly isDependent: boolean },
  run: Run,
): string {
  return KEYS[(key + (isDependent ? run.hash : 0)) % KEYS.length]!;
}

/** Takes some items of an iteration; the last may be the code of the error that ends it. */
function itemsOf({ iterators }: Run, slot: number, count: number): unknown[] {
  const items: unknown[] = [];
  const iterator = iterators[slot];
  if (iterator === undefined || iterator === null) return items;
  try {
    for (let left = count; left > 0; left--) {
      const { done, value } = iterator.next();
      items.push(done === true ? 'end' : value);
      if (done === true) break;
    }
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_CLOSED')) throw error;
    items.push(error.code);
    iterators[slot] = null;
  }
  return items;
}
