// The model of a store: maps and sorted arrays, and nothing that could go wrong with two writers. A transaction of it runs
// alone. Its reads and writes are those of a transaction of the store.

import { KeelsonError } from '../../src/errors.js';
import type { Collection, KindIndex, Tx } from './interpreter.js';
import { type Iteration, PLACES, type PlaceName, type Range } from './programs.js';
import { kindOf } from './stores.js';

interface Item {
  readonly value: unknown;
  /** The LSN of the commit; 0 before it. */
  readonly version: number;
  readonly expiresAt?: number;
}

function sorted(items: ReadonlyMap<string, Item>): [string, Item][] {
  return [...items].sort(([a], [b]) => (a < b ? -1 : 1));
}

class ModelSpace {
  readonly items: Map<string, Item>;
  isThere: boolean;

  constructor(items = new Map<string, Item>(), isThere = false) {
    this.items = items;
    this.isThere = isThere;
  }
}

/** The time at which histories begin. */
export const START_MS = 1000;

/** A state of the store. */
export class ModelState {
  readonly spaces: Map<PlaceName, ModelSpace>;
  now = START_MS;

  constructor(spaces = new Map(PLACES.map((place) => [place, new ModelSpace(new Map(), place === '')]))) {
    this.spaces = spaces;
  }

  clone(): ModelState {
    const state = new ModelState(
      new Map(
        [...this.spaces].map(([place, { items, isThere }]) => [
          place,
          new ModelSpace(new Map(items), isThere),
        ]),
      ),
    );
    state.now = this.now;
    return state;
  }

  /** Moves the clock on, which deletes the entries that come due. */
  tick(ms: number): void {
    this.now += ms;
    for (const { items } of this.spaces.values())
      for (const [key, { expiresAt }] of items)
        if (expiresAt !== undefined && expiresAt <= this.now) items.delete(key);
  }

  /** The names of the namespaces that are there, and all entries in their order. */
  get contents(): unknown {
    return [...this.spaces].map(([place, { items, isThere }]) => [
      place,
      isThere,
      sorted(items).map(([key, item]) => ({ key, ...item })),
    ]);
  }
}

/** A part of a transaction. What it has kept is undone with the part around it. */
class ModelPart {
  readonly #outer: ModelPart | null;
  #isUndone = false;

  constructor(outer: ModelPart | null) {
    this.#outer = outer;
  }

  get isUndone(): boolean {
    return this.#isUndone || this.#outer?.isUndone === true;
  }

  undo(): void {
    this.#isUndone = true;
  }
}

/** A transaction that runs alone over a state. */
export class ModelAttempt {
  state: ModelState;
  part = new ModelPart(null);
  isCommitting = false;
  readonly #atCommits: (() => void)[] = [];

  constructor(state: ModelState) {
    this.state = state.clone();
  }

  get tx(): Tx {
    return new ModelTx(this, '');
  }

  space(place: PlaceName): ModelSpace {
    return this.state.spaces.get(place)!;
  }

  entriesOf(place: PlaceName): unknown[] {
    return sorted(this.space(place).items).map(([key, item]) => ({ key, ...item }));
  }

  drop(place: PlaceName): void {
    this.state.spaces.set(place, new ModelSpace());
  }

