// The birth of a store. A store that was opened and not written to was none: a power cut, or merely a close, left nothing
// that `create: false` opens, and the next open could make another store of it, with other encodings.

import assert from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes, SimulatedDisk } from '../../src/testing/index.js';

const DIRECTORY = '/data/made/on the way/store';
const ENCODINGS = { keyEncoding: 'bytes', valueEncoding: 'json' } as const;

const SMALL_FILES = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 4096, commitBytesMax: 1024 };

type Fact = { readonly type: 'opened' | 'closed'; readonly lsn: number };

function open(storage: Storage, options: object = {}): Promise<Store<Uint8Array, unknown>> {
  const resolved = resolveStoreOptions({ ...ENCODINGS, ...options });
  return openStoreOn(storage, DIRECTORY, resolved, SMALL_FILES) as Promise<Store<Uint8Array, unknown>>;
}

async function codeOf(opening: Promise<Store<never, unknown>>): Promise<string> {
  try {
    const store = await opening;
    await store.close();
    return 'open';
  } catch (error) {
    assert(isKeelsonError(error));
    return error.code;
  }
}

describe('a crash while a store is made', () => {
  it.each([1, 2])('leaves the store, once open() has resolved (seed %i)', async (seed) => {
    const outcomes = new Set<string>();
    await exploreCrashes<Fact>({
      seed,
      statesMax: 400,
      disk: { directories: ['/data'] },
      workload: async (storage, record) => {
        const store = await open(storage);
        record({ type: 'opened', lsn: store.lastLsn });
        await store.close();
        record({ type: 'closed', lsn: store.lastLsn });
      },
      check: async (storage, facts, { disk }) => {
        const born = facts[0]?.lsn;
        const other = openStoreOn(storage, DIRECTORY, resolveStoreOptions({ readOnly: true }));
        const otherwise = await codeOf(other as Promise<Store<never, unknown>>);
        const readOnly = await codeOf(open(storage, { readOnly: true }) as Promise<Store<never, unknown>>);
        const existing = await open(storage, { create: false }).catch((error) => {
          assert(isKeelsonError(error, 'KEELSON_NOT_FOUND'), String(error));
          return null;
        });
        outcomes.add(`${born === undefined ? 'before' : 'after'}: ${existing === null ? 'absent' : 'there'}`);
        if (born !== undefined) {
          assert.equal(readOnly, 'open');
          assert.equal(otherwise, 'KEELSON_ENCODING_MISMATCH');
          assert.equal(existing?.lastLsn, born);
        }
        // Whatever was left, it can be made, or made whole.
        const store = existing ?? (await open(storage));
        await store.put(new Uint8Array(1), 'value');
        await store.close();
        const report = await verifyOn(disk.life(), DIRECTORY);
        assert.deepEqual([report.ok, report.entries], [true, 1]);
      },
    });
    expect([...outcomes].sort()).toEqual(['after: there', 'before: absent', 'before: there']);
  });
});

describe('a disk that begins to fail while a store is made', () => {
  const OPERATIONS = [
    'makeDirectory',
    'createLogFile',
    'zeroFill',
    'flush',
    'link',
    'flushDirectory',
    'submit',
  ] as const;
  it.each(OPERATIONS)('rejects the open, and a later one succeeds: %s', async (operation) => {
    let rejected = 0;
    for (const errno of ['EIO', 'ENOSPC']) {
      for (let nth = 1; ; nth++) {
        const disk = new SimulatedDisk({ seed: nth, directories: ['/data'] });
        let count = 0;
        disk.faults = ({ name }) => (name === operation && ++count >= nth ? { errno } : undefined);
        const outcome = await codeOf(open(disk.life()) as Promise<Store<never, unknown>>);
        if (count < nth) break;
        if (outcome !== 'open') {
          rejected++;
          expect(outcome).toBe(errno === 'EIO' ? 'KEELSON_IO' : 'KEELSON_NO_SPACE');
        }
        disk.faults = undefined;
        const store = await open(disk.life());
        await store.put(new Uint8Array(1), nth);
        await store.close();
        expect((await verifyOn(disk.life(), DIRECTORY)).ok).toBe(true);
      }
    }
    expect(rejected).toBeGreaterThan(0);
  });
});
