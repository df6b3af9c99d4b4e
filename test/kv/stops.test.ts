// JavaScript that is stopped in the middle of a write: by a timeout of node:vm (a REPL's Ctrl-C is the same), or by an
// exhausted stack that somebody catches.
//
// Stops left indexes that disagreed (`entries()` against `get()`); the next checkpoint made that durable and retired the
// journal: the store did not open, or opened with keys holding another key's value under valid checksums. Puts and
// close() never settled, and a drain looped for ever. Now a stop inside a commit poisons, with the reason.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KeelsonError, open, type Store } from '../../src/kv/index.js';

interface Row {
  readonly key: string;
  readonly n: number;
  readonly pad: string;
}

/** What a write leaves at its key: a number, or null for a deletion. */
interface Issued {
  readonly n: number;
  readonly isDeletion: boolean;
}

let here = '';
beforeEach(() => {
  here = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-stops-'));
});
afterEach(() => fs.rmSync(here, { recursive: true, force: true }));

/** Small enough that drains and checkpoints happen within a few calls. */
const OPTIONS = { maxUndurableBytes: 64 * 1024, checkpointBytesMin: 256 * 1024 };

/** Writes to one store, and what is known of each of them. */
class Workload {
  readonly db: Store<string, Row>;
  /** Of each key, in the order of the calls. */
  readonly issued = new Map<string, Issued[]>();
  readonly acknowledged = new Map<string, number>();
  readonly promises: Promise<unknown>[] = [];
  #n = 0;

  constructor(db: Store<string, Row>) {
    this.db = db;
  }

  put(keys = 3000): void {
    const row = this.#row(keys);
    this.#track([[row.key, row.n, false]], () => this.db.put(row.key, row));
  }

  batch(count: number): void {
    const rows = Array.from({ length: count }, () => this.#row(3000));
    this.#track(
      rows.map(({ key, n }) => [key, n, false]),
      () => this.db.batch(rows.map((value) => ({ type: 'put', key: value.key, value }))),
    );
  }

