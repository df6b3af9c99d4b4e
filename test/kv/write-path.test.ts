// The write path: a write changes log and entries together, is told when both have it, and leaves nothing behind. And
// writes that are in a log or an image already: replay, and a damaged image over older entries.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KeelsonError, NoMemory } from '../../src/errors.js';
import type { Lsn } from '../../src/journal/index.js';
import type { RecordMemory, StoreLog } from '../../src/journal/internal.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec } from '../../src/kv/encoding/key-encoding.js';
import type { ValueCodec } from '../../src/kv/encoding/value-encoding.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { type EntryHandle, NoSlabMemory } from '../../src/kv/entries/slab.js';
import { type Space, SpaceDefinition } from '../../src/kv/entries/space.js';
import { ImageExamination } from '../../src/kv/repair/image-examination.js';
import { overlayImage } from '../../src/kv/repair/image-overlay.js';
import { LostSpaces } from '../../src/kv/repair/lost-spaces.js';
import { applyWrites, QueuedPuts, Replay, stage } from '../../src/kv/write/change-entries.js';
import { FunctionGuard } from '../../src/kv/write/function-guard.js';
import { PostingMaker } from '../../src/kv/write/index-postings.js';
import { readWriteSet } from '../../src/kv/write/record-reader.js';
import { WritePath } from '../../src/kv/write/write-path.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX, type Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { BYTES_VALUES } from './encoded.js';
import { blockStarts, endBlock, entriesBlock, imageOf, tableBlock } from './image-tools.js';
import { addSpace, contentOf, newSchema, type PlainEntry, plainSpaces, putEntry } from './schema-tools.js';

/** A frame, as a journal has it. */
const FRAME_BYTES = 12;
/** A record above the size up to which a write is linked at once. */
const LARGE = new Uint8Array(40_000);
/** Definitions are repeated after this much log. */
const EPOCH_BYTES = 256 * 1024;

/** A log in memory, and what is to happen in its calls. */
class MemoryLog {
  readonly records: Uint8Array[] = [];
  nextLsn = 0 as Lsn;
  poisoned: KeelsonError | null = null;
  onCall: (call: 'ensureRoom' | 'claim' | 'submitAtOnce' | 'prepareAhead') => void = () => {};

  ensureRoom(): void {
    this.onCall('ensureRoom');
  }

  claim({ bytes, at }: RecordMemory): Lsn {
    this.onCall('claim');
    this.records.push(bytes.slice(0, at));
    this.nextLsn = (this.nextLsn + FRAME_BYTES + at) as Lsn;
    return this.nextLsn;
  }

  submitAtOnce(): void {
    this.onCall('submitAtOnce');
  }

  prepareAhead(): void {
    this.onCall('prepareAhead');
  }

  get last(): Uint8Array {
    return this.records.at(-1)!;
  }
}

interface World {
  readonly log: MemoryLog;
  readonly schema: Schema;
  readonly root: Space;
  readonly path: WritePath;
}

function newWorld(valueEncodingName = 'bytes', parts: Partial<Parameters<typeof pathOf>[2]> = {}): World {
  const log = new MemoryLog();
  const schema = newSchema(undefined, valueEncodingName);
  return { log, schema, root: schema.root, path: pathOf(log, schema, parts) };
}

function pathOf(
  log: MemoryLog,
  schema: Schema,
  parts: { assertWritable?: () => void; onNoSpace?: () => void },
): WritePath {
  return new WritePath({
    log: log as unknown as StoreLog,
    schema,
    postings: new PostingMaker(new FunctionGuard()),
    assertWritable: () => {},
    onNoSpace: () => {},
    ...parts,
  });
}

/** One write, as the store does it. */
function write(path: WritePath, fill: (writes: WriteSet) => void): Lsn {
  const writes = path.take();
  try {
    fill(writes);
    return path.commit(writes);
  } finally {
    path.giveBack(writes);
  }
}

function put(path: WritePath, space: Space, key: string, value = Uint8Array.of(1)): Lsn {
  return write(path, (writes) => writes.put(space, key, BYTES_VALUES, value, 'value'));
}

function putTwo(writes: WriteSet, space: Space, keys: readonly string[]): void {
  for (const key of keys) writes.put(space, key, BYTES_VALUES, Uint8Array.of(1), 'value');
}

