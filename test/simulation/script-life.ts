// Plays a script on a simulated disk: one life of the store after the other, beside a plain model of what it must hold.
// What is known for certain is recorded as facts, for the crashes; what must hold while it runs is checked on the way.

import { isDeepStrictEqual } from 'node:util';
import { isKeelsonError } from '../../src/errors.js';
import { Namespace } from '../../src/kv/namespace.js';
import type { StoreCore } from '../../src/kv/store-core.js';
import type { Storage } from '../../src/storage/index.js';
import type { SimulatedDisk } from '../../src/testing/index.js';
import { hold, holdEqual, InvariantFailure } from './invariants.js';
import { encodingsOf, KEYS, type LifeOptions, type Script, type Step, storeKey } from './script.js';
import { CLOCK_START_MS } from './script-deadlines.js';
import { meets } from './script-encounters.js';
import { checkFound, type ScriptFact } from './script-facts.js';
import {
  type Contents,
  checkOrders,
  contentsOf,
  EMPTY_STATE,
  handleOf,
  isDoubled,
  NO_CONTENTS,
  type ScriptStore,
  scriptStateOf,
  stateIn,
  withoutDue,
} from './script-model.js';
import { birthLsnOf, openForScript, SCRIPT_DIRECTORY, UnknowableNames } from './script-opening.js';
import { ScriptThrow, ScriptTransaction, turns } from './script-transaction.js';
import { assertDropped, ScriptViews } from './script-views.js';
import { afterWrite, callWrite, conditionsHold, type WriteCall } from './script-writes.js';

/** The attempts of a transaction that says nothing of them. */
const MAX_ATTEMPTS = 8;

/** What a store was when a write began, which must be so when the write throws. */
interface Before {
  readonly lastLsn: number;
  readonly poisoned: unknown;
  readonly memory: unknown;
}