  putAt(key: string): void {
    const row = { ...this.#row(1), key };
    this.#track([[key, row.n, false]], () => this.db.put(key, row));
  }

  delete(): void {
    this.deleteAt(this.#row(3000).key);
  }

  deleteAt(key: string): void {
    const { n } = this.#row(1);
    this.#track([[key, n, true]], () => this.db.delete(key));
  }

  clearAt(key: string): void {
    const { n } = this.#row(1);
    this.#track([[key, n, true]], () => this.db.clear({ gte: key, lte: key }));
  }

  step(): void {
    const kind = this.#n % 11;
    if (kind === 3) this.delete();
    else if (kind === 5) this.batch(3);
    else if (kind === 7 && this.#n % 121 === 7) this.batch(400);
    else if (kind === 9) this.db.count({ prefix: 'k1' });
    else this.put();
  }

  #row(keys: number): Row {
    const n = ++this.#n;
    return { key: `k${(n * 7919) % keys}`, n, pad: 'x'.repeat(n % 300) };
  }

  #track(writes: [key: string, n: number, isDeletion: boolean][], call: () => Promise<unknown>): void {
    for (const [key, n, isDeletion] of writes) {
      const list = this.issued.get(key) ?? [];
      list.push({ n, isDeletion });
      this.issued.set(key, list);
    }
    const promise = call().then(
      () => {
        for (const [key, n] of writes)
          this.acknowledged.set(key, Math.max(n, this.acknowledged.get(key) ?? 0));
      },
      () => {},
    );
    this.promises.push(promise);
  }

  /** Nothing hangs; memory is whole or refuses; what is on the disk is what was written, and no less than acknowledged. */
  async conclude(directory: string): Promise<KeelsonError | null> {
    const { db } = this;
    await flushed(db);
    await Promise.all(this.promises);
    // A stop while the log got a new commit, before anything was written, is found when that commit is to be submitted.
    await new Promise((resolve) => setImmediate(resolve));
    const { poisoned } = db;
    if (poisoned === null) {
      for (const [key, row] of db.entries()) {
        expect(row.key).toBe(key);
        expect(db.get(key)).toEqual(row);
      }
      await db.checkpoint();
    } else {
      expect(poisoned.code).toBe('KEELSON_POISONED');
      expect(poisoned.cause).toMatchObject({ code: 'KEELSON_INTERRUPTED' });
      expect(() => db.put('after', { key: 'after', n: 0, pad: '' })).toThrow(poisoned);
    }
    await db.close();
    const again = await open<Row>(directory);
    for (const [key, row] of again.entries()) expect(row.key).toBe(key);
    for (const [key, issued] of this.issued) {
      const found = again.get(key)?.n ?? null;
      const from = this.acknowledged.get(key) ?? 0;
      const mayBe = issued.filter(({ n }) => n >= from).map(({ n, isDeletion }) => (isDeletion ? null : n));
      if (from === 0) mayBe.push(null);
      expect(mayBe).toContain(found);
    }
    await again.close();
    return poisoned;
  }
}

async function workloadIn(
  directory: string,
  engine: 'fs' | 'auto',
  options: object = OPTIONS,
): Promise<Workload> {
  return new Workload(await open<Row>(directory, { engine, ...options }));
}

describe.each(['fs', 'auto'] as const)('a write that is stopped, on the engine %s', (engine) => {
  it('by timeouts of node:vm is there whole or not at all, or the store refuses with the reason', async () => {
    for (let store = 0; store < 30; store++) {
      const directory = path.join(here, `vm-${store}`);
      const workload = await workloadIn(directory, engine);
      for (let round = 0; round < 8 && workload.db.poisoned === null; round++) {
        try {
          vm.runInNewContext(
            'for (;;) step()',
            { step: () => workload.step() },
            { timeout: 1 + (round % 5) },
          );
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/ERR_SCRIPT_EXECUTION_TIMEOUT|KEELSON_POISONED/);
        }
        await flushed(workload.db);
      }
      await workload.conclude(directory);
    }
  });

  it('by an exhausted stack, at whatever depth, likewise', async () => {
    let existing = '';
    const calls: ((workload: Workload) => void)[] = [
      (workload) => workload.put(),
      (workload) => workload.put(100_000),
      (workload) => workload.batch(3),
      (workload) => workload.batch(200),
      (workload) => workload.deleteAt(existing),
      (workload) => workload.db.flushSync(),
      (workload) => workload.db.count({ prefix: 'k2' }),
      (workload) => workload.clearAt(existing),
    ];
    let poisonedCount = 0;
    for (const [at, call] of calls.entries()) {
      for (let padding = 0; padding < STACK_PADDINGS; padding += 3) {
        const directory = path.join(here, `stack-${at}-${padding}`);
        const workload = await workloadIn(directory, engine);
        for (let count = 0; count < 50; count++) workload.step();
        // Keys above all others gather beside the tree until somebody looks.
        for (let count = 0; count < 50; count++) workload.putAt(`z${count + 100}`);
        existing = `z${100 + padding}`;
        callWithLittleStack(
          padding,
          () => call(workload),
          () => workload.db.poisoned !== null,
        );
        if ((await workload.conclude(directory)) !== null) poisonedCount++;
      }
    }
    // Some stops were inside a commit. How many were not depends on how the runtime has laid out its frames.
    expect(poisonedCount).toBeGreaterThan(0);
  });

  // A stop in the wait for the disk lost the completion that came in it: the next drain looped for ever.
  it('in the wait for the disk poisons, and nobody waits for ever', async () => {
    for (let store = 0; store < 10; store++) {
      const directory = path.join(here, `drain-${store}`);
      const workload = await workloadIn(directory, engine);
      const { db } = workload;
      try {
        const write = () => {
          workload.put();
          db.flushSync();
        };
        vm.runInNewContext('for (;;) write()', { write }, { timeout: 5 + store });
      } catch (error) {
        expect((error as { code: string }).code).toBe('ERR_SCRIPT_EXECUTION_TIMEOUT');
      }
      await workload.conclude(directory);
    }
  });
});

