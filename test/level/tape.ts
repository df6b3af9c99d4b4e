// The part of tape's interface that published suites for Level databases use, on Vitest. It counts assertions, so that a suite
// of which a part did not run is seen.

import assert from 'node:assert/strict';

/** The number of assertions that have been made. */
export interface AssertionCount {
  made: number;
}

type Callback = (t: TapeTest) => unknown;

/** A test that a suite has registered. */
interface TapeCase {
  readonly name: string;
  run(): Promise<void>;
}

type Register = (name: string, ...rest: unknown[]) => void;

/**
 * Returns the tests that a suite registers with a function like tape's, whose assertions they count. A suite that registers
 * itself several times has as many lists.
 */
export function passesOf(count: AssertionCount, suite: (register: Register) => void): TapeCase[][] {
  const passes: TapeCase[][] = [];
  const timesOf = new Map<string, number>();
  suite((name, ...rest) => {
    const callback = rest.find((argument) => typeof argument === 'function') as Callback;
    if (passes.length === 0 || name === passes[0]![0]!.name) {
      passes.push([]);
      timesOf.clear();
    }
    const times = (timesOf.get(name) ?? 0) + 1;
    timesOf.set(name, times);
    passes.at(-1)!.push({
      name: times === 1 ? name : `${name} (${times})`,
      run: () => new TapeTest(count).run(callback),
    });
  });
  return passes;
}

/** One test: the `t` of tape. */
class TapeTest {
  readonly #count: AssertionCount;
  readonly #ended: Promise<void>;
  #end: () => void = () => {};
  #failWith: (error: unknown) => void = () => {};
  #hasFailed = false;
  #made = 0;
  #planned: number | null = null;

  constructor(count: AssertionCount) {
    this.#count = count;
    this.#ended = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#failWith = reject;
    });
    // A test whose promise is awaited may never look at it.
    this.#ended.catch(() => {});
  }

  /** Runs the test until its promise resolves, its plan is fulfilled, or it calls end(). */
  async run(callback: Callback): Promise<void> {
    const result = callback(this);
    if (result instanceof Promise) await result;
    if (!(result instanceof Promise) || this.#hasFailed) await this.#ended;
    if (this.#planned !== null) assert.equal(this.#made, this.#planned, 'the planned number of assertions');
  }

  plan(count: number): void {
    this.#planned = count;
  }

  end(): void {
    this.#end();
  }

  pass(): void {
    this.#assert(() => {});
  }

  fail(message?: unknown): void {
    this.#assert(() => assert.fail(message instanceof Error ? message : String(message)));
  }

  ok(value: unknown, message?: string): void {
    this.#assert(() => assert.ok(value, message));
  }

  is(actual: unknown, expected: unknown, message?: string): void {
    this.#assert(() => assert.equal(actual, expected, message));
  }

  isNot(actual: unknown, expected: unknown, message?: string): void {
    this.#assert(() => assert.notEqual(actual, expected, message));
  }

  same(actual: unknown, expected: unknown, message?: string): void {
    this.#assert(() => assert.deepEqual(actual, expected, message));
  }

  throws(run: () => unknown, expected: (error: unknown) => boolean, message?: string): void {
    this.#assert(() => assert.throws(run, expected, message));
  }

  doesNotThrow(run: () => unknown, message?: string): void {
    this.#assert(() => assert.doesNotThrow(run, message));
  }

  /** A failure also ends a test whose callback catches it. */
  #assert(check: () => void): void {
    this.#made++;
    this.#count.made++;
    try {
      check();
    } catch (error) {
      this.#hasFailed = true;
      this.#failWith(error);
      throw error;
    }
    if (this.#made === this.#planned) this.#end();
  }
}