/** Puts so much that slabs have their largest size from then on. */
function putMuch(path: WritePath, space: Space): void {
  for (let at = 0; at < 30; at++) put(path, space, `much ${at}`, new Uint8Array(50_000));
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** What can be seen from inside a commit, where nobody else looks. */
const sees = ({ schema, root }: World, key: string) => ({
  isInside: schema.links.guard.isInside,
  isThere: root.entries.has(key),
});

/** The most puts that wait to be linked. */
const QUEUED_PUTS_MAX = 1024;

describe('a single put', () => {
  test('is staged and in the log when the call returns, and linked at the next look', () => {
    const { log, path, root, schema } = newWorld();
    const seen: unknown[] = [];
    const { link, stage } = root.entries;
    root.entries.stage = (...args) => {
      seen.push(['stage', log.records.length, schema.links.guard.isInside]);
      return stage.apply(root.entries, args);
    };
    root.entries.link = (...args) => {
      seen.push(['link', args[0], args[1], schema.links.guard.isInside]);
      return link.apply(root.entries, args);
    };
    const lsn = put(path, root, 'a');
    const second = put(path, root, 'b');
    expect(seen).toEqual([
      ['stage', 0, true],
      ['stage', 1, true],
    ]);
    expect([schema.links.isDue, log.records.length]).toEqual([true, 2]);
    expect(root.entries.has('b')).toBe(true);
    expect(seen.slice(2)).toEqual([
      ['link', 'a', lsn, true],
      ['link', 'b', second, true],
    ]);
    expect([schema.links.isDue, root.lastLsn]).toEqual([false, second]);
  });

  test('waits with others, and the last one of a key counts', () => {
    const { path, root } = newWorld();
    for (const [key, byte] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ] as const)
      put(path, root, key, Uint8Array.of(byte));
    expect(contentOf(root.entries).map(([key, , value]) => [key, value])).toEqual([
      ['a', '\x03'],
      ['b', '\x02'],
    ]);
    root.entries.checkValid();
  });

  // A stop right before the queue is linked leaves a full queue. If it counted as full at exactly its limit, it would grow
  // for ever.
  test('that comes to a full queue finds it full', () => {
    const { schema } = newWorld();
    const queue = new QueuedPuts(schema, false);
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    writes.begin();
    writes.put(schema.root, 'a', BYTES_VALUES, Uint8Array.of(1), 'value');
    writes.finish();
    stage(writes);
    for (let count = 1; count < QUEUED_PUTS_MAX; count++) queue.add(writes, count);
    expect(queue.isFull).toBe(false);
    for (let more = 0; more < 2; more++) {
      queue.add(writes, QUEUED_PUTS_MAX + more);
      expect(queue.isFull).toBe(true);
    }
  });

  // A read-only open tried again after an owner had retired a segment. The puts that the first try had queued were linked
  // into spaces that were gone, and those of the second were never linked, or after later deletes.
  test.each([0, 1])(
    'is replayed in order after a replay that failed with puts in its queue, %i more',
    (more) => {
      const { schema } = newWorld();
      const writes = new WriteSet(RECORD_BYTES_MAX, schema);
      const applied = (replay: Replay, lsn: number, fill: () => void) => {
        writes.begin();
        fill();
        writes.finish();
        replay.apply(writes, lsn);
      };
      const put = (replay: Replay, lsn: number, key: string) =>
        applied(replay, lsn, () => writes.put(schema.root, key, BYTES_VALUES, Uint8Array.of(lsn), 'value'));
      const failed = new Replay(schema);
      for (let lsn = 1; lsn <= 1 + more; lsn++) put(failed, lsn, 'of the first try');
      schema.reset(schema.root);
      const replay = new Replay(schema);
      put(replay, 1, 'a');
      put(replay, 2, 'b');
      applied(replay, 3, () => writes.delete(schema.root, 'a'));
      put(replay, 4, 'c');
      schema.links.run();
      expect(contentOf(schema.root.entries).map(([key, version]) => [key, version])).toEqual([
        ['b', 2],
        ['c', 4],
      ]);
    },
  );

  test('is shown to observers as a whole, with its LSN', () => {
    const { path, root } = newWorld();
    const seen: unknown[] = [];
    path.observe({
      committed: (lsn, { count, keys, spaces, bytes, valueStarts, valueEnds }) =>
        seen.push([lsn, count, keys[0], spaces[0] === root, [...bytes.slice(valueStarts[0], valueEnds[0])]]),
    });
    const lsns = ['a', 'b'].map((key, at) => put(path, root, key, Uint8Array.of(at, 9)));
    expect(seen).toEqual([
      [lsns[0], 1, 'a', true, [0, 9]],
      [lsns[1], 1, 'b', true, [1, 9]],
    ]);
  });

  test('is not shown to an observer that has ended', () => {
    const { path, root } = newWorld();
    const seen: unknown[] = [];
    const ends = ['a', 'b'].map((name) =>
      path.observe({
        committed: () => {
          seen.push(name);
          if (name === 'a') ends[0]!();
        },
        foresee: () => seen.push(`${name} foresees`),
      }),
    );
    put(path, root, 'k');
    put(path, root, 'k');
    ends[1]!();
    put(path, root, 'k');
    expect(seen).toEqual(['a foresees', 'b foresees', 'a', 'b', 'b foresees', 'b']);
  });

  test('is foreseen over the entries before it, also when others are queued', () => {
    const { path, root } = newWorld();
    const seen: unknown[] = [];
    path.observe({
      foresee: ({ keys }) => seen.push([keys[0], root.entries.has(keys[0]!)]),
      committed: (lsn) => seen.push(lsn),
    });
    const lsns = [put(path, root, 'a'), put(path, root, 'a'), put(path, root, 'b')];
    const deleted = write(path, (writes) => writes.delete(root, 'b'));
    expect(seen).toEqual([
      ['a', false],
      lsns[0],
      ['a', true],
      lsns[1],
      ['b', false],
      lsns[2],
      ['b', true],
      deleted,
    ]);
  });

  test('is linked together with those before it when so many wait', () => {
    const { path, root, schema } = newWorld();
    for (let number = 1; number < QUEUED_PUTS_MAX; number++) put(path, root, `key ${number}`);
    expect(schema.links.isDue).toBe(true);
    put(path, root, 'the last');
    expect(schema.links.isDue).toBe(false);
    expect(root.entries.size).toBe(QUEUED_PUTS_MAX);
  });

  test('is linked before any other write, and before a put into another space is queued with it', () => {
    const { path, root, schema } = newWorld();
    const other = addSpace(schema, 1, 'other');
    put(path, root, 'a');
    put(path, other, 'a');
    expect(schema.links.isDue).toBe(true);
    write(path, (writes) => writes.clear(root, ALL_KEYS));
    expect(schema.links.isDue).toBe(false);
    put(path, root, 'b');
    write(path, (writes) => writes.delete(root, 'b'));
    put(path, root, 'c');
    put(path, root, 'd', LARGE);
    expect(contentOf(root.entries).map(([key]) => key)).toEqual(['c', 'd']);
    expect(other.entries.size).toBe(1);
  });

  test('is linked while the disk works, and a failure there throws nothing and is told', () => {
    const stops: unknown[] = [];
    const { path, root, schema } = newWorld();
    schema.links.onStopped = (cause) => stops.push(cause);
    put(path, root, 'a');
    schema.links.guard.enter();
    schema.links.runBehindSubmit();
    schema.links.guard.leave();
    expect(schema.links.isDue).toBe(true);
    schema.links.runBehindSubmit();
    expect([schema.links.isDue, root.entries.size]).toEqual([false, 1]);
    const cause = new Error('stopped');
    root.entries.link = () => {
      throw cause;
    };
    put(path, root, 'b');
    schema.links.runBehindSubmit();
    expect(stops).toEqual([cause]);
    expect(() => put(path, root, 'c')).toThrow(expect.objectContaining({ code: 'KEELSON_INTERRUPTED' }));
  });
});