describe('after a stop inside a commit', () => {
  // The checkpoint was queued in the turn of the stop, and ran before anybody found it: overwrites that were linked by
  // half passed every check of an image, which got its name and had the log retired.
  it('a checkpoint that was queued before makes no image of it', async () => {
    let poisonedCount = 0;
    for (let store = 0; store < 40; store++) {
      const directory = path.join(here, `queued-${store}`);
      const db = await open<number>(directory, { autoCheckpoint: false });
      const batch = (n: number) =>
        db.batch(Array.from({ length: 3000 }, (_, at) => ({ type: 'put', key: `k${at}`, value: n })));
      await batch(0);
      let n = 0;
      const write = () => void batch(++n).catch(() => {});
      const settled: Promise<unknown>[] = [];
      const request = () => settled.push(db.checkpoint().catch(() => {}));
      try {
        vm.runInNewContext('request(); for (;;) write()', { request, write }, { timeout: 3 + (store % 9) });
      } catch {}
      await Promise.all(settled);
      await flushed(db as unknown as Store<string, Row>);
      if (db.poisoned !== null) poisonedCount++;
      await db.close();
      const again = await open<number>(directory);
      expect(again.size).toBe(3000);
      expect(new Set(again.values()).size).toBe(1);
      await again.close();
    }
    expect(poisonedCount).toBeGreaterThan(0);
  });

  it('reads of the store throw the reason, an older snapshot can be read, and close() gives the store back', async () => {
    for (let store = 0; ; store++) {
      const directory = path.join(here, `reads-${store}`);
      const workload = await workloadIn(directory, 'auto', {});
      const { db } = workload;
      await db.put('a', { key: 'a', n: 1, pad: '' });
      const snapshot = db.snapshot();
      try {
        vm.runInNewContext('for (;;) put()', { put: () => workload.put() }, { timeout: 3 });
      } catch {}
      let refusal: unknown = null;
      try {
        db.get('a');
      } catch (error) {
        refusal = error;
      }
      if (refusal === null) {
        await db.close();
        continue;
      }
      expect(refusal).toBe(db.poisoned);
      for (const read of [
        () => db.has('a'),
        () => db.entries(),
        () => db.size,
        () => db.count(),
        () => db.snapshot(),
      ])
        expect(read).toThrow(refusal as Error);
      expect(snapshot.get('a')?.n).toBe(1);
      expect(() => db.checkpoint()).toThrow(refusal as Error);
      expect(db.stats().lastLsn).toBeGreaterThan(0);
      await db.close();
      const again = await open<Row>(directory);
      expect(again.get('a')?.n).toBe(1);
      await again.close();
      return;
    }
  });
});

/** Rejects, or throws at once, where the store is poisoned. */
async function flushed(db: Store<string, Row>): Promise<void> {
  try {
    await db.flush();
  } catch {}
}

/** From where a call has next to no stack, to where it has enough so often. */
const SUCCESSES_ENOUGH = 3;
/** A level is some hundred bytes: each padding of eight begins elsewhere in it. */
const STACK_PADDINGS = 25;

/** Exhausts the stack, and on the way back makes the call at each level, until it has succeeded or that is enough. */
function callWithLittleStack(padding: number, call: () => void, isEnough: () => boolean): void {
  let successes = 0;
  const { stackTraceLimit } = Error;
  // Thousands of errors are thrown, and nobody reads their traces.
  Error.stackTraceLimit = 0;
  const descend = (..._padding: number[]): void => {
    try {
      descend();
    } catch {}
    if (successes >= SUCCESSES_ENOUGH || isEnough()) return;
    call();
    successes++;
  };
  try {
    descend(...new Array<number>(padding).fill(0));
  } catch {
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
