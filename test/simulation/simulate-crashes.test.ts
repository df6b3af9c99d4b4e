// What users test with: simulateCrashes() finds bugs that are planted in applications, passes them when they are
// repaired, and says how to see them again; inMemory() is a store like any other.

import { describe, expect, test } from 'vitest';
import { msgpack, type Namespace, type Store, type TransactionCollection, tuple } from '../../src/index.js';
import { CrashFailure, type CrashSimulation, inMemory, simulateCrashes } from '../../src/testing/index.js';

type Transfer = (db: Store<string, number>) => Promise<unknown>;

const byTwoPuts: Transfer = async (db) => {
  await db.put('ann', db.get('ann')! - 10);
  await db.put('bob', db.get('bob')! + 10);
};

const byOneBatch: Transfer = (db) =>
  db.batch([
    { type: 'put', key: 'ann', value: db.get('ann')! - 10 },
    { type: 'put', key: 'bob', value: db.get('bob')! + 10 },
  ]);

function bank(transfer: Transfer): CrashSimulation<string> {
  return {
    seed: 3,
    states: 400,
    workload: async ({ open, note }) => {
      const db = await open<number>('/bank');
      await db.batch(['ann', 'bob'].map((key) => ({ type: 'put', key, value: 100 })));
      note('open');
      for (let times = 0; times < 3; times += 1) await transfer(db);
      note('paid');
    },
    check: async ({ open, notes }) => {
      const db = await open<number>('/bank');
      if (notes.includes('open')) expect(db.get('ann')! + db.get('bob')!).toBe(200);
      if (notes.includes('paid')) expect(db.get('bob')).toBe(130);
    },
  };
}

type Move = (
  db: Store<string, number>,
  from: Namespace<string, number>,
  to: Namespace<readonly [string, number], number>,
  key: string,
) => Promise<unknown>;

function moveIn(
  from: TransactionCollection<string, number>,
  to: TransactionCollection<readonly [string, number], number>,
  key: string,
): void {
  to.put(['moved', to.size], from.get(key)!);
  from.delete(key);
}

const byTransaction: Move = (db, from, to, key) =>
  db.transaction((tx) => moveIn(tx.in(from), tx.in(to), key));

/** Two of them at a time, so that one of them is tried again. */
const byAsyncTransaction: Move = (db, from, to, key) => {
  const count = () =>
    db.transaction(async (tx) => {
      const moves = (tx.get('moves') ?? 0) + 1;
      await new Promise((resolve) => setImmediate(resolve));
      tx.put('moves', moves);
    });
  const move = db.transaction(async (tx) => {
    await new Promise((resolve) => setImmediate(resolve));
    moveIn(tx.in(from), tx.in(to), key);
  });
  return Promise.all([count(), count(), move]);
};

const byTwoWrites: Move = async (_db, from, to, key) => {
  const value = from.get(key)!;
  await from.delete(key);
  await to.put(['moved', to.size], value);
};

/** Things that are moved from one namespace to another. A note is how many moves were confirmed. */
function warehouse(move: Move): CrashSimulation<number> {
  const keys = ['a', 'b', 'c'];
  const shelvesOf = (db: Store<string, number>) =>
    [
      db.namespace<number>('incoming'),
      db.namespace('stored', {
        keyEncoding: tuple<readonly [string, number]>(),
        valueEncoding: msgpack<number>(),
      }),
    ] as const;
  return {
    seed: 3,
    states: 300,
    workload: async ({ open, note }) => {
      const db = await open<number>('/warehouse');
      const [incoming, stored] = shelvesOf(db);
      await db.batch(
        keys.map((key) => ({ type: 'put' as const, namespace: incoming, key, value: db.nextId() })),
      );
      note(0);
      for (const [at, key] of keys.entries()) {
        await move(db, incoming, stored, key);
        note(at + 1);
      }
    },
    check: async ({ open, notes }) => {
      const db = await open<number>('/warehouse');
      const [incoming, stored] = shelvesOf(db);
      if (notes.length === 0) return;
      expect(new Set([...incoming.values(), ...stored.values()]).size).toBe(3);
      expect(stored.size, `${notes.at(-1)} was confirmed`).toBeGreaterThanOrEqual(notes.at(-1)!);
      const all = [...incoming.values(), ...stored.values()];
      expect(db.nextId()).toBeGreaterThan(Math.max(...all));
    },
  };
}