describe('a commit', () => {
  test('is claimed and linked inside of the guard, in this order, and is told of outside', () => {
    const world = newWorld();
    const { log, path, root } = world;
    const seen: unknown[] = [];
    const { link, stage } = root.entries;
    root.entries.stage = (...args) => {
      seen.push(['stage', log.records.length, sees(world, 'a').isInside]);
      return stage.apply(root.entries, args);
    };
    root.entries.link = (...args) => {
      seen.push(['link', log.records.length, sees(world, 'a').isInside]);
      return link.apply(root.entries, args);
    };
    log.onCall = (call) => seen.push([call, sees(world, 'a')]);
    path.observe({ committed: (lsn) => seen.push(['told', lsn, sees(world, 'a')]) });
    const lsn = write(path, (writes) => {
      writes.put(root, 'a', BYTES_VALUES, Uint8Array.of(1), 'value');
      writes.delete(root, 'b');
    });
    const [outside, inside] = [false, true].map((isInside) => ({ isInside, isThere: false }));
    const linked = { isInside: false, isThere: true };
    expect(seen).toEqual([
      ['ensureRoom', outside],
      ['stage', 0, true],
      ['claim', inside],
      ['link', 1, true],
      ['prepareAhead', linked],
      ['told', lsn, linked],
    ]);
    expect(contentOf(root.entries)).toEqual([['a', lsn, '\x01']]);
  });

  test('of a large record goes to the disk before it is linked, and is linked when the call returns', () => {
    const world = newWorld();
    const { log, path, root, schema } = world;
    const seen: unknown[] = [];
    log.onCall = (call) => seen.push([call, schema.links.isDue]);
    path.observe({ committed: () => seen.push(['told', schema.links.isDue]) });
    put(path, root, 'a', LARGE);
    expect(seen).toEqual([
      ['ensureRoom', false],
      ['claim', false],
      ['submitAtOnce', true],
      ['prepareAhead', false],
      ['told', false],
    ]);
    expect(root.entries.has('a')).toBe(true);
  });

  test('of a large record into a store of some size is staged when it is on its way to the disk', () => {
    const { log, path, root } = newWorld();
    putMuch(path, root);
    const seen: string[] = [];
    const { stage } = root.entries;
    root.entries.stage = (...args) => {
      seen.push('stage');
      return stage.apply(root.entries, args);
    };
    log.onCall = (call) => seen.push(call);
    const calls = (fill: (writes: WriteSet) => void): string[] => {
      seen.length = 0;
      write(path, fill);
      return [...new Set(seen)];
    };
    const putMany = (bytes: number) => (writes: WriteSet) => {
      for (let at = 0; at < 50; at++)
        writes.put(root, `key ${at}`, BYTES_VALUES, new Uint8Array(bytes).fill(at), 'value');
    };
    expect(calls(putMany(1000))).toEqual(['ensureRoom', 'claim', 'submitAtOnce', 'stage', 'prepareAhead']);
    // So much does not fit into one slab, and a value of 200,000 bytes has one of its own.
    const eager = ['ensureRoom', 'stage', 'claim', 'submitAtOnce', 'prepareAhead'];
    expect(calls(putMany(30_000))).toEqual(eager);
    expect(calls((writes) => writes.put(root, 'a', BYTES_VALUES, new Uint8Array(200_000), 'value'))).toEqual(
      eager,
    );
    expect(calls(putMany(10))).toEqual(['ensureRoom', 'stage', 'claim', 'prepareAhead']);
    expect(contentOf(root.entries).find(([key]) => key === 'key 49')?.[2]).toBe('1'.repeat(10));
    root.entries.checkValid();
  });

  test.each([0, 1_500_000])(
    'of a large record is whole to whoever looks while it goes to the disk, in a store of %i bytes',
    (bytes) => {
      const world = newWorld();
      const { log, path, schema, root } = world;
      if (bytes > 0) putMuch(path, root);
      const looks: readonly (() => unknown)[] = [
        () => root.entries.has('a'),
        () => root.entries.size === 2,
        () => root.entries.count(ALL_KEYS) === 2,
        () => schema.wholeView(log.nextLsn).size === 2,
        () => schema.view(log.nextLsn).in(root)!.size === 2,
        () => contentOf(root.entries).length === 2,
      ];
      for (const look of looks) {
        write(path, (writes) => writes.clear(root, ALL_KEYS));
        let seen: unknown = null;
        log.onCall = (call) => {
          if (call === 'submitAtOnce') seen = look();
        };
        write(path, (writes) => {
          for (const key of ['a', 'b']) writes.put(root, key, BYTES_VALUES, LARGE, 'value');
        });
        log.onCall = () => {};
        expect(seen).toBe(true);
      }
      root.entries.checkValid();
    },
  );

  test('within another one, while that goes to the disk, comes behind it', () => {
    const { log, path, root } = newWorld();
    log.onCall = (call) => {
      if (call !== 'submitAtOnce') return;
      log.onCall = () => {};
      put(path, root, 'a', Uint8Array.of(2));
    };
    put(path, root, 'a', LARGE);
    expect(contentOf(root.entries)).toEqual([['a', log.nextLsn, '\x02']]);
    expect(log.records.map(({ length }) => length > LARGE.length)).toEqual([true, false]);
    root.entries.checkValid();
  });

  test('whose encoder, or a hook, writes as well does not lose its own', () => {
    const { log, path, root } = newWorld();
    const nesting: ValueCodec<Uint8Array> = {
      ...BYTES_VALUES,
      encode: (value, argument, out) => {
        put(path, root, 'from an encoder', Uint8Array.of(7));
        BYTES_VALUES.encode(value, argument, out);
      },
    };
    log.onCall = (call) => {
      if (call !== 'ensureRoom' || log.records.length !== 1) return;
      log.onCall = () => {};
      put(path, root, 'from a hook', Uint8Array.of(8));
    };
    const lsn = write(path, (writes) => {
      writes.put(root, 'a', BYTES_VALUES, Uint8Array.of(1), 'value');
      writes.put(root, 'b', nesting, Uint8Array.of(2), 'value');
    });
    expect(contentOf(root.entries).map(([key, , value]) => [key, value])).toEqual([
      ['a', '\x01'],
      ['b', '\x02'],
      ['from a hook', '\x08'],
      ['from an encoder', '\x07'],
    ]);
    expect([log.records.length, log.nextLsn]).toEqual([3, lsn]);
  });

  test('that removes an expired entry is refused when a hook has written the key meanwhile', () => {
    // The removal would delete the new entry, which is acknowledged.
    const { log, path, root, schema } = newWorld();
    const expire = () => write(path, (writes) => writes.expire(root, 'a'));
    write(path, (writes) => writes.put(root, 'a', BYTES_VALUES, Uint8Array.of(1), 'value', 10));
    schema.expiry.look(root, 20);
    log.onCall = (call) => {
      if (call !== 'ensureRoom') return;
      log.onCall = () => {};
      put(path, root, 'a', Uint8Array.of(9));
    };
    expect(thrownBy(expire)).toBeInstanceOf(TypeError);
    expect(contentOf(root.entries).map(([key, , value]) => [key, value])).toEqual([['a', '\x09']]);
    expect(log.records.length).toBe(2);
  });

  test('is refused when hooks have closed the store meanwhile, with nothing changed and nobody told', () => {
    const refusal = new Error('closed');
    let isClosed = false;
    const world = newWorld('bytes', {
      assertWritable: () => {
        if (isClosed) throw refusal;
      },
    });
    const { log, path, root, schema } = world;
    let told = 0;
    path.observe({ committed: () => told++ });
    log.onCall = () => {
      isClosed = true;
    };
    expect(thrownBy(() => put(path, root, 'a'))).toBe(refusal);
    expect([log.records.length, root.entries.size, told, schema.links.guard.isInside]).toEqual([
      0,
      0,
      0,
      false,
    ]);
  });

  test.each<[string, (writes: WriteSet, space: Space) => void]>([
    ['a put', (writes, space) => writes.put(space, 'b', BYTES_VALUES, Uint8Array.of(9), 'value')],
    ['a delete', (writes, space) => writes.delete(space, 'a')],
    ['a clear', (writes, space) => writes.clear(space, ALL_KEYS)],
  ])('of %s for which the log finds no room asks for it, and has changed nothing', (_, fill) => {
    let asked = 0;
    const world = newWorld('bytes', { onNoSpace: () => asked++ });
    const { log, path, root } = world;
    put(path, root, 'a');
    const before = contentOf(root.entries);
    for (const code of ['KEELSON_NO_SPACE', 'KEELSON_EXHAUSTED'] as const) {
      const error = Object.assign(new Error(code), { name: 'KeelsonError', code });
      log.onCall = () => {
        throw error;
      };
      expect(thrownBy(() => write(path, (writes) => fill(writes, root)))).toBe(error);
      expect([asked, log.records.length, contentOf(root.entries)]).toEqual([1, 1, before]);
    }
    // No file that is retired gives memory back.
    const noMemory = new NoMemory('none');
    log.onCall = () => {
      throw noMemory;
    };
    expect(thrownBy(() => write(path, (writes) => fill(writes, root)))).toBe(noMemory);
    expect(asked).toBe(1);
    log.onCall = () => {};
    write(path, (writes) => fill(writes, root));
    expect(contentOf(root.entries)).not.toEqual(before);
  });

  test('for which there is no memory has changed nothing, wherever in it the memory ends', () => {
    const { log, path, root, schema } = newWorld();
    let told = 0;
    path.observe({ committed: () => told++ });
    put(path, root, 'a');
    const before = contentOf(root.entries);
    const { liveBytes } = slabsOf(root);
    const { stage } = root.entries;
    for (let left = 0; left < 3; left++) {
      let staged = 0;
      root.entries.stage = (...args): EntryHandle => {
        if (staged++ === left) throw new NoSlabMemory('none');
        return stage.apply(root.entries, args);
      };
      const error = thrownBy(() =>
        write(path, (writes) => {
          writes.delete(root, 'a');
          for (const key of ['a', 'b', 'c']) writes.put(root, key, BYTES_VALUES, Uint8Array.of(9), 'value');
        }),
      );
      expect(error).toBeInstanceOf(NoMemory);
      root.entries.stage = stage;
      expect(contentOf(root.entries)).toEqual(before);
      expect(slabsOf(root)).toEqual({ liveBytes });
      expect([log.records.length, told, schema.links.guard.isInside]).toEqual([1, 1, false]);
    }
    put(path, root, 'b');
    expect([root.entries.size, log.records.length, told]).toEqual([2, 2, 2]);
    root.entries.checkValid();
  });

  test('that ends between its record and its last link is found by whoever comes next', () => {
    const stops: unknown[] = [];
    const { log, path, root, schema } = newWorld();
    schema.links.onStopped = (cause) => stops.push(cause);
    put(path, root, 'a');
    expect(root.entries.size).toBe(1);
    const cause = new Error('stopped');
    const { link } = root.entries;
    root.entries.link = () => {
      throw cause;
    };
    expect(thrownBy(() => write(path, (writes) => putTwo(writes, root, ['b', 'c'])))).toBe(cause);
    root.entries.link = link;
    expect(stops).toEqual([cause]);
    expect([log.records.length, schema.links.guard.isInside]).toEqual([2, true]);
    expect(() => put(path, root, 'c')).toThrow(expect.objectContaining({ code: 'KEELSON_INTERRUPTED' }));
    expect(log.records).toHaveLength(2);
  });

  test('that is stopped between its record and its link keeps what it needs for that', () => {
    const { log, path, root } = newWorld();
    log.onCall = (call) => {
      if (call === 'submitAtOnce') throw new Error('stopped');
    };
    const writes = path.take();
    writes.put(root, 'a', BYTES_VALUES, LARGE, 'value');
    writes.put(root, 'b', BYTES_VALUES, Uint8Array.of(1), 'value');
    expect(() => path.commit(writes)).toThrow('stopped');
    path.giveBack(writes);
    expect(path.take()).not.toBe(writes);
    expect(contentOf(root.entries).map(([key, version]) => [key, version])).toEqual([
      ['a', log.nextLsn],
      ['b', log.nextLsn],
    ]);
  });
});

