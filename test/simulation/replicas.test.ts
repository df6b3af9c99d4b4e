// Replicas of a store on a simulated disk, loaded by another process on it. A replica at an LSN is the store at that LSN.

import { describe, expect, test } from 'vitest';
import type { FromReplica, ToReplica } from '../../src/kv/internal.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { openReplicaStore } from '../../src/kv/replica-store.js';
import { Store } from '../../src/kv/store.js';
import { Inbox } from '../../src/replica/inbox.js';
import { Replica } from '../../src/replica/replica.js';
import { Random } from '../../src/testing/random.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';
import { tries } from '../counts.js';

const DIRECTORY = '/data';
const SEEDS = Array.from({ length: tries(15, 25) }, (_, seed) => seed);
const STEPS = 150;
const NAMES = ['one', 'two'];
const TINY = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 8192, commitBytesMax: 2048 };

type AnyStore = Store<unknown, unknown>;
type AnyReplica = Replica<unknown, unknown>;

function stateOf(db: AnyStore | AnyReplica): string {
  const spaceOf = (name: string): { entries(): Iterable<unknown> } => db.namespace(name);
  return JSON.stringify([
    [...db.entries()],
    db.namespaces().map((name) => [name, [...spaceOf(name).entries()]]),
  ]);
}

async function storeOn(disk: SimulatedDisk): Promise<AnyStore> {
  const options = resolveStoreOptions({ checkpointBytesMin: 8192, checkpointRatio: 0 });
  return openStoreOn(disk.life(), DIRECTORY, options, TINY);
}

/** Opens a replica as openReplica() does, by a process that can read the simulated disk. */
async function replicaOf(db: AnyStore, disk: SimulatedDisk, maxLagBytes?: number): Promise<AnyReplica> {
  const port = Store.replicationOf(db).replicate(maxLagBytes === undefined ? {} : { maxLagBytes });
  const inbox = new Inbox(port);
  const start = (await inbox.first()) as { directory: string; id: string; lsn: number };
  return new Replica(await openReplicaStore(start, {}, disk.life()), port, inbox);
}

function write(db: AnyStore, random: Random): Promise<number> {
  const target = random.chance(0.4) ? db.namespace(random.pick(NAMES)) : db;
  const key = `k${random.below(9)}` as never;
  const value = 'x'.repeat(random.below(400)) as never;
  const dice = random.below(12);
  if (dice === 0) return target.delete(key);
  if (dice === 1) return target.clear({ gte: 'k2', lt: 'k5' } as never);
  if (dice === 2) return db.drop(random.pick(NAMES));
  if (dice > 3) return target.put(key, value);
  const namespace = db.namespace(random.pick(NAMES)) as never;
  return db.batch([
    { type: 'put', key, value },
    { type: 'put', key, value, namespace },
  ]);
}

describe('a replica', () => {
  test.each(SEEDS)(
    'at an LSN is the store at that LSN, and holds up no segment when it is gone: seed %i',
    async (seed) => {
      const random = new Random(seed);
      const disk = new SimulatedDisk({ seed, directories: ['/'] });
      const db = await storeOn(disk);
      const states = new Map<number, string>([[db.lastLsn, stateOf(db)]]);
      // Some are left behind all the time.
      const opening = [undefined, 4000, 1].map((maxLagBytes) => replicaOf(db, disk, maxLagBytes));
      for (let step = 0; step < STEPS; step++) {
        const written = write(db, random);
        states.set(db.lastLsn, stateOf(db));
        if (random.chance(0.3)) await written;
        if (random.chance(0.05)) await db.checkpoint();
      }
      const replicas = await Promise.all(opening);
      for (let step = 0; step < STEPS; step++) {
        void write(db, random);
        states.set(db.lastLsn, stateOf(db));
        if (random.chance(0.03)) await db.checkpoint();
        if (random.chance(0.5)) await new Promise(setImmediate);
        const replica = random.pick(replicas);
        expect(replica.lsn).toBeLessThanOrEqual(db.durableLsn);
        expect(stateOf(replica)).toBe(states.get(replica.lsn));
      }
      const lsn = await db.flush();
      for (const replica of replicas) {
        await replica.whenAt(lsn);
        expect(stateOf(replica)).toBe(stateOf(db));
      }
      await Promise.all(replicas.map((replica) => replica.close()));
      const replication = Store.replicationOf(db);
      for (let turn = 0; turn < 10_000 && replication.count > 0; turn++) await new Promise(setImmediate);
      expect(replication.count).toBe(0);
      for (let step = 0; step < STEPS; step++) void write(db, random);
      await db.checkpoint();
      await db.checkpoint();
      expect(db.stats().journal!.segments).toBeLessThanOrEqual(2);
      await db.close();
      expect(disk.openFiles()).toEqual([]);
    },
  );

  test('gives back memory, which the store uses for what it sends', async () => {
    const disk = new SimulatedDisk({ seed: 1, directories: ['/'] });
    const db = await storeOn(disk);
    const port = Store.replicationOf(db).replicate({});
    const sizes: number[] = [];
    port.on('message', (message: ToReplica) => {
      if (message.kind === 'start')
        port.postMessage({ kind: 'opened', lsn: message.lsn } satisfies FromReplica);
      if (message.kind !== 'records') return;
      sizes.push(message.bytes.byteLength);
      const memory = [new ArrayBuffer(5000)];
      port.postMessage(
        { kind: 'applied', lsn: message.fromLsn + message.length, memory } satisfies FromReplica,
        memory,
      );
    });
    for (let put = 0; put < 100 && sizes.at(-1) !== 5000; put++) {
      await db.put('a', 1);
      await new Promise(setImmediate);
    }
    expect(sizes.at(-1)).toBe(5000);
    port.close();
    await db.close();
  });

  test('shows no more than it was told of, though the files have more', async () => {
    const disk = new SimulatedDisk({ seed: 1, directories: ['/'] });
    const db = await storeOn(disk);
    const lsn = await db.put('a', 1);
    await db.put('b', 2);
    const store = await openReplicaStore({ directory: DIRECTORY, id: db.id, lsn }, {}, disk.life());
    expect([store.lsn, store.reads.get('a'), store.reads.get('b')]).toEqual([lsn, 1, undefined]);
    await store.close();
    await db.close();
  });

  test('of a poisoned store shows what is durable, and rejects waits for more', async () => {
    const disk = new SimulatedDisk({ seed: 1, directories: ['/'] });
    const db = await storeOn(disk);
    const lsn = await db.put('a', 1);
    const replica = await replicaOf(db, disk);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    const lost = db.put('b', 2);
    const waiting = replica.whenAt(db.lastLsn);
    waiting.catch(() => {});
    await expect(lost).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
    await expect(waiting).rejects.toMatchObject({ code: 'KEELSON_POISONED', facts: { lsn } });
    expect([replica.get('a'), replica.get('b')]).toEqual([1, undefined]);
    expect(() => db.replicate()).toThrow(expect.objectContaining({ code: 'KEELSON_POISONED' }));
    await replica.close();
    disk.faults = undefined;
    await db.close();
    expect(disk.openFiles()).toEqual([]);
  });
});