async function failureOf<Note>(simulation: CrashSimulation<Note>): Promise<CrashFailure> {
  const failure = await simulateCrashes(simulation).catch((error: unknown) => error);
  if (!(failure instanceof CrashFailure)) throw new Error('expected a CrashFailure', { cause: failure });
  return failure;
}

describe('simulateCrashes', () => {
  test('passes a transfer that is one batch', async () => {
    const counts = await simulateCrashes(bank(byOneBatch));
    expect(counts.states).toBeGreaterThan(300);
    expect(counts.nestedStates).toBeGreaterThan(0);
    expect(counts.processKills).toBeGreaterThan(0);
  });

  test('finds that a transfer is two puts, says what was known, and replays it', async () => {
    const failure = await failureOf(bank(byTwoPuts));
    expect(failure.message).toContain('expected 190 to be 200');
    expect(failure.message).toContain('Noted before it: "open"');
    expect(failure.facts).toEqual(['open']);
    const { seed, replay } = failure;
    const again = await failureOf({ ...bank(byTwoPuts), seed, replay });
    expect(again.message).toBe(failure.message);
    await expect(simulateCrashes({ ...bank(byOneBatch), seed, replay })).resolves.toMatchObject({
      states: 1,
    });
  });

  test('finds an answer that was given before the write was durable', async () => {
    const failure = await failureOf<string>({
      ...bank(byOneBatch),
      workload: async ({ open, note }) => {
        const db = await open<number>('/bank');
        for (const key of ['ann', 'bob']) await db.put(key, 130);
        db.put('carol', 1, { durability: 'memory' });
        note('carol');
      },
      check: async ({ open, notes }) => {
        const db = await open<number>('/bank');
        if (notes.includes('carol')) expect(db.has('carol')).toBe(true);
      },
    });
    expect(failure.facts).toEqual(['carol']);
  });

  test('finds a repair that is not made to be interrupted', async () => {
    const failure = await failureOf<string>({
      seed: 1,
      workload: async ({ open, note }) => {
        const db = await open<number>('/counters');
        await db.put('old', 1);
        note('counted');
        for (const key of ['a', 'b', 'c', 'd']) await db.put(key, 0);
      },
      // Moves a record to where the new version of the program wants it: it deletes first.
      check: async ({ open, notes }) => {
        const db = await open<number>('/counters');
        const value = db.get('old');
        if (value !== undefined) {
          await db.delete('old');
          await db.put('new', value);
        }
        if (notes.includes('counted')) expect(db.get('new')).toBe(1);
      },
    });
    expect(failure.replay.length).toBeGreaterThan(1);
  });

  test('passes moves between two namespaces that are transactions, and ids that are in them', async () => {
    const counts = await simulateCrashes(warehouse(byTransaction));
    expect(counts.states).toBeGreaterThan(200);
    await expect(simulateCrashes(warehouse(byAsyncTransaction))).resolves.toMatchObject({ states: 300 });
  });

  test('finds a move between two namespaces that is two writes', async () => {
    const failure = await failureOf(warehouse(byTwoWrites));
    expect(failure.message).toMatch(/expected [12] to be 3/);
    const { seed, replay } = failure;
    const again = await failureOf({ ...warehouse(byTwoWrites), seed, replay });
    expect(again.message).toBe(failure.message);
    await expect(simulateCrashes({ ...warehouse(byTransaction), seed, replay })).resolves.toMatchObject({
      states: 1,
    });
  });

  test('finds that a transaction was confirmed before it was durable', async () => {
    const failure = await failureOf(
      warehouse((db, from, to, key) =>
        db.transaction((tx) => moveIn(tx.in(from), tx.in(to), key), { durability: 'memory' }),
      ),
    );
    expect(failure.message).toContain('was confirmed');
  });

  test('finds a namespace that is dropped and made anew in two writes', async () => {
    const rebuild = (isWhole: boolean): CrashSimulation<string> => ({
      seed: 4,
      states: 300,
      workload: async ({ open, note }) => {
        const db = await open<number>('/views');
        const view = db.namespace<number>('view 1');
        await view.put('total', 1);
        await db.put('current', 1);
        note('shown');
        if (isWhole) {
          const next = db.namespace<number>('view 2');
          await db.batch([
            { type: 'put', namespace: next, key: 'total', value: 2 },
            { type: 'put', key: 'current', value: 2 },
          ]);
          await db.drop(view);
        } else {
          await db.drop(view);
          await db.namespace<number>('view 1').put('total', 2);
        }
      },
      check: async ({ open, notes }) => {
        const db = await open<number>('/views');
        if (!notes.includes('shown')) return;
        const current = db.namespace<number>(`view ${db.get('current')}`);
        expect(current.get('total'), 'the total').toBeDefined();
      },
    });
    expect((await failureOf(rebuild(false))).message).toContain('the total');
    await simulateCrashes(rebuild(true));
  });

  test('names the seed that it chose, each time another one', async () => {
    const { seed: _, ...unseeded } = bank(byTwoPuts);
    const first = await failureOf(unseeded);
    expect(first.message).toContain(`seed: ${first.seed}`);
    expect((await failureOf(unseeded)).seed).not.toBe(first.seed);
  });

  test('says that a workload failed before any crash, and that one never ends', async () => {
    const failed = await failureOf({
      ...bank(byOneBatch),
      workload: async () => {
        throw new Error('no such account');
      },
    });
    expect(failed.message).toMatch(/^Before any crash: Error: no such account/);
    const hung = await failureOf({ ...bank(byOneBatch), workload: () => new Promise(() => {}) });
    expect(hung.message).toMatch(
      /HangError: It has not settled, and for \d+ turns the disk had nothing to do: .* Open every store with the open that is given/,
    );
    const inCheck = await failureOf({ ...bank(byOneBatch), check: () => new Promise(() => {}) });
    expect(inCheck.message).toMatch(/After a crash at .*HangError/);
  });

  test.each([
    { workload: undefined },
    { check: 7 },
    { seed: 0.5 },
    { seed: '1' },
    { states: 0 },
    { kinds: [] },
    { kinds: 'power-cut' },
    { kinds: ['power-cut', 'kill'] },
  ])('refuses %j', async (wrong) => {
    const simulation = { ...bank(byOneBatch), ...wrong } as unknown as CrashSimulation<string>;
    await expect(simulateCrashes(simulation)).rejects.toThrow(TypeError);
  });

  test('tells what a stalled disk was to do', async () => {
    const hung = await failureOf<string>({
      ...bank(byOneBatch),
      workload: async ({ open, disk }) => {
        const db = await open('/bank');
        disk.pause();
        await db.put('a', 1);
      },
    });
    expect(hung.message).toMatch(/under way, and stalled, are .*\/bank/);
  });
});

