// Plays a script on a simulated disk: one life of the store after the other, beside a plain model of what it must hold.
// What is known for certain is recorded as facts, for the crashes; what must hold while it runs is checked on the way.

import { isKeelsonError } from '../../src/errors.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Snapshot } from '../../src/kv/read/snapshot.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import type { FaultRule, SimulatedDisk } from '../../src/testing/index.js';
import { checkFound, hold, holdEqual, InvariantFailure, type ScriptFact } from './invariants.js';
import {
  type BatchStep,
  type FaultPlan,
  type LifeOptions,
  putValue,
  type Script,
  type Step,
  scriptKey,
  storeKey,
} from './script.js';
import { type StoreState, stateOf } from './store-workload.js';

/** Two levels that the store must make, and make durable. */
export const SCRIPT_DIRECTORY = '/data/deep/store';

type ScriptStore = Store<unknown, unknown>;
type Contents = ReadonlyMap<string, { readonly value: unknown; readonly version: number }>;

interface HeldIteration {
  readonly iterator: Iterator<[unknown, unknown]>;
  readonly expected: readonly (readonly [string, unknown])[];
  at: number;
}

/** The birth record without the names of the encodings: a frame, two bytes and two lengths. */
const BIRTH_BYTES = 16;

export function birthLsnOf(script: Script): number {
  return BIRTH_BYTES + script.keyEncoding.length + script.valueEncoding.length;
}

export function openForScript(
  storage: Storage,
  directory: string,
  script: Script,
  life: LifeOptions,
  options: object = {},
): Promise<ScriptStore> {
  const { keyEncoding, valueEncoding } = script;
  const resolved = resolveStoreOptions({ ...life.store, keyEncoding, valueEncoding, ...options });
  return openStoreOn(storage, directory, resolved, life.journal) as Promise<ScriptStore>;
}

/** The rule that has this fault, in the files of stores only: a lock that is lost in silence is another story. */
export function faultRule(plan: FaultPlan): FaultRule {
  const isSilent = plan.errno === '';
  let seen = 0;
  return ({ name, path }) => {
    if (name !== plan.operation || (isSilent && path.includes('LOCK'))) return undefined;
    seen += 1;
    if (seen < plan.nth || seen >= plan.nth + plan.count) return undefined;
    if (plan.kind === 'lost' || plan.kind === 'misdirected') return { kind: plan.kind };
    return { errno: plan.errno, ...(plan.kind === undefined ? {} : { kind: plan.kind }) };
  };
}

/**
 * A flush of a directory failed during an opening, and has lost names that everybody goes on seeing. The next opening
 * finds them, flushes the directory with success, and cannot know. File systems with a journal stop at such a failure;
 * on others nothing can be promised until the machine has booted anew.
 */
export class UnknowableNames extends Error {}

export class ScriptLife {
  readonly #disk: SimulatedDisk;
  readonly #script: Script;
  readonly #record: (fact: ScriptFact) => void;
  readonly #facts: ScriptFact[];
  readonly #through: (storage: Storage) => Storage;
  #storage: Storage;
  #store: ScriptStore | null = null;
  #contents: Contents = new Map();
  #pending: Promise<unknown>[] = [];
  readonly #snapshots = new Map<string, { snapshot: Snapshot<unknown, unknown>; state: StoreState }>();
  readonly #iterations = new Map<string, HeldIteration>();