/** The bytes that the values of a space take, staged ones included. */
function slabsOf({ entries }: Space): { liveBytes: number } {
  return { liveBytes: entries.memory.valueBytes };
}

describe('the definitions of a write', () => {
  const user = (id: number) => ({ id, name: 'Ada' });

  /** Puts users until their names have a definition that no record has yet: the next put needs it. */
  function worldBeforeDefinition(): World & { putUser: (id: number) => Uint8Array } {
    const world = newWorld('msgpack');
    const { path, root, schema, log } = world;
    const putUser = (id: number): Uint8Array => {
      write(path, (writes) => writes.put(root, `user ${id}`, schema.msgpack, user(id), 'value'));
      return log.last;
    };
    for (let id = 0; id < 3; id++) putUser(id);
    path.observe(schema);
    return { ...world, putUser };
  }

  const defines = (record: Uint8Array) => Buffer.from(record).toString('latin1').includes('\x02id\x04name');

  test('stand in the first record that is in the log, however many were not', () => {
    const { log, root, putUser } = worldBeforeDefinition();
    const { stage } = root.entries;
    root.entries.stage = () => {
      throw new NoSlabMemory('none');
    };
    for (let times = 0; times < 2; times++) expect(() => putUser(3)).toThrow(NoMemory);
    root.entries.stage = stage;
    log.onCall = () => {
      throw new Error('no room');
    };
    for (let times = 0; times < 2; times++) expect(() => putUser(3)).toThrow('no room');
    log.onCall = () => {};
    expect([3, 4, 5].map((id) => defines(putUser(id)))).toEqual([true, false, false]);
  });

  test('stand again in the first record of the next epoch, also when they stood in the last of this one', () => {
    const { log, putUser } = worldBeforeDefinition();
    log.nextLsn = (EPOCH_BYTES - 1) as Lsn;
    expect([3, 4, 5].map((id) => defines(putUser(id)))).toEqual([true, true, false]);
    log.nextLsn = (2 * EPOCH_BYTES + 1000) as Lsn;
    expect([6, 7, 8].map((id) => defines(putUser(id)))).toEqual([false, true, false]);
  });
});

