// Plays a transaction of a script, beside a model of it. Each read is compared with what the transaction must see. At the
// commit all reads are made again in the model, on what the store holds then: each must find the same, or the commit was
// not serial.

import type { Namespace, Transaction } from '../../src/kv/index.js';
import { hold, holdEqual } from './invariants.js';
import {
  encodingsOf,
  numberIn,
  numberValue,
  type ReadPart,
  type Script,
  storeKey,
  type TransactionPart,
  type TransactionStep,
} from './script.js';
import { meets } from './script-encounters.js';
import {
  type Contents,
  committed,
  expectedOf,
  handleOf,
  type ModelWrite,
  modelWrite,
  readOf,
  type ScriptReads,
  type ScriptStore,
  SPACE_NAMES,
  written,
} from './script-model.js';

/** What a script throws in a transaction. */
export class ScriptThrow extends Error {}

/** The life that a transaction is part of. */
export interface TransactionHost {
  readonly script: Script;
  readonly store: ScriptStore;
  /** What the store holds now. */
  contents(): Contents;
  /** False when the life of the transaction has ended, and the store is that of another life. */
  isCurrent(): boolean;
  /** Draws an id. */
  draw(): number;
}

type ScriptTx = Transaction<unknown, unknown>;
/** Each value is a promise that an asynchronous transaction awaits. A synchronous one has none. */
type Play = Generator<Promise<unknown>, void, void>;

type TraceEvent =
  | { readonly type: 'read'; readonly part: ReadPart; readonly seen: unknown }
  | { readonly type: 'write'; readonly write: ModelWrite }
  | { readonly type: 'begin' }
  | { readonly type: 'keep' }
  | { readonly type: 'undo' };

/** What one attempt has read and written so far. */
class Trace {
  readonly #events: TraceEvent[] = [];
  #contents: Contents;
  #savepoints: Contents[] = [];

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  /** What the transaction must see now. What it has written has version 0. */
  get contents(): Contents {
    return this.#contents;
  }

  add(event: TraceEvent): void {
    this.#events.push(event);
    this.#apply(event);
  }

  /** Puts other contents beneath all that was read and written, which must fit. */
  rebase(contents: Contents): void {
    this.#contents = contents;
    this.#savepoints = [];
    for (const event of this.#events) this.#apply(event);
  }

  #apply(event: TraceEvent): void {
    if (event.type === 'write') this.#contents = written(this.#contents, event.write, 0);
    else if (event.type === 'begin') this.#savepoints.push(this.#contents);
    else if (event.type === 'keep') this.#savepoints.pop();
    else if (event.type === 'undo') this.#contents = this.#savepoints.pop()!;
    else if (event.type === 'read') {
      const { part, seen } = event;
      holdEqual(8, seen, expectedOf(part, this.#contents), `what ${JSON.stringify(part)} has seen`);
    }
  }
}

/** One transaction of a script, through all of its attempts. */
export class ScriptTransaction {
  readonly step: TransactionStep;
  readonly #host: TransactionHost;
  #tx: ScriptTx | null = null;
  #trace = new Trace(new Map());
  #handles = new Map<string, Namespace<unknown, unknown>>();
  #attempts = 0;
  #startLsn = 0;

  constructor(host: TransactionHost, step: TransactionStep) {
    this.#host = host;
    this.step = step;
  }

  /** The LSN of the commit; null before it, and when nothing was written. */
  get lsn(): number | null {
    return this.#tx?.lsn ?? null;
  }

  /** What the last attempt has seen last, with what it has written. */
  get seen(): Contents {
    return this.#trace.contents;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** The LSN of the store when the last attempt began. */
  get startLsn(): number {
    return this.#startLsn;
  }

  /** Runs it. Throws and rejects as the store does. */
  run(): Promise<number> {
    const { step } = this;
    const { maxAttempts, memory } = step;
    const options = {
      ...(maxAttempts === undefined ? {} : { maxAttempts }),
      ...(memory ? { durability: 'memory' as const } : {}),
    };
    const fn = (tx: ScriptTx) => {
      this.#begin(tx);
      return this.#play(this.#parts(tx, step.parts, step.throws), step.parts.length);
    };
    return this.#host.store.transaction(fn as (tx: ScriptTx) => number, options);
  }

  /** Returns what the store holds after the commit, which came right after `contents`. */
  committedOn(contents: Contents): Contents {
    this.#trace.rebase(contents);
    return committed(this.#trace.contents, this.lsn!);
  }

  #begin(tx: ScriptTx): void {
    const { script, store } = this.#host;
    this.#attempts += 1;
    hold(8, tx.attempt === this.#attempts, `attempt ${tx.attempt} is the ${this.#attempts}th`);
    this.#tx = tx;
    this.#trace = new Trace(this.#host.contents());
    this.#startLsn = store.lastLsn;
    // Another namespace may get the name later.
    for (const name of SPACE_NAMES)
      if (usesSpace(this.step.parts, name))
        this.#handles.set(name, handleOf(store, script, name) as Namespace<unknown, unknown>);
  }

  #play(play: Play, result: number): number | Promise<number> {
    if (this.step.isAsync) return drive(play).then(() => result);
    for (const promise of play) throw new Error('A synchronous transaction waits', { cause: promise });
    return result;
  }

  *#parts(tx: ScriptTx, parts: readonly TransactionPart[], throws: boolean): Play {
    for (const part of parts) {
      if (part.do === 'nested') yield* this.#nested(tx, part);
      else if (part.do === 'turns') yield turns(part.count);
      else this.#part(tx, part);
    }
    if (throws) throw new ScriptThrow('It throws at its end');
  }

  #part(tx: ScriptTx, part: Exclude<TransactionPart, { do: 'nested' | 'turns' }>): void {
    switch (part.do) {
      case 'put':
      case 'delete':
      case 'clear':
        this.#write(tx, modelWrite(this.#host.script, part));
        return;
      case 'draw':
        this.#write(tx, this.#numberPut(part, this.#host.draw()));
        return;
      case 'at commit':
        tx.atCommit((last) => {
          if (this.#host.isCurrent()) this.#atCommit(last as ScriptTx, part);
          return undefined;
        });
        return;
      case 'outside':
        this.#outside(part.key);
        return;
      default:
        this.#read(tx, part);
    }
  }

  *#nested(tx: ScriptTx, { parts, throws }: Extract<TransactionPart, { do: 'nested' }>): Play {
    let inner = tx;
    this.#trace.add({ type: 'begin' });
    try {
      const result = tx.nested((given) => {
        inner = given;
        return this.#play(this.#parts(given, parts, throws), 0);
      });
      if (typeof result !== 'number') yield result;
      this.#trace.add({ type: 'keep' });
    } catch (error) {
      if (!(error instanceof ScriptThrow)) throw error;
      this.#trace.add({ type: 'undo' });
      meets('a nested part that is undone');
      const thrown = errorOf(() => inner.size);
      hold(8, thrown?.code === 'KEELSON_CLOSED', `a nested part that was undone reads, or throws ${thrown}`);
    }
  }

  #atCommit(last: ScriptTx, part: Extract<TransactionPart, { do: 'at commit' }>): void {
    // From here on nothing comes in between: what was read before must be so now.
    meets('a part at the commit');
    this.#trace.rebase(this.#host.contents());
    const seen = this.#read(last, { do: 'get', key: part.key, ...inOf(part) }) as [unknown] | null;
    this.#write(last, this.#numberPut(part, numberIn(seen?.[0]) + 1));
    if (part.throws) throw new ScriptThrow('It throws at the commit');
  }

