// What a store must hold, whichever engine carries it. Run by store-fs.test.ts and store-simulated.test.ts.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type CheckpointEvent,
  type CustomValueEncoding,
  type Store,
  type Tuple,
  tuple,
} from '../../src/kv/index.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { type OpenProgress, resolveStoreOptions } from '../../src/kv/options.js';
import type { Storage } from '../../src/storage/index.js';
import { transactionContract } from './transaction-contract.js';

export interface StoreEnvironment {
  readonly storage: Storage;
  readonly directory: string;
  dispose(): Promise<void>;
}

export function storeContract(name: string, makeEnvironment: () => Promise<StoreEnvironment>): void {
  describe(`a store on ${name}`, () => {
    let environment: StoreEnvironment;
    let db: Store<string, unknown>;

    async function open<K = string, V = unknown>(
      options: object = {},
      journal: object = {},
    ): Promise<Store<K, V>> {
      const { storage, directory } = environment;
      const store = await openStoreOn(storage, directory, resolveStoreOptions(options), journal);
      return store as Store<K, V>;
    }

    async function reopen(options: object = {}): Promise<void> {
      await db.close();
      db = await open(options);
    }

    beforeEach(async () => {
      environment = await makeEnvironment();
      db = await open();
    });

    afterEach(async () => {
      await db.close();
      await environment.dispose();
    });

    describe('writes', () => {
      it('shows a put at once, without a wait', () => {
        db.put('a', { x: 1 });
        expect(db.get('a')).toEqual({ x: 1 });
        db.put('a', 2);
        expect(db.get('a')).toBe(2);
      });

      it('resolves a put with its LSN, the version of its entry', async () => {
        const lsn = await db.put('a', 1);
        expect(db.getEntry('a')).toEqual({ value: 1, version: lsn });
        expect(db.durableLsn).toBeGreaterThanOrEqual(lsn);
        expect(await db.put('b', 1)).toBeGreaterThan(lsn);
      });

      it('keeps every write over a reopening', async () => {
        await db.put('a', [1, 'two', null]);
        db.put('b', 2);
        db.delete('a');
        db.put('c', new Map([[1, 2n]]));
        const version = db.getEntry('c')?.version;
        await reopen();
        expect([...db.entries()]).toEqual([
          ['b', 2],
          ['c', new Map([[1, 2n]])],
        ]);
        expect(db.getEntry('c')?.version).toBe(version);
      });

      it('carries a thousand concurrent puts with a handful of commits', async () => {
        await db.put('first', 0);
        const before = db.stats().journal!.commits;
        await Promise.all(Array.from({ length: 1000 }, (_, i) => db.put(`k${i}`, i)));
        expect(db.stats().journal!.commits - before).toBeLessThanOrEqual(5);
      });

      it('gives a lone put a commit of its own', async () => {
        await db.put('first', 0);
        const before = db.stats().journal!.commits;
        await db.put('a', 1);
        await db.put('a', 2);
        expect(db.stats().journal!.commits - before).toBe(2);
      });

      it('deletes at once, and writes nothing for an absent key', async () => {
        await db.put('a', 1);
        const lsn = db.lastLsn;
        await db.delete('absent');
        expect(db.lastLsn).toBe(lsn);
        db.delete('a');
        expect(db.has('a')).toBe(false);
        expect(db.lastLsn).toBeGreaterThan(lsn);
      });

      it('resolves the delete of an absent key only when its absence is durable', async () => {
        await db.put('a', 1);
        db.delete('a');
        await db.delete('a');
        expect(db.durableLsn).toBe(db.lastLsn);
      });

      it('applies a batch in its order, as one write', async () => {
        await db.put('a', 0);
        const lsn = await db.batch([
          { type: 'put', key: 'a', value: 1 },
          { type: 'put', key: 'b', value: 2 },
          { type: 'delete', key: 'a' },
          { type: 'put', key: 'c', value: 3 },
          { type: 'clear', gte: 'c' },
          { type: 'put', key: 'd', value: 4 },
        ]);
        expect([...db.entries()]).toEqual([
          ['b', 2],
          ['d', 4],
        ]);
        expect([db.getEntry('b')?.version, db.getEntry('d')?.version]).toEqual([lsn, lsn]);
        await reopen();
        expect([...db.keys()]).toEqual(['b', 'd']);
      });

      it('changes nothing when any operation of a batch is wrong', async () => {
        await db.put('a', 0);
        const lsn = db.lastLsn;
        const wrong = [
          { type: 'put', key: 'a', value: 1 },
          { type: 'put', key: 7, value: 2 },
        ] as never;
        expect(() => db.batch(wrong)).toThrow(/operations\[1\]\.key: expected a string, got the number 7/);
        expect(db.get('a')).toBe(0);
        expect(db.lastLsn).toBe(lsn);
      });

      // A batch is written into its record while it is checked, and a value may be the caller's own code.
      it('takes writes that a value of a batch makes while it is encoded, before the batch', async () => {
        const meddling = new Proxy({ n: 1 } as { n: number }, {
          ownKeys(target) {
            db.put('inner', 'put');
            db.batch([
              { type: 'put', key: 'inner batch', value: 'x'.repeat(500) },
              { type: 'put', key: 'b', value: 'inner' },
            ]);
            return Reflect.ownKeys(target);
          },
        });
        const lsn = await db.batch([
          { type: 'put', key: 'a', value: 'before' },
          { type: 'put', key: 'b', value: meddling },
          { type: 'put', key: 'c', value: 'after' },
        ]);
        const expected = [
          ['a', 'before'],
          ['b', { n: 1 }],
          ['c', 'after'],
          ['inner', 'put'],
          ['inner batch', 'x'.repeat(500)],
        ];
        expect([...db.entries()]).toEqual(expected);
        expect(db.getEntry('b')?.version).toBe(lsn);
        expect(db.getEntry('inner batch')!.version).toBeLessThan(lsn);
        await reopen();
        expect([...db.entries()]).toEqual(expected);
      });

      it('refuses a batch with a hole in it by its place', () => {
        const holes = new Array(2) as never;
        expect(() => db.batch(holes)).toThrow(/operations\[0\]: expected an object/);
        expect(db.size).toBe(0);
      });

      it('writes nothing for an empty batch', async () => {
        await db.put('a', 1);
        const lsn = db.lastLsn;
        expect(await db.batch([])).toBe(lsn);
        expect(db.lastLsn).toBe(lsn);
      });

      it('clears a range, or everything, as one write', async () => {
        for (const key of ['a', 'b', 'c', 'd']) db.put(key, key);
        const lsn = db.lastLsn;
        await db.clear({ gt: 'a', lte: 'c' });
        expect([...db.keys()]).toEqual(['a', 'd']);
        db.clear();
        expect(db.size).toBe(0);
        expect(db.lastLsn).toBeGreaterThan(lsn);
        await reopen();
        expect(db.size).toBe(0);
      });

      it("answers a 'memory' put before it is durable, in the same order on disk", async () => {
        const lsn = await db.put('a', 1, { durability: 'memory' });
        expect(db.durableLsn).toBeLessThan(lsn);
        await db.flush(lsn);
        expect(db.durableLsn).toBeGreaterThanOrEqual(lsn);
      });

      it('makes everything durable by flush, and by flushSync without a wait', async () => {
        db.put('a', 1);
        expect(await db.flush()).toBe(db.lastLsn);
        db.put('b', 1);
        expect(db.flushSync()).toBe(db.lastLsn);
        expect(db.durableLsn).toBe(db.lastLsn);
      });

      it('resolves the promises that a blocking flush has covered', async () => {
        const promise = db.put('a', 1);
        db.flushSync();
        expect(await promise).toBe(db.lastLsn);
      });

      it('refuses a flush of the future', () => {
        expect(() => db.flush(db.lastLsn + 1)).toThrow(RangeError);
      });

      it('drains to the disk when unawaited writes reach maxUndurableBytes', async () => {
        await reopen({ maxUndurableBytes: 4096 });
        for (let i = 0; i < 500; i++) db.put(`k${i % 50}`, 'x'.repeat(100));
        const { blockingDrains, undurableBytes } = db.stats().journal!;
        expect(blockingDrains).toBeGreaterThan(10);
        expect(undurableBytes).toBeLessThanOrEqual(4096);
        await reopen();
        expect(db.size).toBe(50);
      });

      it('takes a value larger than maxUndurableBytes alone', async () => {
        await reopen({ maxUndurableBytes: 4096 });
        await db.put('large', 'x'.repeat(50_000));
        await reopen();
        expect(db.get('large')).toHaveLength(50_000);
      });
    });

    describe('what is handed out', () => {
      it('is never internal state', async () => {
        const value = { list: [1, 2] };
        db.put('a', value);
        value.list.push(3);
        const got = db.get('a') as typeof value;
        expect(got).toEqual({ list: [1, 2] });
        got.list.push(4);
        expect(db.get('a')).toEqual({ list: [1, 2] });
      });

      it('shares no memory with what was put or got, so that buffers may be used again', async () => {
        await db.close();
        await environment.dispose();
        environment = await makeEnvironment();
        const bytes = await open<Uint8Array, Uint8Array>({ keyEncoding: 'bytes', valueEncoding: 'bytes' });
        const key = Uint8Array.of(1, 255);
        const value = Uint8Array.of(7, 8);
        const written = bytes.put(key, value);
        key.fill(0);
        value.fill(0);
        await written;
        const got = bytes.get(Uint8Array.of(1, 255))!;
        expect([...got]).toEqual([7, 8]);
        got.fill(9);
        for (const each of bytes.keys()) each.fill(3);
        for (const each of bytes.values()) each.fill(3);
        expect([...bytes.get(Uint8Array.of(1, 255))!]).toEqual([7, 8]);
        await bytes.close();
        const again = await open<Uint8Array, Uint8Array>({ keyEncoding: 'bytes', valueEncoding: 'bytes' });
        expect([...again.entries()].map(([k, v]) => [[...k], [...v]])).toEqual([
          [
            [1, 255],
            [7, 8],
          ],
        ]);
        await again.close();
      });
    });

    describe('reads', () => {
      beforeEach(() => {
        for (const key of ['b', 'a', 'c/1', 'c/2', 'd', '\u{1F600}', '\uFFFF']) db.put(key, key);
      });

      it('iterates in code-unit order, by range, prefix, reverse and limit', () => {
        expect([...db.keys()]).toEqual(['a', 'b', 'c/1', 'c/2', 'd', '\u{1F600}', '\uFFFF']);
        expect([...db.keys({ gt: 'a', lt: 'c/2' })]).toEqual(['b', 'c/1']);
        expect([...db.keys({ prefix: 'c/' })]).toEqual(['c/1', 'c/2']);
        expect([...db.keys({ prefix: 'c/', reverse: true, limit: 1 })]).toEqual(['c/2']);
        expect([...db.values({ lte: 'b' })]).toEqual(['a', 'b']);
        expect([...db.entries({ gte: 'd', limit: 1 })]).toEqual([['d', 'd']]);
        expect(db.count({ gte: 'b', lte: 'd' })).toBe(4);
        expect(db.count()).toBe(7);
      });

      it('gives many at once, in the order asked for', () => {
        expect(db.getMany(['d', 'absent', 'a'])).toEqual(['d', undefined, 'a']);
      });

      it('gives the entries, versions and presence of many', async () => {
        const version = await db.put('b', 'again');
        expect(db.getEntryMany(['b', 'absent'])).toEqual([{ value: 'again', version }, undefined]);
        expect(db.hasMany(['absent', 'b'])).toEqual([false, true]);
        expect([...db.getEntries({ gte: 'b', limit: 1 })]).toEqual([{ key: 'b', value: 'again', version }]);
      });

      it('knows places: ranks, the keys at them, and offsets', async () => {
        const expectPlaces = () => {
          expect(['', 'a', 'c', 'd', '\uFFFF\uFFFF'].map((key) => db.rank(key))).toEqual([0, 0, 2, 4, 7]);
          expect([0, 4, -1, -7].map((at) => db.nth(at)?.[0])).toEqual(['a', 'd', '\uFFFF', 'a']);
          expect([db.nth(7), db.nth(-8)]).toEqual([undefined, undefined]);
          expect([...db.keys({ offset: 5 })]).toEqual(['\u{1F600}', '\uFFFF']);
          expect([...db.keys({ lt: 'd', reverse: true, offset: 1, limit: 2 })]).toEqual(['c/1', 'b']);
        };
        expectPlaces();
        await db.checkpoint();
        await reopen();
        expectPlaces();
      });

      it('shows an iteration the view of its call', () => {
        const keys = db.keys();
        db.put('aa', 1);
        db.delete('b');
        expect([...keys]).not.toContain('aa');
        expect([...db.keys()]).toContain('aa');
      });

      // An iteration that close() cut short ended as if there was no more: an export was short of keys, and said nothing.
      it('breaks off an iteration that the end of the store or of its snapshot cuts short', async () => {
        const names = ['entries', 'keys', 'values', 'getEntries'] as const;
        const iterationsOf = (reads: Pick<typeof db, (typeof names)[number]>): Iterator<unknown>[] => [
          ...names.map((name) => reads[name]()),
          ...names.map((name) => reads[name]({ reverse: true, gt: 'a' })),
        ];
        const closed = expect.objectContaining({ code: 'KEELSON_CLOSED' });
        const snapshot = db.snapshot();
        const ofSnapshot = iterationsOf(snapshot);
        const cut = [...iterationsOf(db), ...iterationsOf(db.snapshot())];
        for (const iteration of [...ofSnapshot, ...cut]) expect(iteration.next().done).toBe(false);
        snapshot.close();
        for (const iteration of ofSnapshot) expect(() => iteration.next()).toThrow(closed);
        for (const iteration of cut) expect(iteration.next().done).toBe(false);
        const untouched = db.keys();
        const whole = db.keys({ limit: 2 });
        for (let step = 0; step < 2; step++) expect(whole.next().done).toBe(false);
        await db.close();
        for (const iteration of [...cut, untouched]) expect(() => iteration.next()).toThrow(closed);
        expect(() =>
          [...ofSnapshot, ...cut, untouched].map((iteration) => iteration.next().done),
        ).not.toThrow();
        // All that it was asked for has been handed out: that it ends is the truth.
        expect(whole.next().done).toBe(true);
      });

      it('ends an iteration that is disposed of', () => {
        const keys = db.keys();
        expect(keys.next().value).toBe('a');
        keys[Symbol.dispose]();
        expect(keys.next().done).toBe(true);
      });

      it('keeps a snapshot as it was, however the store goes on', () => {
        const snapshot = db.snapshot();
        const { lsn } = snapshot;
        db.clear();
        db.put('new', 1);
        expect(snapshot.size).toBe(7);
        expect(snapshot.get('a')).toBe('a');
        expect(snapshot.has('new')).toBe(false);
        expect([...snapshot.keys({ prefix: 'c' })]).toEqual(['c/1', 'c/2']);
        expect(snapshot.lsn).toBe(lsn);
        snapshot[Symbol.dispose]();
        expect(() => snapshot.get('a')).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
      });
    });

    describe('tuple keys', () => {
      let tuples: Store<Tuple, unknown>;

      beforeEach(async () => {
        await db.close();
        await environment.dispose();
        environment = await makeEnvironment();
        tuples = await open<Tuple>({ keyEncoding: 'tuple' });
      });

      afterEach(async () => {
        await tuples.close();
      });

      async function reopenTuples(): Promise<void> {
        await tuples.close();
        tuples = await open<Tuple>({ keyEncoding: tuple() });
      }

      const KEYS: readonly Tuple[] = [
        [],
        [null],
        [true, 1],
        [Number.NEGATIVE_INFINITY],
        [-1.5],
        [7],
        [10],
        [7n],
        ['user'],
        ['user', 7],
        ['user', 7, 'a'],
        ['user', 7, 'a\0b'],
        ['user', 10, ['nested', -(2n ** 70n)]],
        ['user\0'],
        ['userx'],
        ['ü€😀'],
        [Uint8Array.of(0, 255)],
        [[], 1],
      ];

      function putAll(): void {
        for (const [at, key] of KEYS.toReversed().entries()) tuples.put(key, at);
      }

      it('come back in their order, from the log and from an image', async () => {
        putAll();
        expect([...tuples.keys()]).toEqual(KEYS);
        await reopenTuples();
        expect([...tuples.keys()]).toEqual(KEYS);
        await tuples.checkpoint();
        await tuples.put(['behind the image'], 1);
        await reopenTuples();
        expect(tuples.recovery.recordsReplayed).toBe(1);
        expect([...tuples.keys()].filter(([part]) => part !== 'behind the image')).toEqual(KEYS);
        for (const [at, key] of KEYS.toReversed().entries()) expect(tuples.get(key)).toBe(at);
        expect([...tuples.keys({ reverse: true, limit: 2 })]).toEqual([[[], 1], [Uint8Array.of(0, 255)]]);
      });

      it('are in a range by their parts', async () => {
        putAll();
        const user7 = [
          ['user', 7],
          ['user', 7, 'a'],
          ['user', 7, 'a\0b'],
        ];
        expect([...tuples.keys({ prefix: ['user', 7] })]).toEqual(user7);
        expect([...tuples.keys({ prefix: ['user', 7], gt: ['user', 7] })]).toEqual(user7.slice(1));
        expect([...tuples.keys({ gte: ['user'], lte: ['user', 7] })]).toEqual([['user'], ['user', 7]]);
        expect(tuples.count({ prefix: ['user'] })).toBe(5);
        expect(tuples.count({ prefix: [] })).toBe(KEYS.length);
      });

      it('are cleared by a prefix, which the log keeps', async () => {
        putAll();
        await tuples.clear({ prefix: ['user'] });
        const left = KEYS.filter(([part]) => part !== 'user');
        expect([...tuples.keys()]).toEqual(left);
        await reopenTuples();
        expect([...tuples.keys()]).toEqual(left);
        await tuples.batch([
          { type: 'put', key: ['user', 1], value: 1 },
          { type: 'clear', prefix: ['user'] },
          { type: 'put', key: ['user', 2], value: 2 },
        ]);
        await reopenTuples();
        expect([...tuples.entries({ prefix: ['user'] })]).toEqual([[['user', 2], 2]]);
      });

      it('may run code that writes and reads, before their own write', async () => {
        const meddling = (part: string): Tuple =>
          new Proxy([part, 1], {
            get(target, name, receiver) {
              if (name === '0') {
                tuples.put(['inner', part], tuples.size);
                tuples.delete(['absent', part]);
              }
              return Reflect.get(target, name, receiver);
            },
          });
        tuples.put(meddling('put'), 'put');
        tuples.batch([
          { type: 'put', key: ['first'], value: 1 },
          { type: 'put', key: meddling('batch'), value: 'batch' },
          { type: 'clear', prefix: meddling('clear') },
        ]);
        expect(tuples.get(meddling('put'))).toBe('put');
        const expected = [
          [['batch', 1], 'batch'],
          [['first'], 1],
          [['inner', 'batch'], 2],
          [['inner', 'clear'], 3],
          [['inner', 'put'], 6],
          [['put', 1], 'put'],
        ];
        expect([...tuples.entries()]).toEqual(expected);
        await reopenTuples();
        expect([...tuples.entries()]).toEqual(expected);
      });

      it('are refused with nothing changed, by the place of their part', async () => {
        await tuples.put(['a'], 1);
        const { lastLsn } = tuples;
        const wrong = [
          { type: 'put', key: ['a'], value: 2 },
          { type: 'put', key: ['a', undefined], value: 3 },
        ] as never;
        expect(() => tuples.batch(wrong)).toThrow(
          /^operations\[1\]\.key\[1\]: expected null, .* got undefined\./,
        );
        expect(() => tuples.get('a' as never)).toThrow(/^key: expected an array, .* got the string "a"\./);
        expect(() => tuples.getMany([['a'], [Number.NaN]])).toThrow(/^keys\[1\]\[0\]: expected a number /);
        expect(() => tuples.clear({ prefix: [{}] as never })).toThrow(/^range\.prefix\[0\]: expected null, /);
        expect([...tuples.entries()]).toEqual([[['a'], 1]]);
        expect(tuples.lastLsn).toBe(lastLsn);
      });

      it('are no keys of a store with other ones', async () => {
        await tuples.close();
        await expect(open()).rejects.toMatchObject({
          code: 'KEELSON_ENCODING_MISMATCH',
          message: expect.stringMatching(/Open it with keyEncoding: 'tuple' and valueEncoding: 'msgpack'$/),
        });
      });
    });

    transactionContract(
      () => db,
      () => reopen(),
    );

    describe('checkpoints', () => {
      it('open from their image and replay only what came after', async () => {
        for (let i = 0; i < 300; i++) db.put(`k${i}`, { i });
        db.delete('k7');
        const result = await db.checkpoint();
        expect(result).toMatchObject({ lsn: db.lastLsn, entries: 299 });
        const version = db.getEntry('k8')?.version;
        await db.put('after', 1);
        await reopen();
        expect(db.recovery).toMatchObject({ kind: 'clean', imageLsn: result.lsn, recordsReplayed: 1 });
        expect(db.size).toBe(300);
        expect(db.getEntry('k8')).toEqual({ value: { i: 8 }, version });
      });

      it('retire older images and segments', async () => {
        for (let round = 0; round < 3; round++) {
          await db.put('a', round);
          await db.checkpoint();
        }
        const names = await environment.storage.list(environment.directory);
        expect(names.filter((name) => name.endsWith('.image'))).toHaveLength(1);
        expect(names.filter((name) => name.endsWith('.journal'))).toHaveLength(1);
      });

      it('write nothing when nothing was written since', async () => {
        await db.put('a', 1);
        await db.checkpoint();
        expect(await db.checkpoint()).toMatchObject({ bytesWritten: 0 });
        await reopen();
        expect(await db.checkpoint()).toMatchObject({ bytesWritten: 0, lsn: db.lastLsn });
      });

      it('run one after the other, and each is true', async () => {
        db.put('a', 1);
        const first = db.checkpoint();
        db.put('b', 2);
        const second = db.checkpoint();
        const [{ entries: one }, { entries: two }] = await Promise.all([first, second]);
        expect(one).toBeLessThanOrEqual(two);
        expect(two).toBe(2);
      });

      it('of an empty store keep it empty', async () => {
        await db.checkpoint();
        await db.put('a', 1);
        await db.clear();
        await db.checkpoint();
        await reopen();
        expect(db.size).toBe(0);
        expect(db.lastLsn).toBeGreaterThan(0);
      });

      it('are told to listeners, from their start to their end', async () => {
        const told: CheckpointEvent[] = [];
        db.on('checkpoint', (event) => told.push(event));
        await db.put('a', 1);
        const result = await db.checkpoint();
        await new Promise((resolve) => setImmediate(resolve));
        expect(told[0]).toEqual({ type: 'started', lsn: result.lsn, entries: 1, isAutomatic: false });
        expect(told.at(-1)).toEqual({ type: 'completed', ...result });
        expect(told.slice(1, -1).every(({ type }) => type === 'progress')).toBe(true);
      });

      it('are aborted by a close, which waits for them', async () => {
        for (let i = 0; i < 3000; i++) db.put(`k${i}`, 'x'.repeat(400));
        const checkpoint = db.checkpoint();
        const aborted = expect(checkpoint).rejects.toMatchObject({
          code: expect.stringMatching(/KEELSON_ABORTED|KEELSON_CLOSED/),
        });
        await db.close();
        await aborted;
        db = await open();
        expect(db.size).toBe(3000);
        const names = await environment.storage.list(environment.directory);
        expect(names.filter((name) => name.includes('.tmp'))).toEqual([]);
      });
    });

    describe('closing', () => {
      it('makes accepted writes durable', async () => {
        db.put('a', 1);
        await db.close();
        db = await open();
        expect(db.get('a')).toBe(1);
        expect(db.recovery).toMatchObject({ kind: 'clean', tornBytes: 0 });
      });

      it('is idempotent, and later calls are KEELSON_CLOSED', async () => {
        await Promise.all([db.close(), db.close()]);
        const closed = expect.objectContaining({ code: 'KEELSON_CLOSED' });
        expect(() => db.get('a')).toThrow(closed);
        expect(() => db.put('a', 1)).toThrow(closed);
        expect(() => db.entries()).toThrow(closed);
        expect(() => db.flush()).toThrow(closed);
        expect(() => db.checkpoint()).toThrow(closed);
        expect(() => db.snapshot()).toThrow(closed);
      });

      it('gives the lock back, and an open store keeps it', async () => {
        await expect(open()).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
        await db.close();
        db = await open();
        expect(db.size).toBe(0);
      });
    });

    describe('opening', () => {
      it('reads a store read-only beside its owner, and writes nothing', async () => {
        await db.put('a', 1);
        await db.checkpoint();
        await db.put('b', 2);
        const before = (await environment.storage.list(environment.directory)).sort();
        const reader = await open({ readOnly: true });
        expect([...reader.entries()]).toEqual([
          ['a', 1],
          ['b', 2],
        ]);
        expect(() => reader.put('c', 3)).toThrow(expect.objectContaining({ code: 'KEELSON_READ_ONLY' }));
        await db.put('c', 3);
        expect(reader.has('c')).toBe(false);
        await reader.close();
        expect((await environment.storage.list(environment.directory)).sort()).toEqual(before);
      });

      it('leaves no further segment behind when nothing is written', async () => {
        for (let round = 0; round < 3; round++) {
          await reopen();
          const names = await environment.storage.list(environment.directory);
          expect(names.filter((name) => !/^(LOCK|LIVE)\./.test(name))).toEqual(['000000000001.journal']);
        }
      });

      // A store without a write was none: it opened as another one, with other encodings, and `create: false` found nothing.
      it('makes a store that is there, whether or not anything is written to it', async () => {
        expect([db.lastLsn > 0, db.durableLsn, db.size]).toEqual([true, db.lastLsn, 0]);
        const born = db.lastLsn;
        for (let round = 0; round < 2; round++) {
          await db.close();
          await expect(open({ errorIfExists: true })).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
          const mismatch = { code: 'KEELSON_ENCODING_MISMATCH' };
          await expect(open({ valueEncoding: 'json' })).rejects.toMatchObject(mismatch);
          await expect(open({ keyEncoding: 'bytes', readOnly: true })).rejects.toMatchObject(mismatch);
          const reader = await open({ readOnly: true });
          expect([reader.size, reader.lastLsn]).toEqual([0, born]);
          await reader.close();
          db = await open({ create: false });
          expect([db.recovery.kind, db.lastLsn, db.size]).toEqual(['clean', born, 0]);
        }
      });

      it('does not block for a segment, nor does the first write', async () => {
        await db.put('a', 1);
        expect(db.stats().journal!.blockingPreparations).toBe(0);
      });

      it('refuses other encodings than the store was made with, before and after a checkpoint', async () => {
        await db.put('a', 'text');
        for (let round = 0; round < 2; round++) {
          await db.close();
          const mismatch = { code: 'KEELSON_ENCODING_MISMATCH' };
          await expect(open({ valueEncoding: 'json' })).rejects.toMatchObject(mismatch);
          await expect(open({ keyEncoding: 'bytes' })).rejects.toMatchObject(mismatch);
          db = await open();
          expect(db.get('a')).toBe('text');
          await db.checkpoint();
        }
      });

      it('takes an encoding of the caller, by its name', async () => {
        await db.close();
        await environment.dispose();
        environment = await makeEnvironment();
        const upper = (name: string): CustomValueEncoding<string> => ({
          name,
          encode: (value) => Buffer.from(value.toUpperCase()),
          decode: (bytes) => Buffer.from(bytes).toString(),
        });
        const custom = await open<string, string>({ valueEncoding: upper('upper') });
        await custom.put('a', 'loud');
        expect(custom.get('a')).toBe('LOUD');
        await custom.close();
        const mismatch = { code: 'KEELSON_ENCODING_MISMATCH' };
        await expect(open({ valueEncoding: upper('other') })).rejects.toMatchObject(mismatch);
        db = await open({ valueEncoding: upper('upper') });
        expect(db.get('a')).toBe('LOUD');
      });

      it('says so where a store must be there, or must not', async () => {
        await db.put('a', 1);
        await db.close();
        await expect(open({ errorIfExists: true })).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
        db = await open({ create: false });
        expect(db.get('a')).toBe(1);
        const { storage, directory } = environment;
        const missing = openStoreOn(storage, `${directory}-missing`, resolveStoreOptions({ create: false }));
        await expect(missing).rejects.toMatchObject({ code: 'KEELSON_NOT_FOUND' });
        expect(await storage.kind(`${directory}-missing`)).toBe('absent');
      });

      it('tells a long open how far it is', async () => {
        for (let i = 0; i < 10; i++) db.put(`k${i}`, i);
        await db.checkpoint();
        const told: OpenProgress[] = [];
        await reopen({ onProgress: (progress: OpenProgress) => told.push(progress) });
        expect(told[0]).toEqual({ phase: 'image', done: 10, total: 10 });
        const last = told.at(-1)!;
        expect(last).toEqual({ phase: 'scan', done: last.total, total: last.total });
        expect(last.total).toBeGreaterThan(0);
      });
    });
  });
}