describe('a write set at rest', () => {
  const isKept = (writes: WriteSet, key: string) => {
    const { keys, bounds } = writes;
    return [...keys, ...bounds.flatMap(({ low, high }) => [low, high])].includes(key);
  };
  const fills: readonly { what: string; fill: (writes: WriteSet, space: Space) => void }[] = [
    { what: 'a put', fill: (writes, space) => writes.put(space, 'key', BYTES_VALUES, LARGE, 'value') },
    { what: 'a delete', fill: (writes, space) => writes.delete(space, 'key') },
    {
      what: 'a clear',
      fill: (writes, space) => writes.clear(space, { ...ALL_KEYS, low: 'key', high: 'key' }),
    },
    {
      what: 'a batch',
      fill: (writes, space) => {
        for (const _ of [1, 2, 3]) writes.put(space, 'key', BYTES_VALUES, Uint8Array.of(1), 'value');
        writes.delete(space, 'key');
        writes.clear(space, { ...ALL_KEYS, low: 'key' });
      },
    },
  ];

  test.each(fills)('has nothing of the key of $what, which may be a part of a longer string', ({ fill }) => {
    const { path, root } = newWorld();
    const writes = path.take();
    fill(writes, root);
    expect(isKept(writes, 'key')).toBe(true);
    path.commit(writes);
    path.giveBack(writes);
    expect(isKept(writes, 'key')).toBe(false);
    expect(writes.bytes).toHaveLength(0);
    // It is the next one's.
    expect(path.take()).toBe(writes);
  });

  test.each(fills)('has nothing of the key of $what that was refused', ({ fill }) => {
    const { log, path, root } = newWorld();
    log.onCall = () => {
      throw new Error('no room');
    };
    const writes = path.take();
    fill(writes, root);
    expect(() => path.commit(writes)).toThrow('no room');
    path.giveBack(writes);
    expect(isKept(writes, 'key')).toBe(false);
  });
});

