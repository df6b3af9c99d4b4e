// Deadlines against a model: random writes, reads, jumps of the clock, checkpoints and restarts. The model removes for good
// what is due when somebody looks, and judges all else by the clock alone.

import { expect, test, vi } from 'vitest';
import { Schema } from '../../src/kv/entries/schema.js';
import { inMemory } from '../../src/testing/in-memory.js';
import { Random } from '../../src/testing/random.js';

interface ModelEntry {
  readonly value: number;
  /** Infinity for an entry that never expires. */
  readonly expiresAt: number;
}

type Contents = Map<string, ModelEntry>;

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const NAMES = ['', 'one', 'two'];
const STEPS = 120;

class Run {
  readonly random: Random;
  readonly machine: ReturnType<typeof inMemory>;
  now = 1000;
  db!: Awaited<ReturnType<Run['open']>>;
  model = new Map<string, Contents>(NAMES.map((name) => [name, new Map()]));
  snapshots: { readonly snapshot: ReturnType<Run['db']['snapshot']>; readonly content: string }[] = [];
  values = 0;

  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new Random(seed);
    this.machine = inMemory({ seed });
  }

  /** Opens the store. With odd seeds, at most one due entry leaves the indexes at a look, so the floor hides the others. */
  async open() {
    const reset = vi.spyOn(Schema.prototype, 'reset');
    try {
      const db = await this.machine.open<number>('/s', { clock: () => this.now, autoCheckpoint: false });
      const schema = reset.mock.contexts.at(-1) as Schema;
      if (this.seed % 2 === 1) schema.expiry.lookMax = 1;
      return db;
    } finally {
      reset.mockRestore();
    }
  }

  of(name: string) {
    return name === '' ? this.db : this.db.namespace<number>(name);
  }

  /** Somebody looks at a namespace. What is found due there is gone everywhere. */
  look(name: string): Contents {
    const { now } = this;
    const content = this.model.get(name)!;
    if ([...content.values()].some(({ expiresAt }) => expiresAt <= now)) this.expireAll();
    return content;
  }

  expireAll(): number {
    let gone = 0;
    for (const content of this.model.values()) {
      for (const [key, { expiresAt }] of content) {
        if (expiresAt > this.now) continue;
        content.delete(key);
        gone++;
      }
    }
    return gone;
  }

  contentOf(name: string): string {
    const content = [...this.look(name)].sort(([a], [b]) => (a < b ? -1 : 1));
    return shown(content.map(([key, { value, expiresAt }]) => [key, value, expiresAt]));
  }

  async step(): Promise<void> {
    const { random, db } = this;
    const name = random.pick(NAMES);
    const key = random.pick(KEYS);
    const kind = random.below(100);
    const { options, expiresAt } = this.expiry();
    if (kind < 22) {
      const content = this.look(name);
      const value = ++this.values;
      const version = content.has(key) ? this.of(name).getEntry(key)!.version : 0;
      this.of(name).put(key, value, { ...options, ifVersion: version, durability: 'memory' });
      this.put(name, key, value, expiresAt);
    } else if (kind < 30) {
      const entry = this.look(name).get(key);
      this.of(name).touch(key, { ...forTouch(options), durability: 'memory' });
      if (entry !== undefined) this.put(name, key, entry.value, expiresAt);
    } else if (kind < 36) {
      this.look(name).delete(key);
      this.of(name).delete(key, { durability: 'memory' });
    } else if (kind < 38) {
      const content = this.look(name);
      for (const each of [...content.keys()]) if (each >= key) content.delete(each);
      this.of(name).clear({ gte: key }, { durability: 'memory' });
    } else if (kind < 48) this.batch(options, expiresAt);
    else if (kind < 56) this.transaction(options, expiresAt);
    else if (kind < 70) this.read(name, key);
    else if (kind < 78) this.now += random.below(60);
    else if (kind < 81) this.now += random.below(3000);
    else if (kind < 84) this.now = Math.max(1, this.now - random.below(3000));
    else if (kind < 87) this.takeSnapshot();
    else if (kind < 89) expect(await db.expireNow()).toBeGreaterThanOrEqual(this.expireAll());
    else if (kind < 92) {
      this.machine.disk.advanceClock(1000);
      await settled();
      this.expireAll();
    } else if (kind < 95) await db.checkpoint();
    else if (kind < 97) await this.restart();
    else this.checkAll();
  }

  expiry(): { options: { ttl?: number; expiresAt?: number }; expiresAt: number } {
    const { random, now } = this;
    const kind = random.below(10);
    if (kind < 5) {
      const ttl = 1 + random.below(80);
      return { options: { ttl }, expiresAt: now + ttl };
    }
    if (kind < 7) {
      const expiresAt = now - 20 + random.below(100);
      return { options: { expiresAt }, expiresAt };
    }
    return { options: {}, expiresAt: Number.POSITIVE_INFINITY };
  }

  put(name: string, key: string, value: number, expiresAt: number): void {
    const content = this.model.get(name)!;
    if (expiresAt <= this.now) content.delete(key);
    else content.set(key, { value, expiresAt });
  }

  batch(options: object, expiresAt: number): void {
    const operations: object[] = [];
    for (let left = 1 + this.random.below(5); left > 0; left--) {
      const name = this.random.pick(NAMES);
      const key = this.random.pick(KEYS);
      const content = this.look(name);
      const where = { key, ...(name !== '' && { namespace: this.db.namespace(name) }) };
      const kind = this.random.below(4);
      if (kind === 0) {
        operations.push({ type: 'delete', ...where });
        content.delete(key);
      } else if (kind === 1) {
        operations.push({ type: 'touch', ...where, ...forTouch(options) });
        const entry = content.get(key);
        if (entry !== undefined) this.put(name, key, entry.value, expiresAt);
      } else {
        const value = ++this.values;
        operations.push({ type: 'put', ...where, value, ...options });
        this.put(name, key, value, expiresAt);
      }
    }
    this.db.batch(operations as never, { durability: 'memory' });
  }

  transaction(options: object, expiresAt: number): void {
    const fails = this.random.below(4) === 0;
    for (const name of NAMES) expect(this.of(name).size).toBe(this.look(name).size);
    const before = new Map([...this.model].map(([name, content]) => [name, new Map(content)]));
    const run = () =>
      this.db.transaction(
        (tx) => {
          for (let left = 1 + this.random.below(4); left > 0; left--) {
            const name = this.random.pick(NAMES);
            const key = this.random.pick(KEYS);
            const content = this.model.get(name)!;
            const inside = name === '' ? tx : tx.in(this.db.namespace<number>(name));
            expect(inside.get(key)).toBe(content.get(key)?.value);
            if (this.random.below(2) === 0) {
              inside.touch(key, forTouch(options));
              const entry = content.get(key);
              if (entry !== undefined) this.put(name, key, entry.value, expiresAt);
            } else {
              const value = ++this.values;
              inside.put(key, value, options);
              this.put(name, key, value, expiresAt);
            }
            const entry = inside.getEntry(key);
            expect(entry?.value).toBe(content.get(key)?.value);
            expect(entry?.expiresAt ?? Number.POSITIVE_INFINITY).toBe(
              content.get(key)?.expiresAt ?? Number.POSITIVE_INFINITY,
            );
            expect([...inside.values()]).toEqual(valuesOf(content));
          }
          if (fails) throw new Error('undo');
        },
        { durability: 'memory' },
      );
    if (!fails) {
      void run();
      return;
    }
    expect(run).toThrow('undo');
    this.model = before;
  }

  read(name: string, key: string): void {
    const content = this.look(name);
    const at = this.of(name);
    const kind = this.random.below(4);
    if (kind === 0) expect(at.get(key)).toBe(content.get(key)?.value);
    else if (kind === 1)
      expect(at.count({ gte: key })).toBe([...content.keys()].filter((each) => each >= key).length);
    else if (kind === 2) expect(at.rank(key)).toBe([...content.keys()].filter((each) => each < key).length);
    else expect(at.nth(0)?.[0]).toBe([...content.keys()].sort()[0]);
  }

  takeSnapshot(): void {
    const snapshot = this.db.snapshot();
    const content = NAMES.map((name) => this.contentOf(name)).join('\n');
    this.snapshots.push({ snapshot, content: `${snapshot.now}\n${content}` });
    expect(this.contentOfSnapshot(snapshot)).toBe(`${this.now}\n${content}`);
    while (this.snapshots.length > 3) this.snapshots.shift()!.snapshot.close();
  }

  contentOfSnapshot(snapshot: ReturnType<Run['db']['snapshot']>): string {
    const parts = NAMES.map((name) => {
      const at = name === '' ? snapshot : snapshot.in(this.db.namespace<number>(name));
      return shown([...at.getEntries()].map(({ key, value, expiresAt }) => [key, value, expiresAt]));
    });
    return [snapshot.now, ...parts].join('\n');
  }

  checkAll(): void {
    for (const name of NAMES) {
      const entries = [...this.of(name).getEntries()];
      expect(shown(entries.map(({ key, value, expiresAt }) => [key, value, expiresAt]))).toBe(
        this.contentOf(name),
      );
      expect(this.of(name).size).toBe(entries.length);
    }
    for (const { snapshot, content } of this.snapshots)
      expect(this.contentOfSnapshot(snapshot)).toBe(content);
  }

  async restart(): Promise<void> {
    for (const { snapshot } of this.snapshots) snapshot.close();
    this.snapshots = [];
    // Any record after the moment at which something was found due makes that last.
    const value = ++this.values;
    this.look('');
    await this.db.put('z', value);
    this.put('', 'z', value, Number.POSITIVE_INFINITY);
    const end = this.random.below(3);
    if (end === 0) await this.db.close();
    else if (end === 1) this.machine.kill();
    else this.machine.cutPower();
    if (this.random.below(2) === 0) this.now = Math.max(1, this.now - this.random.below(2000));
    this.db = await this.open();
    this.checkAll();
  }
}

function valuesOf(content: Contents): number[] {
  return [...content].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { value }]) => value);
}

function forTouch(options: object): object {
  return Object.keys(options).length === 0 ? { expiresAt: Number.POSITIVE_INFINITY } : options;
}

function shown(entries: readonly (readonly [string, number, number | undefined])[]): string {
  return entries
    .map(([key, value, expiresAt = Number.POSITIVE_INFINITY]) => `${key}=${value}@${expiresAt}`)
    .join(' ');
}

/** Resolves when what a timer has started is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test.each(Array.from({ length: 80 }, (_, seed) => seed))('store and model agree, seed %i', async (seed) => {
  const run = new Run(seed);
  run.db = await run.open();
  for (let step = 0; step < STEPS; step++) await run.step();
  run.checkAll();
  await run.restart();
  await run.db.close();
  expect(run.machine.disk.timers).toBe(0);
});
