// The store and the memory of its values: what is refused takes none and changes nothing, and what a reader was given
// stays, whatever is written and compacted meanwhile.

import { once } from 'node:events';
import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { msgpackCodec } from '../../src/kv/encoding/msgpack/msgpack-codec.js';
import { SCRATCH_BYTES_KEPT_MAX, Scratch } from '../../src/kv/encoding/scratch.js';
import { resolveValueEncoding } from '../../src/kv/encoding/value-encoding.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { encodedBy } from './encoded.js';

const MIB = 1024 * 1024;

function newDisk(): SimulatedDisk {
  return new SimulatedDisk({ seed: 9, directories: ['/data'] });
}

async function openOn(disk: SimulatedDisk, options: object = {}): Promise<Store<string, unknown>> {
  const resolved = resolveStoreOptions({ valueEncoding: 'bytes', ...options });
  return (await openStoreOn(disk.life(), '/data/store', resolved, {
    segmentBytesMin: 4096,
  })) as Store<string, unknown>;
}

function contentOf(store: Store<string, unknown>): unknown {
  return [...store.entries()].map(([key, value]) => [key, Buffer.from(value as Uint8Array).toString()]);
}

describe('a write that the journal refuses', () => {
  test('changes nothing, and takes no memory, however often it is tried', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    await store.put('key', Buffer.from('first'));
    const before = { lsn: store.lastLsn, content: contentOf(store), memory: store.stats().memory };
    disk.faults = ({ name }) => (name === 'zeroFill' ? { errno: 'ENOSPC' } : undefined);
    const noSpace = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });
    for (const bytes of [20_000, 300_000]) {
      const value = new Uint8Array(bytes);
      for (let tries = 0; tries < 20; tries++) {
        expect(() => store.put('key', value)).toThrow(noSpace);
        expect(() =>
          store.batch([
            { type: 'put', key: 'other', value: Buffer.from('small') },
            { type: 'clear' },
            { type: 'put', key: 'key', value },
          ]),
        ).toThrow(noSpace);
      }
    }
    expect({ lsn: store.lastLsn, content: contentOf(store), memory: store.stats().memory }).toEqual(before);
    disk.faults = undefined;
    await store.put('key', Buffer.from('second'));
    await store.close();
    const again = await openOn(disk);
    expect(contentOf(again)).toEqual([['key', 'second']]);
    await again.close();
  });
});

describe('a write for whose values there is no memory', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test('is refused before the journal has it: nothing of it is seen, now or after the next open', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    await store.put('key', Buffer.from('first'));
    const before = { lsn: store.lastLsn, memory: store.stats().memory };
    const value = new Uint8Array(500_000);
    const Shared = SharedArrayBuffer;
    vi.spyOn(globalThis, 'SharedArrayBuffer').mockImplementation((bytes?: number) => {
      // A slab of its own for that value.
      if (bytes === 500_024) throw new RangeError('Array buffer allocation failed');
      return new Shared(bytes);
    });
    const refused = expect.objectContaining({ code: 'KEELSON_NO_SPACE', facts: { errno: 'ENOMEM' } });
    expect(() => store.put('key', value)).toThrow(refused);
    const operations = [
      { type: 'put' as const, key: 'a', value: Buffer.from('small') },
      { type: 'put' as const, key: 'key', value },
    ];
    expect(() => store.batch(operations)).toThrow(refused);
    expect({ lsn: store.lastLsn, memory: store.stats().memory }).toEqual(before);
    vi.restoreAllMocks();
    await store.put('b', Buffer.from('other'));
    const expected = [
      ['b', 'other'],
      ['key', 'first'],
    ];
    expect(contentOf(store)).toEqual(expected);
    await store.close();
    const again = await openOn(disk);
    expect(contentOf(again)).toEqual(expected);
    await again.close();
  });
});