export class ScriptLife {
  readonly #disk: SimulatedDisk;
  readonly #script: Script;
  readonly #record: (fact: ScriptFact) => void;
  readonly #facts: ScriptFact[];
  readonly #through: (storage: Storage) => Storage;
  #storage: Storage;
  #store: ScriptStore | null = null;
  #core!: StoreCore;
  #views!: ScriptViews;
  #contents: Contents = NO_CONTENTS;
  /** The highest id that was drawn, or that must not be drawn again. */
  #drawn = 0;
  /** The number of drops in this life. */
  #drops = 0;
  #isClosing = false;
  #now = CLOCK_START_MS;
  #pending: Promise<unknown>[] = [];
  /** The transactions of this life whose promises are not settled. */
  #open = new Set<ScriptTransaction>();
  readonly #noted = new WeakSet<ScriptTransaction>();
  /** What was found to be broken while the disk was at work. */
  #broken: unknown = null;

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
    // An asynchronous transaction commits when it likes. What it wrote is a fact before any of it is on its way to the disk.
    const before = disk.onBoundary;
    disk.onBoundary = (boundary) => {
      try {
        this.#noteCommits();
      } catch (error) {
        // The disk is no place for it. The next step throws it.
        this.#broken ??= error;
      }
      before?.(boundary);
    };
  }

  get store(): ScriptStore {
    return this.#store as ScriptStore;
  }

  /** The clock of the store. */
  readonly clock = (): number => this.#now;

  get storage(): Storage {
    return this.#storage;
  }

  get facts(): readonly ScriptFact[] {
    return this.#facts;
  }

  /** Opens, and checks what is found against everything known. */
  async open(life: LifeOptions): Promise<void> {
    const store = await this.#opened(life);
    const { lastLsn } = store;
    const state = scriptStateOf(store, this.#script);
    const { drawn } = checkFound(lastLsn, state, this.#facts, birthLsnOf(this.#script), this.#now);
    checkOrders(store, this.#script, state);
    this.#record({ type: 'opened', lsn: lastLsn });
    // What is due now was found due by these looks.
    if (this.#now > CLOCK_START_MS) this.#record({ type: 'wrote', lsn: lastLsn, state, drawn });
    if (state.length > 2) meets('several namespaces after an opening');
    this.#store = store;
    this.#core = coreOf(store);
    this.#views = new ScriptViews(this.#script, store);
    this.#contents = contentsOf(state);
    this.#drawn = drawn;
    this.#isClosing = false;
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
      checkFound(0, EMPTY_STATE, this.#facts, birthLsnOf(this.#script));
      return;
    }
    checkFound(reader.lastLsn, scriptStateOf(reader, this.#script), this.#facts, birthLsnOf(this.#script));
    await reader.close();
  }

  async #opened(life: LifeOptions): Promise<ScriptStore> {
    try {
      return await openForScript(this.#storage, SCRIPT_DIRECTORY, this.#script, life, { clock: this.clock });
    } catch (error) {
      // A disk that fails or is full may make it refuse, with a typed error; when it is well again, it must open.
      if (!this.#isTroubled() || !isKeelsonError(error)) throw new InvariantFailure(1, `${error}`, error);
      hold(7, this.#disk.openFiles().length === 0, `after a failed open: ${this.#disk.openFiles()}`);
      if (error.facts.syscall === 'fsync') throw new UnknowableNames();
      this.#disk.faults = undefined;
      this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    }
    try {
      return await openForScript(this.#storage, SCRIPT_DIRECTORY, this.#script, life, { clock: this.clock });
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
    this.#noteCommits();
    const state = scriptStateOf(this.store, this.#script);
    holdEqual(7, state, stateIn(this.#contents), 'what the store shows');
    checkOrders(this.store, this.#script, state);
    this.#views.compareAll();
  }

  /** The end of a life by close(): all that was accepted is durable then, or it has rejected. */
  async close(): Promise<void> {
    const store = this.store;
    this.#isClosing = true;
    await store.close();
    await this.#settled();
    this.#checkReleased();
    this.#checkPoison();
    if (store.poisoned === null) this.#record({ type: 'acknowledged', lsn: store.lastLsn });
    holdEqual(7, this.#disk.openFiles(), [], 'files that a closed store left open');
  }

  async #play(step: Step): Promise<void> {
    this.#noteCommits();
    switch (step.do) {
      case 'put':
      case 'touch':
      case 'delete':
      case 'clear':
      case 'batch':
      case 'drop':
        return this.#write(step);
      case 'clock':
        return this.#setClock(step.by);
      case 'expire':
        return this.#expire();
      case 'transaction':
        return this.#transaction(step);
      case 'draw':
        return this.#drawAndPut(step.key, step.in);
      case 'settle':
        await this.#settled();
        return this.#checkReleased();
      case 'turns':
        return turns(step.count);
      case 'flush':
      case 'flushSync':
        return this.#flush(step.do);
      case 'checkpoint':
        return this.#checkpoint(step.wait);
      case 'backup':
        return this.#backup(step.to, step.wait);
      case 'hold':
        return this.#views.hold(step.name, stateIn(this.#contents));
      case 'compare':
        return this.#views.compare(step.name);
      case 'release':
        return this.#views.release(step.name);
      case 'iterate':
        return this.#views.iterate(step.name, step.in ?? '', step.reverse, stateIn(this.#contents));
      case 'advance':
        return this.#views.advance(step.name, step.count);
      case 'reopen':
        return this.#reopen(step.how, step.life);
    }
  }

  // ── Writes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #write(step: WriteCall): Promise<void> {
    const { store } = this;
    const before = this.#before();
    const dropped = step.do === 'drop' ? handleOf(store, this.#script, step.in) : null;
    const holds = conditionsHold(step);
    const isDouble = isDoubled(
      this.#script,
      afterWrite(this.#script, this.#contents, step, before.lastLsn, this.#now),
    );
    let promise: Promise<number>;
    try {
      promise = callWrite(store, this.#script, step, this.#contents);
    } catch (error) {
      const isConflict = !holds && isKeelsonError(error, 'KEELSON_CONFLICT');
      const isUnique = isDouble && isKeelsonError(error, 'KEELSON_UNIQUE');
      this.#refused(error, before, isConflict || isUnique);
      if (isConflict) meets('a condition that does not hold');
      if (isUnique) meets('a value that another entry has in a unique index');
      return;
    }
    hold(6, before.poisoned === null, 'a poisoned store has accepted a write');
    hold(8, holds, 'a write was accepted whose condition does not hold');
    hold(12, !isDouble, 'a write was accepted that gives two entries one value of a unique index');
    const lsn = store.lastLsn;
    this.#wrote(afterWrite(this.#script, this.#contents, step, lsn, this.#now), lsn, before.lastLsn);
    const { size } = this.#contents.get('')!;
    hold(7, store.size === size, `the store has ${store.size} entries, and should have ${size}`);
    if (step.do === 'drop') this.#dropped(step.in, () => dropped!.size);
    const acknowledged = this.#acknowledging(promise, step.memory ? null : lsn);
    if (step.wait) await acknowledged;
  }

  #dropped(name: string, use: () => unknown): void {
    meets('a drop');
    this.#drops += 1;
    this.#views.dropped(name);
    assertDropped(use);
  }

  /** Notes what a write has made of the contents. */
  #wrote(contents: Contents, lsn: number, lsnBefore: number): void {
    if (lsn === lsnBefore) {
      holdEqual(7, stateIn(contents), stateIn(this.#contents), 'a change without a record');
      return;
    }
    hold(12, !isDoubled(this.#script, contents), 'two entries have one value of a unique index');
    this.#contents = contents;
    this.#record({ type: 'wrote', lsn, state: stateIn(contents), drawn: this.#drawn });
  }

  #before(): Before {
    this.#noteCommits();
    const { lastLsn, poisoned } = this.store;
    return { lastLsn, poisoned, memory: this.#memory() };
  }

  /** The bytes of all entries in memory. */
  #memory(): unknown {
    const { store } = this;
    // A look links what was put off.
    store.has(storeKey(this.#script, KEYS[0]!));
    const inSpaces = store.namespaces().map((name) => {
      const { memoryBytes, entries } = (
        handleOf(store, this.#script, name) as Namespace<unknown, unknown>
      ).stats();
      return [name, memoryBytes, entries];
    });
    return [store.stats().memory, inSpaces];
  }

  /** What a write threw: what was expected, the poison, or that there is no space. Nothing may have changed. */
  #refused(error: unknown, before: Before, isExpected: boolean): void {
    if (error instanceof InvariantFailure) throw error;
    const { store } = this;
    if (!isExpected) {
      if (before.poisoned !== null)
        hold(6, error === before.poisoned, `not the poison was thrown, but ${error}`);
      const isTyped = isKeelsonError(error);
      hold(6, isTyped && this.#isTroubled(), `a write was refused on a disk without fault: ${error}`);
    }
    hold(6, store.lastLsn === before.lastLsn, 'a write that was refused has an LSN');
    holdEqual(6, scriptStateOf(store, this.#script), stateIn(this.#contents), 'what a refused write changed');
    holdEqual(6, this.#memory(), before.memory, 'the memory that a refused write changed');
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

  // ── Expiry ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sets the clock, and looks at all entries: what is due is gone for good once a record or an image follows. */
  #setClock(by: number): void {
    this.#now = Math.max(CLOCK_START_MS, this.#now + by);
    const alive = withoutDue(this.#contents, this.#now);
    const state = stateIn(alive);
    holdEqual(7, scriptStateOf(this.store, this.#script), state, `what is there at ${this.#now}`);
    if (isDeepStrictEqual(state, stateIn(this.#contents))) return;
    meets('an entry that expires');
    this.#contents = alive;
    this.#record({ type: 'wrote', lsn: this.store.lastLsn, state, drawn: this.#drawn });
  }

  async #expire(): Promise<void> {
    const { store } = this;
    const before = this.#before();
    const { lastLsn, poisoned } = before;
    let removal: Promise<number>;
    try {
      removal = store.expireNow();
    } catch (error) {
      this.#refused(error, before, false);
      return;
    }
    const lsn = store.lastLsn;
    this.#wrote(this.#contents, lsn, lastLsn);
    if (lsn > lastLsn) meets('a removal of what has expired');
    const following = removal.then(
      () => {
        if (this.#store === store) this.#record({ type: 'acknowledged', lsn });
      },
      (error) => {
        const isPoison = (poisoned ?? store.poisoned) === error;
        hold(6, isPoison || (isKeelsonError(error) && this.#isTroubled()), `expireNow() threw ${error}`);
      },
    );
    following.catch(() => {});
    this.#pending.push(following);
  }

  // ── Transactions ───────────────────────────────────────────────────────────────────────────────────────────────

  async #transaction(step: Extract<Step, { do: 'transaction' }>): Promise<void> {
    const { store } = this;
    const before = this.#before();
    const drops = this.#drops;
    const host = {
      script: this.#script,
      store,
      contents: () => this.#contentsNow(),
      isCurrent: () => this.#store === store,
      draw: () => this.#draw(store),
    };
    const transaction = new ScriptTransaction(host, step);
    this.#open.add(transaction);
    let promise: Promise<number>;
    try {
      promise = transaction.run();
    } catch (error) {
      this.#open.delete(transaction);
      const isDouble = isKeelsonError(error, 'KEELSON_UNIQUE') && isDoubled(this.#script, transaction.seen);
      this.#refused(error, before, error instanceof ScriptThrow || isDouble);
      if (isDouble) meets('a transaction that a unique index refuses');
      if (error instanceof ScriptThrow) meets('a synchronous transaction that throws');
      return;
    }
    this.#noteCommits();
    const following = promise.then(
      (result) => {
        if (this.#store === store) this.#committed(transaction, result);
      },
      (error) => {
        if (this.#store === store) this.#rejected(transaction, error, this.#drops > drops);
      },
    );
    following.catch(() => {});
    this.#pending.push(following);
    if (step.wait) await following;
  }

  #committed(transaction: ScriptTransaction, result: number): void {
    const { step, lsn, startLsn } = transaction;
    this.#noteCommits();
    this.#open.delete(transaction);
    hold(8, result === step.parts.length, `a transaction resolved with ${result}`);
    if (transaction.attempts > 1) meets('a transaction that is tried again and committed');
    if (step.memory) return;
    // Without a write it resolves when what it has read is durable.
    const durable = lsn ?? startLsn;
    const { durableLsn } = this.store;
    hold(2, durableLsn >= durable, `LSN ${durable} was acknowledged, durable is ${durableLsn}`);
    this.#record({ type: 'acknowledged', lsn: durable });
  }

  #rejected(transaction: ScriptTransaction, error: unknown, hasDropped: boolean): void {
    this.#noteCommits();
    this.#open.delete(transaction);
    if (error instanceof InvariantFailure) throw error;
    const { step, attempts, lsn } = transaction;
    const { poisoned } = this.store;
    if (poisoned !== null && error === poisoned) return;
    hold(8, lsn === null, `a transaction was committed at ${lsn}, and rejected with ${error}`);
    meets('an asynchronous transaction that is refused');
    // What was there at its commit, and had one of its values, may be gone now.
    if (this.#script.isIndexed && isKeelsonError(error, 'KEELSON_UNIQUE')) {
      meets('a transaction that a unique index refuses');
      return;
    }
    if (error instanceof ScriptThrow) return;
    if (isKeelsonError(error, 'KEELSON_CONFLICT')) {
      const { maxAttempts = MAX_ATTEMPTS } = step;
      hold(8, step.isAsync && attempts === maxAttempts, `a conflict after ${attempts} attempts: ${error}`);
      meets('a transaction that is out of attempts');
      return;
    }
    const isExpected =
      (isKeelsonError(error, 'KEELSON_DROPPED') && hasDropped) ||
      (isKeelsonError(error, 'KEELSON_CLOSED') && this.#isClosing);
    if (hasDropped) meets('a transaction beside a drop');
    hold(6, isExpected || (isKeelsonError(error) && this.#isTroubled()), `it was rejected with ${error}`);
  }

  #contentsNow(): Contents {
    this.#noteCommits();
    return this.#contents;
  }

  /** Notes what transactions have written that were committed meanwhile. */
  #noteCommits(): void {
    if (this.#broken !== null) throw this.#broken;
    if (this.#open.size === 0) return;
    const committed = [...this.#open]
      .filter((transaction) => transaction.lsn !== null && !this.#noted.has(transaction))
      .sort((one, other) => one.lsn! - other.lsn!);
    for (const transaction of committed) {
      this.#noted.add(transaction);
      this.#wrote(transaction.committedOn(this.#contents), transaction.lsn!, -1);
    }
    this.#noteSeenTime();
  }

  /** A transaction that only reads, and finds an entry due, logs the time at which it did. Nothing else is changed by it. */
  #noteSeenTime(): void {
    const { lastLsn } = this.store;
    const known = this.#facts.findLast(({ type }) => type !== 'acknowledged');
    if (known !== undefined && lastLsn > known.lsn) this.#wrote(this.#contents, lastLsn, -1);
  }

  /** Nothing that has ended holds anything: no view of the entries, no log of writes. */
  #checkReleased(): void {
    const { store } = this;
    if (this.#open.size > 0) return;
    const { schema } = this.#core;
    hold(9, !schema.writeLog.isOpen, 'the write log is open without a transaction');
    if (store.stats().checkpoints?.isRunning) return;
    const { openCount } = schema.views;
    const { unclosed } = this.#views;
    hold(9, openCount <= unclosed, `${openCount} views are open, of which ${unclosed} are snapshots`);
  }

  // ── Ids ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Draws an id, which was not drawn before. */
  draw(): number {
    return this.#draw(this.store);
  }

  #draw(store: ScriptStore): number {
    this.#noteCommits();
    const id = store.nextId();
    if (this.#store !== store) return id;
    hold(10, id > this.#drawn, `${id} was drawn, and ${this.#drawn} before it`);
    this.#drawn = id;
    return id;
  }

  async #drawAndPut(key: string | null, name: string | undefined): Promise<void> {
    if (this.store.poisoned !== null) return;
    const number = this.#draw(this.store);
    if (key === null) return;
    const space = name === undefined ? {} : { in: name };
    await this.#write({ do: 'put', key, value: { number, bytes: 20 }, ...space });
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

  // ── Lives ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #reopen(how: 'close' | 'kill' | 'exit', life: LifeOptions): Promise<void> {
    if (how === 'close') await this.close();
    else {
      if (how === 'kill') this.#disk.killLife(this.#storage);
      else this.#disk.endLife(this.#storage);
      this.#pending = [];
      this.#open = new Set();
      this.#storage = this.#through(this.#disk.life());
    }
    this.#store = null;
    await this.open(life);
  }
}

/** The core of a store, which every namespace leads to. */
function coreOf(store: ScriptStore): StoreCore {
  const handle = store.namespace('people', encodingsOf({} as Script, 'people'));
  return Namespace.insideOf(handle as unknown as Namespace<unknown, unknown>).store as StoreCore;
}
