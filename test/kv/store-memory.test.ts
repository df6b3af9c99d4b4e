// The store and the memory of its values: what is refused takes none and changes nothing, and what a reader was given
// stays, whatever is written and compacted meanwhile.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import { SimulatedDisk } from '../../src/testing/index.js';

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
    const allocate = Buffer.allocUnsafeSlow;
    // What a slab of its own for that value takes; scratch buffers are of other sizes.
    vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((bytes) => {
      if (bytes === 500_016) throw new RangeError('Array buffer allocation failed');
      return allocate(bytes);
    });
    expect(() => store.put('key', value)).toThrow(RangeError);
    const operations = [
      { type: 'put' as const, key: 'a', value: Buffer.from('small') },
      { type: 'put' as const, key: 'key', value },
    ];
    expect(() => store.batch(operations)).toThrow(RangeError);
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
    expect(store.stats().memory.valueBytes).toBe(24);
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
});