  /** `facts`: what was known before. `through`: what every later life of the script sees the disk through. */
  constructor(
    disk: SimulatedDisk,
    storage: Storage,
    script: Script,
    facts: readonly ScriptFact[],
    record: (fact: ScriptFact) => void,
    through: (storage: Storage) => Storage = (other) => other,
  ) {
    this.#disk = disk;
    this.#through = through;
    this.#storage = through(storage);
    this.#script = script;
    this.#facts = [...facts];
    this.#record = (fact) => {
      this.#facts.push(fact);
      record(fact);
    };
  }

  get store(): ScriptStore {
    return this.#store as ScriptStore;
  }

  get storage(): Storage {
    return this.#storage;
  }

  get facts(): readonly ScriptFact[] {
    return this.#facts;
  }

  /** Opens, and checks what is found against everything known. */
  async open(life: LifeOptions): Promise<void> {
    this.#store = await this.#opened(life);
    const { lastLsn } = this.#store;
    const state = stateOf(this.#store);
    checkFound(lastLsn, state, this.#facts, birthLsnOf(this.#script));
    this.#record({ type: 'opened', lsn: lastLsn });
    this.#contents = new Map(state.map(([key, value, version]) => [key, { value, version }] as const));
  }

  /** What a reader without a lock finds: any state that opening may find, too. It changes nothing of what is known. */
  async look(life: LifeOptions): Promise<void> {
    let reader: ScriptStore;
    try {
      reader = await openForScript(this.#storage, SCRIPT_DIRECTORY, this.#script, life, { readOnly: true });
    } catch (error) {
      // Where nothing was acknowledged, there may be nothing at all.
      if (!isKeelsonError(error, 'KEELSON_NOT_FOUND'))
        throw new InvariantFailure(1, `read-only: ${error}`, error);
      checkFound(0, [], this.#facts, birthLsnOf(this.#script));
      return;
    }
    checkFound(reader.lastLsn, stateOf(reader), this.#facts, birthLsnOf(this.#script));
    await reader.close();
  }

  async #opened(life: LifeOptions): Promise<ScriptStore> {
    try {
      return await openForScript(this.#storage, SCRIPT_DIRECTORY, this.#script, life);
    } catch (error) {
      // A disk that fails or is full may make it refuse, with a typed error; when it is well again, it must open.
      if (!this.#isTroubled() || !isKeelsonError(error)) throw new InvariantFailure(1, `${error}`, error);
      hold(7, this.#disk.openFiles().length === 0, `after a failed open: ${this.#disk.openFiles()}`);
      if (error.facts.syscall === 'fsync') throw new UnknowableNames();
      this.#disk.faults = undefined;
      this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    }
    try {
      return await openForScript(this.#storage, SCRIPT_DIRECTORY, this.#script, life);
    } catch (error) {
      throw new InvariantFailure(1, `after the disk was well again: ${error}`, error);
    }
  }

  #isTroubled(): boolean {
    return this.#disk.faults !== undefined || this.#disk.capacityBytes !== Number.POSITIVE_INFINITY;
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      await this.#play(step);
      this.#checkPoison();
    }
    this.compareAll();
  }

  /** Everything that can be seen is what the model says. */
  compareAll(): void {
    holdEqual(7, stateOf(this.store), stateIn(this.#contents), 'what the store shows');
    for (const { snapshot, state } of this.#snapshots.values()) compareSnapshot(snapshot, state);
  }

  /** The end of a life by close(): all that was accepted is durable then, or it has rejected. */
  async close(): Promise<void> {
    const store = this.store;
    await store.close();
    this.#forgetViews();
    await this.#settled();
    this.#checkPoison();
    if (store.poisoned === null) this.#record({ type: 'acknowledged', lsn: store.lastLsn });
    holdEqual(7, this.#disk.openFiles(), [], 'files that a closed store left open');
  }

  async #play(step: Step): Promise<void> {
    switch (step.do) {
      case 'put':
      case 'delete':
      case 'clear':
      case 'batch':
        return this.#write(step);
      case 'settle':
        return this.#settled();
      case 'turns':
        for (let turn = 0; turn < step.count; turn++) await new Promise((resolve) => setImmediate(resolve));
        return;
      case 'flush':
      case 'flushSync':
        return this.#flush(step.do);
      case 'checkpoint':
        return this.#checkpoint(step.wait);
      case 'backup':
        return this.#backup(step.to, step.wait);
      case 'hold':
        this.#snapshots.set(step.name, { snapshot: this.store.snapshot(), state: stateIn(this.#contents) });
        return;
      case 'compare': {
        const held = this.#snapshots.get(step.name);
        if (held !== undefined) compareSnapshot(held.snapshot, held.state);
        return;
      }
      case 'release':
        this.#snapshots.get(step.name)?.snapshot.close();
        this.#snapshots.delete(step.name);
        return;
      case 'iterate':
        return this.#iterate(step.name, step.reverse);
      case 'advance':
        return this.#advance(step.name, step.count);
      case 'reopen':
        return this.#reopen(step.how, step.life);
    }
  }

  // ── Writes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #write(step: Extract<Step, { do: 'put' | 'delete' | 'clear' | 'batch' }>): Promise<void> {
    const { store } = this;
    const { lastLsn, poisoned } = store;
    const options = step.memory ? ({ durability: 'memory' } as const) : undefined;
    let promise: Promise<number>;
    try {
      promise = callWrite(store, this.#script, step, options);
    } catch (error) {
      this.#refused(error, poisoned, lastLsn);
      return;
    }
    hold(6, poisoned === null, 'a poisoned store has accepted a write');
    const lsn = store.lastLsn;
    const contents = new Map(this.#contents);
    for (const operation of step.do === 'batch' ? step.operations : [step])
      applyTo(this.#script.valueEncoding, contents, operation, lsn);
    this.#contents = contents;
    this.#record({ type: 'wrote', lsn, state: stateIn(contents) });
    hold(
      7,
      store.size === contents.size,
      `the store has ${store.size} entries, and should have ${contents.size}`,
    );
    const acknowledged = this.#acknowledging(promise, step.memory ? null : lsn);
    if (step.wait) await acknowledged;
  }

  /** What a write threw: the poison, or that there is no space. Nothing may have changed. */
  #refused(error: unknown, poisonedBefore: unknown, lastLsn: number): void {
    const { store } = this;
    if (poisonedBefore !== null) hold(6, error === poisonedBefore, `not the poison was thrown, but ${error}`);
    const isTyped = isKeelsonError(error);
    hold(6, isTyped && this.#isTroubled(), `a write was refused on a disk without fault: ${error}`);
    hold(6, store.lastLsn === lastLsn, 'a write that was refused has an LSN');
    holdEqual(6, stateOf(store), stateIn(this.#contents), 'what a refused write changed');
  }

  /** Follows a promise of durability to its end; resolves then, whatever it was. */
  #acknowledging(promise: Promise<unknown>, lsn: number | null): Promise<void> {
    const store = this.#store;
    const following = promise.then(
      (resolved) => {
        if (lsn === null || this.#store !== store) return;
        hold(2, resolved === lsn, `the write of LSN ${lsn} was acknowledged as ${resolved}`);
        hold(
          2,
          this.store.durableLsn >= lsn,
          `LSN ${lsn} was acknowledged, durable is ${this.store.durableLsn}`,
        );
        this.#record({ type: 'acknowledged', lsn });
      },
      (error) => {
        const { poisoned } = store as ScriptStore;
        hold(6, lsn !== null, `a write that waits for nothing was rejected with ${error}`);
        hold(6, poisoned !== null && error === poisoned, `an accepted write was rejected with ${error}`);
      },
    );
    // Whoever settles next hears of a failure; a life that is killed leaves promises that nobody settles.
    following.catch(() => {});
    this.#pending.push(following);
    return following;
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  async #flush(how: 'flush' | 'flushSync'): Promise<void> {
    const { store } = this;
    const { lastLsn } = store;
    try {
      if (how === 'flushSync') store.flushSync();
      else await store.flush();
    } catch (error) {
      hold(6, store.poisoned !== null && error === store.poisoned, `${how} failed with ${error}`);
      return;
    }
    this.#record({ type: 'acknowledged', lsn: lastLsn });
  }

  /** Only a failing disk poisons; one that is full never does. */
  #checkPoison(): void {
    const { poisoned } = this.store;
    if (poisoned === null) return;
    hold(
      6,
      this.#script.fault !== null,
      `the store was poisoned without a fault: ${poisoned} ${poisoned.cause}`,
    );
  }

  // ── Images ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #checkpoint(wait: boolean): Promise<void> {
    await this.#inBackground(
      () => this.store.checkpoint(),
      ({ lsn }) => this.#record({ type: 'acknowledged', lsn }),
      wait,
    );
  }

  async #backup(directory: string, wait: boolean): Promise<void> {
    // A life after a crash may come upon the directory of one that began before.
    const isTaken = this.#facts.some((fact) => fact.type === 'backup began' && fact.directory === directory);
    if (isTaken) return;
    const about = { directory, lsn: this.store.lastLsn, state: stateIn(this.#contents) };
    this.#record({ type: 'backup began', ...about });
    await this.#inBackground(
      () => this.store.backup(directory),
      () => this.#record({ type: 'backed up', ...about }),
      wait,
    );
  }

  /** Something that may fail with the disk, and that closing aborts, and that then has harmed nothing. */
  async #inBackground<T>(start: () => Promise<T>, done: (result: T) => void, wait: boolean): Promise<void> {
    const store = this.store;
    const { poisoned } = store;
    let running: Promise<T>;
    try {
      running = start();
    } catch (error) {
      hold(6, poisoned !== null && error === poisoned, `it was refused with ${error}`);
      return;
    }
    const following = running.then(
      (result) => {
        if (this.#store === store) done(result);
      },
      (error) => {
        const isExpected =
          isKeelsonError(error, 'KEELSON_ABORTED') || (isKeelsonError(error) && this.#isTroubled());
        hold(6, isExpected || this.#script.fault !== null, `a disk without fault failed it: ${error}`);
      },
    );
    following.catch(() => {});
    this.#pending.push(following);
    if (wait) await following;
  }

  // ── Views ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #iterate(name: string, reverse: boolean): void {
    const expected = stateIn(this.#contents).map(([key, value]) => [key, value] as const);
    const iterator = this.store.entries({ reverse })[Symbol.iterator]();
    this.#iterations.set(name, { iterator, expected: reverse ? expected.reverse() : expected, at: 0 });
  }

  #advance(name: string, count: number): void {
    const held = this.#iterations.get(name);
    if (held === undefined) return;
    for (let taken = 0; taken < count; taken++) {
      const next = held.iterator.next();
      const found = next.done ? undefined : [scriptKey(next.value[0]), next.value[1]];
      holdEqual(7, found, held.expected[held.at], `entry ${held.at} of an iteration`);
      if (next.done) this.#iterations.delete(name);
      held.at += 1;
      if (next.done) return;
    }
  }

  #forgetViews(): void {
    this.#snapshots.clear();
    this.#iterations.clear();
  }

  // ── Lives ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #reopen(how: 'close' | 'kill' | 'exit', life: LifeOptions): Promise<void> {
    if (how === 'close') await this.close();
    else {
      if (how === 'kill') this.#disk.killLife(this.#storage);
      else this.#disk.endLife(this.#storage);
      this.#pending = [];
      this.#forgetViews();
      this.#storage = this.#through(this.#disk.life());
    }
    this.#store = null;
    await this.open(life);
  }
}

function callWrite(
  store: ScriptStore,
  { keyEncoding, valueEncoding: encoding }: Script,
  step: Extract<Step, { do: 'put' | 'delete' | 'clear' | 'batch' }>,
  options: { readonly durability: 'memory' } | undefined,
): Promise<number> {
  const keyOf = (key: string) => storeKey(keyEncoding, key);
  switch (step.do) {
    case 'put':
      return store.put(keyOf(step.key), putValue(encoding, step.value), options);
    case 'delete':
      return store.delete(keyOf(step.key), options);
    case 'clear':
      return store.clear({ gte: keyOf(step.from), lt: keyOf(step.to) }, options);
    case 'batch':
      return store.batch(
        step.operations.map((operation) => {
          if (operation.do === 'put')
            return { type: 'put', key: keyOf(operation.key), value: putValue(encoding, operation.value) };
          if (operation.do === 'delete') return { type: 'delete', key: keyOf(operation.key) };
          return { type: 'clear', gte: keyOf(operation.from), lt: keyOf(operation.to) };
        }),
        options,
      );
  }
}

function applyTo(
  encoding: Script['valueEncoding'],
  contents: Map<string, { readonly value: unknown; readonly version: number }>,
  operation: BatchStep,
  lsn: number,
): void {
  if (operation.do === 'put')
    contents.set(operation.key, { value: putValue(encoding, operation.value), version: lsn });
  else if (operation.do === 'delete') contents.delete(operation.key);
  else
    for (const key of [...contents.keys()])
      if (key >= operation.from && key < operation.to) contents.delete(key);
}

function stateIn(contents: Contents): StoreState {
  return [...contents]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, { value, version }]) => [key, value, version] as const);
}

function compareSnapshot(snapshot: Snapshot<unknown, unknown>, state: StoreState): void {
  const found = [...snapshot.keys()].map((key) => {
    const entry = snapshot.getEntry(key);
    return [scriptKey(key), entry?.value, entry?.version];
  });
  holdEqual(7, found, state, 'a snapshot');
}