type Step =
  | { readonly type: 'put'; readonly space: number; readonly key: string; readonly value: string }
  | { readonly type: 'delete'; readonly space: number; readonly key: string }
  | { readonly type: 'clear'; readonly space: number; readonly low: string | undefined }
  | { readonly type: 'create' | 'drop'; readonly space: number };

const KEYS = ['a', 'b', 'c', 'd', 'e'];
const anyKey = fc.constantFrom(...KEYS);

/** Spaces are numbers of lives here: the third space that was ever created is 3. */
const steps: fc.Arbitrary<readonly (readonly Step[])[]> = fc
  .array(
    fc.array(
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            type: fc.constant('put' as const),
            space: fc.nat(4),
            key: anyKey,
            value: fc.string({ maxLength: 3 }),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({ type: fc.constant('delete' as const), space: fc.nat(4), key: anyKey }),
        },
        {
          weight: 1,
          arbitrary: fc.record({
            type: fc.constant('clear' as const),
            space: fc.nat(4),
            low: fc.option(anyKey, { nil: undefined }),
          }),
        },
        { weight: 2, arbitrary: fc.record({ type: fc.constant('create' as const), space: fc.constant(0) }) },
        { weight: 1, arbitrary: fc.record({ type: fc.constant('drop' as const), space: fc.nat(4) }) },
      ),
      { maxLength: 6 },
    ),
    { maxLength: 12 },
  )
  .map((writes) => writes.filter(({ length }) => length > 0));

/** Fills a write as far as its steps have a space that is there. Returns false when nothing is left of it. */
function fill(schema: Schema, writes: WriteSet, given: readonly Step[]): boolean {
  const gone = new Set<number>();
  let nextId = schema.nextSpaceId;
  for (const step of given) {
    if (step.type === 'create') {
      const definition = new SpaceDefinition(`space ${nextId}`, schema.root.keyCodec, 'bytes');
      writes.create(schema.newSpace(nextId++, definition));
      continue;
    }
    const ids = [...schema.spaces.map(({ id }) => id), ...createdIn(schema, nextId)].filter(
      (id) => !gone.has(id),
    );
    const id = ids[step.space % ids.length]!;
    const space = schema.space(id) ?? writes.created(id)!;
    if (step.type === 'put')
      writes.put(space, step.key, BYTES_VALUES, Buffer.from(step.value, 'latin1'), 'value');
    else if (step.type === 'delete') writes.delete(space, step.key);
    else if (step.type === 'clear') {
      writes.clear(space, { ...ALL_KEYS, low: step.low, lowInclusive: step.low !== undefined });
    } else if (id !== 0) {
      gone.add(id);
      writes.drop(space);
    }
  }
  return writes.count > 0;
}

function createdIn({ nextSpaceId }: Schema, nextId: number): number[] {
  return Array.from({ length: nextId - nextSpaceId }, (_, at) => nextSpaceId + at);
}

/** What a Map of Maps would hold. */
function modelOf(
  schema: Schema,
  model: Map<number, Map<string, PlainEntry>>,
  given: readonly Step[],
  lsn: number,
) {
  let nextId = schema.nextSpaceId;
  for (const step of given) {
    if (step.type === 'create') {
      model.set(nextId++, new Map());
      continue;
    }
    const ids = [...model.keys()];
    const id = ids[step.space % ids.length]!;
    const entries = model.get(id)!;
    if (step.type === 'put') entries.set(step.key, [step.key, lsn, step.value]);
    else if (step.type === 'delete') entries.delete(step.key);
    else if (step.type === 'clear') {
      for (const key of [...entries.keys()])
        if (step.low === undefined || key >= step.low) entries.delete(key);
    } else if (id !== 0) model.delete(id);
  }
}

const shownModel = (model: Map<number, Map<string, PlainEntry>>) =>
  [...model].map(([id, entries]) => [id, [...entries.values()].sort(([a], [b]) => (a < b ? -1 : 1))]);
const shownSchema = ({ spaces }: Schema) => spaces.map(({ id, entries }) => [id, contentOf(entries)]);