describe('what a store holds', () => {
  // A writer of batches of its own kept the record of a load for as long as the store was open.
  test('is not the record of a large batch, whatever comes after it', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    const large = { type: 'put' as const, key: 'large', value: new Uint8Array(5 * MIB) };
    for (const write of [() => store.batch([large]), () => store.put('large', large.value)]) {
      const resets = vi.spyOn(Scratch.prototype, 'reset');
      const lsn = write();
      const scratches = resets.mock.contexts as Scratch[];
      expect(scratches.length).toBeGreaterThan(0);
      for (const { bytes } of scratches) expect(bytes.length).toBeLessThanOrEqual(SCRATCH_BYTES_KEPT_MAX);
      vi.restoreAllMocks();
      await lsn;
    }
    await store.close();
  });

  // get() showed three bytes, and the record had ten.
  test('is what its record has, also of a value whose length is not always the same', async () => {
    let asked = 0;
    class Lying extends Uint8Array {
      override get length(): number {
        return asked++ % 2 === 0 ? 10 : 3;
      }
    }
    const disk = newDisk();
    const store = await openOn(disk);
    await store.put('put', new Lying(10));
    await store.batch([{ type: 'put', key: 'batch', value: new Lying(10) }]);
    const before = contentOf(store);
    await store.close();
    const again = await openOn(disk);
    expect(contentOf(again)).toEqual(before);
    await again.close();
  });

  test('is iterated up to what does not decode, and no further', async () => {
    const disk = newDisk();
    const decode = (bytes: Uint8Array) => {
      if (bytes[0] === 1) throw new Error('undecodable');
      return bytes;
    };
    const own = { name: 'own', encode: (value: Uint8Array) => value, decode };
    const store = await openOn(disk, { valueEncoding: own });
    for (const number of [0, 1, 2]) store.put(`key ${number}`, Uint8Array.of(number));
    const values = store.values();
    expect(values.next()).toMatchObject({ done: false });
    expect(() => values.next()).toThrow(/undecodable/);
    expect(values.next()).toEqual({ done: true, value: undefined });
    await store.close();
  });

  test('is what a batch that clears everything puts after it, and not what it put before', async () => {
    const disk = newDisk();
    const store = await openOn(disk);
    await store.put('old', Buffer.from('old'));
    await store.batch([
      { type: 'put', key: 'a', value: Buffer.from('before') },
      { type: 'clear' },
      { type: 'put', key: 'b', value: Buffer.from('after') },
      { type: 'put', key: 'b', value: Buffer.from('twice') },
    ]);
    expect(contentOf(store)).toEqual([['b', 'twice']]);
    expect(store.stats().memory.valueBytes).toBe(32);
    await store.close();
    const again = await openOn(disk);
    expect(contentOf(again)).toEqual([['b', 'twice']]);
    await again.close();
  });

  test('stays as it was for a snapshot and for iterations, while it is overwritten many times', async () => {
    const store = await openOn(newDisk(), { maxUndurableBytes: 256 * MIB });
    const value = (number: number, round: number) =>
      Buffer.from(`${number} in round ${round} `.padEnd(400, '.'));
    const count = 5000;
    const write = (round: number) =>
      store.batch(
        Array.from({ length: count }, (_, number) => ({
          type: 'put' as const,
          key: `key ${String(number).padStart(5, '0')}`,
          value: value(number, round),
        })),
      );
    await write(0);
    const snapshot = store.snapshot();
    const iterations = Array.from({ length: 5 }, () => store.values());
    for (let round = 1; round <= 40; round++) {
      await write(round);
      const { slabBytes, valueBytes } = store.stats().memory;
      expect(slabBytes).toBeLessThan(1.6 * valueBytes + 8 * MIB);
      for (const iteration of iterations) {
        expect(iteration.next().value).toEqual(new Uint8Array(value(round - 1, 0)));
      }
    }
    let number = 0;
    for (const [, held] of snapshot.entries()) {
      if (Buffer.compare(held as Uint8Array, value(number, 0)) !== 0)
        expect(held).toBe(`that of key ${number}`);
      number++;
    }
    expect(number).toBe(count);
    snapshot.close();
    await store.close();
  });

  test('is the caller’s own copy, in every encoding', async () => {
    const identity = {
      name: 'identity',
      encode: (bytes: Uint8Array) => bytes,
      decode: (bytes: Uint8Array) => bytes,
    };
    for (const valueEncoding of ['bytes', 'msgpack', identity]) {
      const store = await openOn(newDisk(), { valueEncoding });
      const given = Uint8Array.of(1, 2, 3);
      const written = store.put('key', given);
      given.fill(9);
      const got = store.get('key') as Uint8Array;
      expect([...got]).toEqual([1, 2, 3]);
      expect(got.buffer.byteLength).toBe(3);
      got.fill(8);
      expect([...(store.get('key') as Uint8Array)]).toEqual([1, 2, 3]);
      await written;
      await store.close();
    }
  });

  // Another thread let a SharedArrayBuffer grow while a put copied it: the record said one length and held another. The put
  // was acknowledged, and the store could never be opened again.
  test.each([
    'bytes',
    { name: 'own', encode: (value: Uint8Array) => value, decode: (value: Uint8Array) => value },
  ])(
    'is what it was at one moment, also of memory that another thread lets grow (%o)',
    async (valueEncoding) => {
      const disk = newDisk();
      const store = await openOn(disk, { valueEncoding, autoCheckpoint: false });
      await store.put('important', Uint8Array.of(1, 2, 3));
      // What TypeScript's library for this Node does not know yet.
      const Shared = SharedArrayBuffer as unknown as new (
        bytes: number,
        options: { maxByteLength: number },
      ) => SharedArrayBuffer;
      const bytesMax = 192 * 1024;
      const shared = new Shared(8 * 1024, { maxByteLength: bytesMax });
      const growing = new Uint8Array(shared);
      // Of what is copied once, before anybody asks for its length.
      const appends = vi.spyOn(Scratch.prototype, 'append');
      encodedBy(resolveValueEncoding(valueEncoding as 'bytes', 'valueEncoding', msgpackCodec(null)), growing);
      const [encoded] = appends.mock.calls.at(-1)!;
      appends.mockRestore();
      expect([encoded.length, types.isSharedArrayBuffer(encoded.buffer)]).toEqual([8 * 1024, false]);
      const worker = new Worker(GROW, { eval: true, workerData: shared });
      const exited = once(worker, 'exit');
      await once(worker, 'online');
      let puts = 0;
      while (shared.byteLength < bytesMax) {
        await store.put(`growing ${puts++ % 8}`, growing);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await exited;
      await store.close();
      const again = await openOn(disk, { valueEncoding, autoCheckpoint: false });
      expect([...(again.get('important') as Uint8Array)]).toEqual([1, 2, 3]);
      expect(again.size).toBe(Math.min(9, puts + 1));
      await again.close();
    },
  );
});

const GROW = `
  const { workerData: shared } = require('node:worker_threads');
  for (let bytes = shared.byteLength; bytes < shared.maxByteLength; bytes += 64) {
    shared.grow(bytes + 64);
    for (let turn = 0; turn < 20000; turn++);
  }
`;
