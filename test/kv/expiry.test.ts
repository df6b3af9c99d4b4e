// Entries that expire: no read sees one that is due, and its removal is written.

import { describe, expect, test } from 'vitest';
import type { Open } from '../../src/testing/in-memory.js';
import { type InMemory, inMemory } from '../../src/testing/in-memory.js';

/** A store with a clock of its own. */
class World {
  readonly machine: InMemory;
  now = 1000;
  db!: Awaited<ReturnType<Open>>;

  constructor(machine: InMemory = inMemory()) {
    this.machine = machine;
  }

  static async open(options: object = {}): Promise<World> {
    const world = new World();
    await world.reopen(options);
    return world;
  }

  async reopen(options: object = {}): Promise<void> {
    this.db = await this.machine.open('/s', { clock: () => this.now, ...options });
  }
}

describe('an entry with a deadline', () => {
  test('is there before it, and at it no read sees it', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 100 });
    await db.put('b', 2, { expiresAt: 1050 });
    await db.put('c', 3);
    expect(db.getEntry('a')).toMatchObject({ value: 1, expiresAt: 1100 });
    expect(db.getEntry('b')).toMatchObject({ value: 2, expiresAt: 1050 });
    expect(db.getEntry('c')).not.toHaveProperty('expiresAt');
    world.now = 1049;
    expect([...db.keys()]).toEqual(['a', 'b', 'c']);
    world.now = 1050;
    expect(db.get('b')).toBeUndefined();
    expect(db.size).toBe(2);
    expect([...db.keys()]).toEqual(['a', 'c']);
    world.now = 1100;
    expect([...db.entries()]).toEqual([['c', 3]]);
    expect(db.count()).toBe(1);
    world.now = 10;
    expect([...db.entries()]).toEqual([['c', 3]]);
    expect(await db.expireNow()).toBe(2);
    expect(await db.expireNow()).toBe(0);
    await db.close();
    await world.reopen();
    expect([...world.db.entries()]).toEqual([['c', 3]]);
    await world.db.close();
  });

  test('stays gone when the clock goes back, in this life and after a crash', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 100 });
    await world.db.put('b', 1, { ttl: 200 });
    world.now = 5000;
    expect(world.db.get('a')).toBeUndefined();
    world.now = 1000;
    expect(world.db.size).toBe(0);
    await world.db.put('c', 1, { ttl: 150 });
    await world.db.put('d', 1);
    world.machine.kill();
    await world.reopen();
    expect([...world.db.keys()]).toEqual(['c', 'd']);
    expect(await world.db.expireNow()).toBe(2);
    await world.db.close();
  });

  test('is in an image until its removal is written, and due there', async () => {
    const world = await World.open({ autoCheckpoint: false });
    for (let at = 0; at < 300; at++) await world.db.put(`k${at}`, at, { ttl: 100 + at });
    world.now = 1200;
    expect(world.db.get('k0')).toBeUndefined();
    expect(await world.db.checkpoint()).toMatchObject({ entries: 300 });
    world.machine.kill();
    world.now = 1000;
    await world.reopen();
    expect(world.db.size).toBe(199);
    expect(await world.db.expireNow()).toBe(101);
    await world.db.close();
  });
});