describe('inMemory', () => {
  test('opens stores in all forms, and finds them again', async () => {
    const { open, disk } = inMemory();
    const db = await open<{ name: string }>('users');
    await db.put('ann', { name: 'Ann' });
    await expect(open('users')).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await db.close();
    const bytes = await open('/bytes', { keyEncoding: 'bytes', valueEncoding: 'bytes' });
    await bytes.put(new Uint8Array([1]), new Uint8Array([2]));
    await bytes.close();
    expect(disk.openFiles()).toEqual([]);
    const again = await open<{ name: string }>('users');
    expect(again.get('ann')).toEqual({ name: 'Ann' });
    expect(again.recovery.kind).toBe('clean');
    expect(again.stats().engine.engine).toBe('simulated');
    await expect(open('/bytes')).rejects.toMatchObject({ code: 'KEELSON_ENCODING_MISMATCH' });
    await expect(open(7 as never)).rejects.toThrow(TypeError);
  });

  test('two of them have nothing in common', async () => {
    const [one, other] = [inMemory(), inMemory()];
    await (await one.open('/a')).close();
    await expect(other.open('/a', { create: false })).rejects.toMatchObject({ code: 'KEELSON_NOT_FOUND' });
  });

  test('a kill and a power cut lose what was not acknowledged, at most', async () => {
    let lost = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      for (const crash of ['kill', 'cutPower'] as const) {
        const machine = inMemory({ seed });
        const db = await machine.open<number>('/a');
        await db.put('safe', 1);
        machine.disk.pause();
        void db.put('perhaps', 1);
        // It goes to the disk at the end of the turn, and is under way then.
        await new Promise((resolve) => setImmediate(resolve));
        machine[crash]();
        const again = await machine.open<number>('/a');
        expect(again.get('safe')).toBe(1);
        if (!again.has('perhaps')) lost += 1;
        await again.close();
      }
    }
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(40);
  });

  test('can be full, and fail', async () => {
    const { open, disk } = inMemory();
    const db = await open<string>('/a');
    await db.put('a', 'small');
    disk.capacityBytes = disk.usedBytes();
    expect(() => db.put('b', 'x'.repeat(1_000_000))).toThrow(
      expect.objectContaining({ code: 'KEELSON_NO_SPACE' }),
    );
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    await expect(db.put('b', 'small')).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
    await db.close();
  });
});