describe('replay', () => {
  test('gives of any writes what they gave, spaces that come and go included', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const { log, path, schema } = newWorld();
        const model = new Map([[0, new Map<string, PlainEntry>()]]);
        const lsns: Lsn[] = [];
        for (const each of given) {
          const writes = path.take();
          if (fill(schema, writes, each)) {
            modelOf(schema, model, each, log.nextLsn + FRAME_BYTES + writes.finish().at);
            lsns.push(path.commit(writes));
          }
          path.giveBack(writes);
          expect(shownSchema(schema)).toEqual(shownModel(model));
        }
        const again = newSchema(undefined, 'bytes', 2);
        const writes = new WriteSet(RECORD_BYTES_MAX, again);
        for (const [at, record] of log.records.entries()) {
          // As a journal hands records out: somewhere in memory that is the next one's soon.
          const bytes = Buffer.concat([Buffer.alloc(at % 3, 0xff), record, Buffer.alloc(2, 0xff)]);
          readWriteSet(again, bytes, at % 3, (at % 3) + record.length, writes);
          applyWrites(again, writes, lsns[at]!);
          bytes.fill(0xff);
        }
        expect(plainSpaces(again.spaces)).toEqual(plainSpaces(schema.spaces));
        expect(again.nextSpaceId).toBe(schema.nextSpaceId);
        for (const { entries } of again.spaces) entries.checkValid();
      }),
      { numRuns: 100 },
    );
  });

  test('of older writes over newer ones leaves the last LSN of a space as it is', () => {
    const schema = newSchema();
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    for (const lsn of [50, 20, 60, 10]) {
      writes.beginReading(Uint8Array.of(1));
      writes.addPut(schema.root, `at ${lsn}`, 0, 1);
      applyWrites(schema, writes, lsn);
    }
    expect(schema.root.lastLsn).toBe(60);
  });

  test('for which there is no memory has changed nothing', () => {
    const schema = newSchema();
    putEntry(schema.root, 'a', 5, 'before');
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    writes.beginReading(Uint8Array.of(1));
    writes.addClear(schema.root, ALL_KEYS);
    writes.addPut(schema.root, 'b', 0, 1);
    schema.root.entries.stage = () => {
      throw new NoSlabMemory('none');
    };
    expect(() => applyWrites(schema, writes, 9)).toThrow(NoSlabMemory);
    expect(contentOf(schema.root.entries)).toEqual([['a', 5, 'before']]);
    expect(schema.root.lastLsn).toBe(5);
  });
});

const IMAGE_LSN = 200;
const JOURNAL_ID = new Uint8Array(16).fill(5);
/** The id of the next space when the image was written. */
const NEXT_SPACE_ID = 6;
/** A space that came later, which older entries can be without. */
const LATER_SPACE_ID = 7;

interface ImageCase {
  /** The spaces that are there before, each with the keys that it has. */
  readonly before: ReadonlyMap<number, readonly string[]>;
  /** The spaces of the image, each with its blocks of keys. */
  readonly image: ReadonlyMap<number, readonly (readonly string[])[]>;
  /** Which of its blocks are damaged, by their numbers, the tables among them. */
  readonly damaged: readonly boolean[];
}

/** Two tables, and blocks of one key each. */
const BLOCKS_MAX = 2 + NEXT_SPACE_ID * KEYS.length;

const keysOfSpace = fc.subarray(KEYS);
const blocksOfSpace = fc.tuple(fc.subarray(KEYS), fc.array(fc.boolean())).map(([keys, isEnd]) =>
  keys.reduce<string[][]>((blocks, key, at) => {
    if (at === 0 || isEnd[at] === true) blocks.push([key]);
    else blocks.at(-1)!.push(key);
    return blocks;
  }, []),
);
const imageCase: fc.Arbitrary<ImageCase> = fc
  .tuple(
    fc.dictionary(fc.constantFrom('1', '2', '3'), keysOfSpace),
    keysOfSpace,
    fc.dictionary(fc.constantFrom('1', '2', '3', '4', '5'), blocksOfSpace),
    blocksOfSpace,
    fc.array(fc.boolean(), { minLength: BLOCKS_MAX, maxLength: BLOCKS_MAX }),
  )
  .map(([before, ofRoot, image, blocksOfRoot, some]) => ({
    before: byId(before, ofRoot),
    image: byId(image, blocksOfRoot),
    // Behind two of them, blocks as small as these are found only at the end of their space.
    damaged: some.map((isDamaged, at) => isDamaged && !some[at - 1]),
  }));

function byId<T>(record: Record<string, T>, root: T): Map<number, T> {
  const rest = Object.entries(record).map(([id, value]) => [Number(id), value] as const);
  return new Map([[0, root] as const, ...rest.sort(([a], [b]) => a - b)]);
}

const beforeEntry = (id: number, key: string): PlainEntry => [key, 10 + id, `before ${id}`];
const imageEntry = (id: number, key: string): PlainEntry => [key, 100 + id, `image ${id}`];

interface Point {
  readonly id: number;
  readonly key: string;
}
const isBelow = (a: Point, b: Point) => a.id < b.id || (a.id === b.id && a.key < b.key);
/** Below and above all keys of all spaces. */
const START: Point = { id: -1, key: '' };
const END: Point = { id: Number.POSITIVE_INFINITY, key: '' };

/** The blocks of an image in their order: from which key to which, and its keys. Null for a block that is damaged. */
function stretchesOf({ image, damaged }: ImageCase) {
  const blocks = [...image].flatMap(([id, each]) => each.map((keys) => ({ id, keys })));
  return [
    damaged[0] ? null : { low: START, high: START },
    ...blocks.map(({ id, keys }, at) =>
      damaged[at + 1] ? null : { low: { id, key: keys[0]! }, high: { id, key: keys.at(-1)! } },
    ),
    damaged[blocks.length + 1] ? null : { low: END, high: END },
  ];
}

/** What the image says of a key: its blocks, and what is between two whole ones that follow each other. */
function isKnown(stretches: ReturnType<typeof stretchesOf>, point: Point): boolean {
  return stretches.some((stretch, at) => {
    if (stretch === null) return false;
    const next = stretches[at + 1] ?? null;
    const isWithin = !isBelow(point, stretch.low) && !isBelow(stretch.high, point);
    return isWithin || (next !== null && isBelow(stretch.high, point) && isBelow(point, next.low));
  });
}