  /** Nobody but the tx may write while a synchronous function runs, and others read what was there before. */
  #outside(key: string): void {
    const { store, script } = this.#host;
    const there = storeKey(script, key);
    const state = store.getEntry(there);
    const calls = [
      () => store.delete(there),
      () => store.clear(),
      () => store.batch([]),
      () => store.drop('people'),
      () => store.transaction(() => {}),
    ];
    for (const call of calls) {
      const thrown = errorOf(call);
      hold(8, thrown instanceof TypeError, `a write beside a function throws ${thrown}`);
    }
    const before = this.#host.contents().get('')!.get(key);
    holdEqual(
      8,
      state && [state.value, state.version],
      before && [before.value, before.version],
      'beside it',
    );
  }

  #read(tx: ScriptTx, part: ReadPart): unknown {
    const seen = readOf(part, this.#in(tx, part) as ScriptReads, encodingsOf(this.#host.script, part.in));
    this.#trace.add({ type: 'read', part, seen });
    return seen;
  }

  #write(tx: ScriptTx, write: ModelWrite): void {
    const into = this.#in(tx, write);
    const keyOf = (key: string) => storeKey(encodingsOf(this.#host.script, write.in), key);
    if (write.do === 'put') into.put(keyOf(write.key), write.value);
    else if (write.do === 'delete') into.delete(keyOf(write.key));
    else if (write.do === 'clear') into.clear({ gte: keyOf(write.from), lt: keyOf(write.to) });
    this.#trace.add({ type: 'write', write });
  }

  #in(tx: ScriptTx, { in: name }: { readonly in?: string }) {
    return name === undefined ? tx : tx.in(this.#handles.get(name)!);
  }

  #numberPut(part: { readonly key: string; readonly in?: string }, number: number): ModelWrite {
    const value = numberValue(encodingsOf(this.#host.script, part.in), number);
    return { do: 'put', key: part.key, value, ...inOf(part) };
  }
}

function inOf({ in: name }: { readonly in?: string }): { readonly in?: string } {
  return name === undefined ? {} : { in: name };
}

function usesSpace(parts: readonly TransactionPart[], name: string): boolean {
  return parts.some((part) =>
    part.do === 'nested' ? usesSpace(part.parts, name) : 'in' in part && part.in === name,
  );
}

function errorOf(call: () => unknown): (Error & { readonly code?: string }) | null {
  try {
    call();
    return null;
  } catch (error) {
    return error as Error;
  }
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function drive(play: Play): Promise<void> {
  for (let step = play.next(); !step.done; ) {
    try {
      await step.value;
    } catch (error) {
      step = play.throw(error);
      continue;
    }
    step = play.next();
  }
}