  nested<T>(fn: (tx: Tx) => T): T {
    const [state, part, atCommits] = [this.state.clone(), this.part, this.#atCommits.length];
    this.part = new ModelPart(part);
    try {
      return fn(this.tx);
    } catch (error) {
      this.part.undo();
      this.state = state;
      this.#atCommits.length = atCommits;
      throw error;
    } finally {
      this.part = part;
    }
  }

  atCommit(fn: (tx: Tx) => undefined): void {
    this.#atCommits.push(() => fn(this.tx));
  }

  runAtCommits(): void {
    this.isCommitting = true;
    for (const run of this.#atCommits) run();
  }

  /** Returns the state after the commit at an LSN. */
  commit(lsn: number): ModelState {
    for (const { items } of this.state.spaces.values())
      for (const [key, item] of items) if (item.version === 0) items.set(key, { ...item, version: lsn });
    return this.state;
  }
}

class ModelTx implements Tx {
  readonly #attempt: ModelAttempt;
  readonly #place: PlaceName;

  constructor(attempt: ModelAttempt, place: PlaceName) {
    this.#attempt = attempt;
    this.#place = place;
  }

  in(place: PlaceName): Collection {
    return new ModelTx(this.#attempt, place);
  }

  nested<T>(fn: (tx: Tx) => T): T {
    return this.#attempt.nested(fn);
  }

  atCommit(fn: (tx: Tx) => undefined): void {
    this.#attempt.atCommit(fn);
  }

  get #space(): ModelSpace {
    return this.#attempt.space(this.#place);
  }

  get(key: string): unknown {
    return this.#space.items.get(key)?.value;
  }

  has(key: string): boolean {
    return this.#space.items.has(key);
  }

  getEntry(key: string): unknown {
    return this.#space.items.get(key);
  }

  rank(key: string): number {
    return this.#sorted({ lt: key }).length;
  }

  getMany(keys: readonly string[]): unknown[] {
    return keys.map((key) => this.get(key));
  }

  getEntryMany(keys: readonly string[]): unknown[] {
    return keys.map((key) => this.getEntry(key));
  }

  hasMany(keys: readonly string[]): boolean[] {
    return keys.map((key) => this.has(key));
  }

  entries(range: Iteration): Iterator<unknown> {
    return this.#iterate(range, ([key, { value }]) => [key, value]);
  }

  keys(range: Iteration): Iterator<unknown> {
    return this.#iterate(range, ([key]) => key);
  }

  values(range: Iteration): Iterator<unknown> {
    return this.#iterate(range, ([, { value }]) => value);
  }

  getEntries(range: Iteration): Iterator<unknown> {
    return this.#iterate(range, ([key, item]) => ({ key, ...item }));
  }

  count(range: Range): number {
    return this.#sorted(range).length;
  }

  nth(at: number): unknown {
    const found = this.#sorted({}).at(at);
    return found && [found[0], found[1].value];
  }

  get size(): number {
    return this.#space.items.size;
  }

  get indexes(): { readonly byKind: KindIndex } {
    const all = this.#sorted({}).map(([key, { value }]) => [kindOf(value), key, value] as const);
    // Sorting keeps the order of the keys of one kind.
    const inOrder = all.sort(([one], [other]) => one - other);
    const from = (kind: number) => inOrder.filter(([other]) => other >= kind);
    const byKind: KindIndex = {
      keys: ({ gte }) => from(gte).map(([, key]) => key),
      count: ({ gte }) => from(gte).length,
      rank: (kind) => inOrder.length - from(kind).length,
      nth: (at) => inOrder.at(at),
    };
    return { byKind };
  }

  put(key: string, value: unknown, options: { readonly ttl?: number } = {}): void {
    this.#space.isThere = true;
    this.#space.items.set(key, { value, version: 0, ...this.#expiry(options) });
  }

  touch(key: string, expiry: { readonly ttl: number }): void {
    const item = this.#space.items.get(key);
    if (item !== undefined) this.put(key, item.value, expiry);
  }

  #expiry({ ttl }: { readonly ttl?: number }): { readonly expiresAt?: number } {
    return ttl === undefined ? {} : { expiresAt: this.#attempt.state.now + ttl };
  }

  delete(key: string): void {
    this.#space.items.delete(key);
  }

  clear(range: Range): void {
    this.#space.isThere = true;
    for (const [key] of this.#sorted(range)) this.#space.items.delete(key);
  }

  #sorted({ gt, gte, lt, lte, prefix }: Range): [string, Item][] {
    return sorted(this.#space.items).filter(
      ([key]) =>
        (gt === undefined || key > gt) &&
        (gte === undefined || key >= gte) &&
        (lt === undefined || key < lt) &&
        (lte === undefined || key <= lte) &&
        (prefix === undefined || key.startsWith(prefix)),
    );
  }

  #iterate({ reverse, limit, offset = 0, ...range }: Iteration, project: (entry: [string, Item]) => unknown) {
    const inOrder = reverse === true ? this.#sorted(range).reverse() : this.#sorted(range);
    const end = limit === undefined ? undefined : offset + limit;
    return new ModelIterator(this.#attempt, inOrder.slice(offset, end).map(project));
  }
}

/** An iteration. It ends with the part that began it, and at the commit. */
class ModelIterator implements Iterator<unknown> {
  readonly #attempt: ModelAttempt;
  readonly #part: ModelPart;
  readonly #isAtCommit: boolean;
  readonly #items: unknown[];
  #isDone = false;

  constructor(attempt: ModelAttempt, items: unknown[]) {
    this.#attempt = attempt;
    this.#part = attempt.part;
    this.#isAtCommit = attempt.isCommitting;
    this.#items = items;
  }

  next(): IteratorResult<unknown> {
    if (this.#isDone) return { done: true, value: undefined };
    if (this.#part.isUndone || this.#attempt.isCommitting !== this.#isAtCommit)
      throw new KeelsonError('KEELSON_CLOSED', 'The iteration has ended');
    this.#isDone = this.#items.length === 0;
    return this.#isDone ? { done: true, value: undefined } : { done: false, value: this.#items.shift() };
  }

  return(): IteratorResult<unknown> {
    this.#isDone = true;
    return { done: true, value: undefined };
  }
}