function expectedOf(given: ImageCase) {
  const { before, image, damaged } = given;
  const stretches = stretchesOf(given);
  const isTableThere = !damaged[0] || !damaged[stretches.length - 1];
  // Without a table, a block says that its space is there.
  const inBlocks = stretches.flatMap((stretch) =>
    stretch !== null && image.has(stretch.low.id) ? [stretch.low.id] : [],
  );
  const ids = [...new Set([...before.keys(), ...(isTableThere ? image.keys() : inBlocks)])];
  return ids
    .filter((id) => !isTableThere || image.has(id))
    .sort((a, b) => a - b)
    .map((id) => {
      const inImage = image.get(id)?.flat() ?? [];
      const entries = KEYS.flatMap((key): PlainEntry[] => {
        if (isKnown(stretches, { id, key })) return inImage.includes(key) ? [imageEntry(id, key)] : [];
        return before.get(id)?.includes(key) ? [beforeEntry(id, key)] : [];
      });
      return [id, entries];
    });
}

/** Writes the image, damage included, and returns the examination that has read it. */
async function examined({ image, damaged }: ImageCase, schema: Schema): Promise<ImageExamination> {
  const header = {
    journalId: JOURNAL_ID,
    lsn: IMAGE_LSN,
    entryCount: [...image.values()].flat(2).length,
    keyEncodingName: 'utf8',
    valueEncodingName: 'bytes',
  };
  const table = tableBlock({
    nextSpaceId: NEXT_SPACE_ID,
    rows: [...image].map(([id, blocks]) => ({
      id,
      name: id === 0 ? '' : `space ${id}`,
      keyEncoding: 'utf8',
      valueEncoding: 'bytes',
      entries: blocks.flat().length,
      bytes: 0,
      lastLsn: 100,
    })),
  });
  const blocks = [...image].flatMap(([id, each]) =>
    each.map((keys) =>
      entriesBlock(
        id,
        IMAGE_LSN,
        keys.map((key) => imageEntry(id, key)),
      ),
    ),
  );
  const bytes = imageOf(header, [table, ...blocks, table, endBlock]);
  const starts = blockStarts(bytes);
  // Of all blocks but the end, the last byte, which no header is in.
  for (let at = 0; at <= blocks.length + 1; at++) if (damaged[at]) bytes[starts[at + 1]! - 1]! ^= 0x55;
  const storage = await storageWith(bytes);
  const examination = await ImageExamination.of(storage, '/data', IMAGE_LSN);
  await examination.read(JOURNAL_ID, schema);
  return examination;
}

async function storageWith(image: Uint8Array): Promise<Storage> {
  const storage = new SimulatedDisk({ seed: 1, directories: ['/data'] }).life();
  const file = await storage.createFile(`/data/${String(IMAGE_LSN).padStart(16, '0')}.image`);
  await file.write(image, 0);
  await file.close();
  return storage;
}

function schemaBefore({ before }: Pick<ImageCase, 'before'>): Schema {
  const schema = newSchema();
  for (const [id, keys] of before) {
    const space = id === 0 ? schema.root : addSpace(schema, id, `space ${id}`);
    for (const key of keys) putEntry(space, ...beforeEntry(id, key));
  }
  return schema;
}

describe('an image that is put over older entries', () => {
  test('says of all keys what its whole blocks say, in all spaces, and nothing of others', async () => {
    await fc.assert(
      fc.asyncProperty(imageCase, async (given) => {
        const schema = schemaBefore(given);
        const examination = await examined(given, schema);
        expect(examination.isWhole).toBe(!stretchesOf(given).includes(null));
        await overlayImage(examination, schema, new LostSpaces(schema));
        expect(sorted(shownSchema(schema))).toEqual(expectedOf(given));
        for (const { entries } of schema.spaces) entries.checkValid();
      }),
      { numRuns: 200 },
    );
  });

  test('leaves spaces alone that came after it', async () => {
    const given: ImageCase = { before: new Map(), image: new Map([[0, [['a']]]]), damaged: [] };
    const schema = newSchema();
    addSpace(schema, 3, 'before');
    addSpace(schema, LATER_SPACE_ID, 'later');
    await overlayImage(await examined(given, schema), schema, new LostSpaces(schema));
    expect(shownSchema(schema)).toEqual([
      [0, [imageEntry(0, 'a')]],
      [LATER_SPACE_ID, []],
    ]);
  });

  test('is damaged where it says that a space is another one than it is', async () => {
    const given: ImageCase = {
      before: new Map(),
      image: new Map([
        [0, []],
        [2, [['a']]],
      ]),
      damaged: [],
    };
    for (const add of [
      (schema: Schema) => addSpace(schema, 2, 'another'),
      (schema: Schema) => addSpace(schema, 2, 'space 2', bytesKeyCodec),
      (schema: Schema) => addSpace(schema, 2, 'space 2', undefined, 'json'),
    ]) {
      const schema = newSchema();
      add(schema);
      const { damages } = await examined(given, schema);
      expect(damages.map(({ what }) => what)).toEqual(
        Array(2).fill(expect.stringMatching(/says that space 2 is another one/)),
      );
    }
    const schema = newSchema();
    addSpace(schema, 2, 'space 2');
    expect((await examined(given, schema)).damages).toEqual([]);
  });
});

/** In the order of ids: an image may be of older spaces than those that are there. */
function sorted<T>(rows: readonly (readonly (number | T)[])[]) {
  return rows.toSorted(([a], [b]) => (a as number) - (b as number));
}
