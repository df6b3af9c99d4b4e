// Checkpoints by themselves: when they start, what they keep, what they let go, and what becomes of one that fails.
// On the simulated disk, with tiny limits, so that nothing here depends on how fast a machine is.

import { describe, expect, it } from 'vitest';
import { KeelsonError } from '../../src/errors.js';
import { type LocalLog, NO_RETENTION } from '../../src/journal/internal.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { retireReplaced, writeCheckpoint } from '../../src/kv/image/checkpoint.js';
import type { CheckpointEvent } from '../../src/kv/image/checkpoint-schedule.js';
import { loadImage, readImageHeader } from '../../src/kv/image/image-loader.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { newSchema } from './schema-tools.js';

const DIRECTORY = '/data/store';
const TINY_JOURNAL = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 65_536 };
const VALUE = 'x'.repeat(100);

function makeDisk(): SimulatedDisk {
  return new SimulatedDisk({ seed: 1, directories: ['/data'] });
}

async function open(
  storage: Storage,
  options: object = {},
  journal: object = {},
): Promise<Store<string, string>> {
  const resolved = resolveStoreOptions({ checkpointBytesMin: 8192, ...options });
  return (await openStoreOn(storage, DIRECTORY, resolved, { ...TINY_JOURNAL, ...journal })) as Store<
    string,
    string
  >;
}

async function overwrite(store: Store<string, string>, rounds: number, keys = 20): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let key = 0; key < keys; key++) store.put(`key ${key}`, `${round} ${VALUE}`);
    await store.flush();
  }
}

/** Resolves when no checkpoint runs any more. */
async function whenQuiet(store: Store<string, string>): Promise<void> {
  while (store.stats().checkpoints?.isRunning) await new Promise((resolve) => setImmediate(resolve));
}

async function filesOf(storage: Storage): Promise<{ images: string[]; segments: string[] }> {
  const names = (await storage.list(DIRECTORY)).sort();
  return {
    images: names.filter((name) => name.endsWith('.image')),
    segments: names.filter((name) => name.endsWith('.journal')),
  };
}

async function bytesOf(storage: Storage): Promise<number> {
  let bytes = 0;
  for (const name of await storage.list(DIRECTORY)) {
    // A file may go or get its name meanwhile: the next look sees it.
    const file = await storage.openFile(`${DIRECTORY}/${name}`, false).catch(() => null);
    if (file === null) continue;
    bytes += await file.size();
    await file.close();
  }
  return bytes;
}

async function damage(storage: Storage, name: string): Promise<void> {
  const path = `${DIRECTORY}/${name}`;
  const file = await storage.openFile(path, true);
  const byte = new Uint8Array(1);
  await file.read(byte, 600);
  await file.write(
    byte.map((value) => value ^ 1),
    600,
  );
  await file.flush();
  await file.close();
}

describe('a checkpoint by itself', () => {
  it('starts when the journal has outgrown its least size, and not before', async () => {
    const store = await open(makeDisk().life());
    const events: CheckpointEvent[] = [];
    store.on('checkpoint', (event) => events.push(event));
    expect(store.stats().checkpoints?.dueLsn).toBe(8192);
    await overwrite(store, 2);
    await whenQuiet(store);
    expect(store.lastLsn).toBeLessThan(8192);
    expect(events).toEqual([]);
    await overwrite(store, 2);
    await whenQuiet(store);
    const [started, ...others] = events;
    expect(started).toMatchObject({ type: 'started', isAutomatic: true, entries: 20 });
    expect(others.at(-1)).toMatchObject({ type: 'completed', lsn: started!.lsn, entries: 20 });
    expect(store.stats().checkpoints).toMatchObject({ completed: 1, failed: 0, last: { lsn: started!.lsn } });
    await store.close();
  });

  it('starts when the journal has outgrown the image, however much larger that is than the least size', async () => {
    const store = await open(makeDisk().life(), { checkpointRatio: 2 });
    await overwrite(store, 1, 1000);
    await whenQuiet(store);
    const { bytesWritten, lsn } = (await store.checkpoint()) as { bytesWritten: number; lsn: number };
    expect(bytesWritten === 0 || bytesWritten > 100_000).toBe(true);
    const imageBytes = store.stats().checkpoints!.last!.bytesWritten;
    expect(store.stats().checkpoints!.dueLsn).toBe(lsn + 2 * imageBytes);
    await store.close();
  });

  it('does not start when the option says so', async () => {
    const store = await open(makeDisk().life(), { autoCheckpoint: false });
    await overwrite(store, 20);
    await whenQuiet(store);
    expect(store.stats().checkpoints).toMatchObject({ completed: 0, dueLsn: null });
    await store.checkpoint();
    expect(store.stats().checkpoints).toMatchObject({ completed: 1, dueLsn: null });
    await store.close();
  });

  it('bounds the directory for a bounded set of keys, however long they are overwritten', async () => {
    const storage = makeDisk().life();
    const store = await open(storage);
    let bytesMax = 0;
    for (let round = 0; round < 60; round++) {
      await overwrite(store, 5);
      await whenQuiet(store);
      bytesMax = Math.max(bytesMax, await bytesOf(storage));
    }
    expect(store.lastLsn).toBeGreaterThan(700_000);
    expect(store.stats().checkpoints!.completed).toBeGreaterThan(20);
    expect(bytesMax).toBeLessThan(80_000);
    await store.close();
  });

  // A program that died soon after each start left a segment or two in every life, and no life was long enough to
  // outgrow the image: the directory grew by megabytes with every crash.
  it('bounds the directory of a program that dies again and again soon after its start', async () => {
    const disk = makeDisk();
    let segmentsMax = 0;
    for (let life = 0; life < 60; life++) {
      const storage = disk.life();
      const store = await open(storage);
      await store.put(`life ${life}`, VALUE);
      await whenQuiet(store);
      segmentsMax = Math.max(segmentsMax, (await filesOf(storage)).segments.length);
      disk.killLife(storage);
    }
    expect(segmentsMax).toBeLessThan(40);
    const store = await open(disk.life());
    expect(store.size).toBe(60);
    await store.close();
  });

  it('is not started by an open that writes nothing', async () => {
    const disk = makeDisk();
    const store = await open(disk.life(), { autoCheckpoint: false });
    await overwrite(store, 20);
    await store.close();
    const before = await filesOf(disk.life());
    const idle = await open(disk.life());
    await whenQuiet(idle);
    await idle.close();
    expect(await filesOf(disk.life())).toEqual(before);
  });

  // A mutant that wrote what was there at each block, and not as of its LSN, took the search for crashes half a minute to see.
  it('holds the state at its LSN, whatever is written while it is made', async () => {
    const storage = makeDisk().life();
    const store = await open(storage, { autoCheckpoint: false });
    await overwrite(store, 1, 5000);
    let later = 0;
    store.on('checkpoint', ({ type }) => {
      // The last of them, which no block that was written has met.
      if (type === 'progress') store.put('key 999', `later ${later++}`);
    });
    const { lsn, entries } = await store.checkpoint();
    expect(later).toBeGreaterThan(1);
    const image = `${DIRECTORY}/${(await filesOf(storage)).images[0]}`;
    const { verdict } = await readImageHeader(storage, image);
    if (!verdict.ok) throw new Error(verdict.why);
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const { spaces } = await loadImage(storage, image, verdict.header, schema, () => {});
    const loaded = spaces[0]!.entries;
    const versions = [...loaded.iterate(ALL_KEYS)].map(([, handle]) => loaded.versionOf(handle));
    expect(versions).toHaveLength(entries);
    expect(Math.max(...versions)).toBe(lsn);
    await store.close();
  });

  it('of a running store stops with its close, and is no failure of anything', async () => {
    const disk = makeDisk();
    const store = await open(disk.life());
    overwrite(store, 1, 2000).catch(() => {});
    await Promise.resolve();
    await store.close();
    const again = await open(disk.life());
    expect(again.size).toBe(2000);
    expect((await disk.life().list(DIRECTORY)).filter((name) => name.includes('.tmp'))).toEqual([]);
    await again.close();
  });
});

describe('a checkpoint that fails', () => {
  const FAULTS = [
    ['createFile', 'ENOSPC'],
    ['write', 'ENOSPC'],
    ['write', 'EIO'],
    ['flush', 'EIO'],
    ['rename', 'EIO'],
  ] as const;

  it.each(FAULTS)(
    'in %s with %s harms nothing, is told, and is made good later',
    async (operation, errno) => {
      const disk = makeDisk();
      const storage = disk.life();
      const store = await open(storage);
      const events: CheckpointEvent[] = [];
      store.on('checkpoint', (event) => events.push(event));
      disk.faults = ({ name, path }) =>
        name === operation && path?.includes('.image') ? { errno } : undefined;
      await overwrite(store, 4);
      await whenQuiet(store);
      const { failed, completed, lastFailure, dueLsn } = store.stats().checkpoints!;
      expect({ failed, completed }).toEqual({ failed: 1, completed: 0 });
      expect(lastFailure).toMatchObject({ facts: { errno } });
      expect(events.at(-1)).toMatchObject({ type: 'failed', error: lastFailure });
      expect(store.poisoned).toBeNull();
      expect((await storage.list(DIRECTORY)).filter((name) => name.includes('.image'))).toEqual([]);
      // Not at every write that follows.
      expect(dueLsn).toBeGreaterThan(store.durableLsn);

      disk.faults = undefined;
      await overwrite(store, 4);
      await whenQuiet(store);
      expect(store.stats().checkpoints).toMatchObject({ completed: 1, lastFailure: null });
      expect(store.get('key 3')).toBe(`3 ${VALUE}`);
      await store.close();
    },
  );

  it('in the flush of the directory poisons, because no one knows then which names are durable', async () => {
    const disk = makeDisk();
    const store = await open(disk.life());
    await store.put('a', VALUE);
    disk.faults = ({ name }) => (name === 'flushDirectory' ? { errno: 'EIO' } : undefined);
    await expect(store.checkpoint()).rejects.toMatchObject({ facts: { errno: 'EIO' } });
    expect(store.poisoned).not.toBeNull();
    await store.close();
    disk.faults = undefined;
    const again = await open(disk.life());
    expect(again.get('a')).toBe(VALUE);
    await again.close();
  });

  // The flush of the directory for a segment failed while a checkpoint was between the rename of its image and its own
  // flush of the directory, which then succeeded. It removed the older image, and after a power cut there was none.
  it('retires nothing when another flush of the directory fails meanwhile', async () => {
    const disk = makeDisk();
    const storage = disk.life();
    const store = await open(storage, { autoCheckpoint: false });
    await overwrite(store, 2);
    await store.checkpoint();
    await store.close();
    const { images } = await filesOf(storage);
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const poisoned = new KeelsonError('KEELSON_POISONED', 'the flush for a segment failed');
    const log = {
      journalId: new Uint8Array(16),
      poisoned: null as KeelsonError | null,
      syncThrough: async () => {},
    } as unknown as LocalLog & { poisoned: KeelsonError | null };
    disk.onBoundary = ({ operation, phase }) => {
      if (operation === 'rename' && phase === 'complete') log.poisoned = poisoned;
    };
    const written = writeCheckpoint({
      storage,
      directory: DIRECTORY,
      log,
      schema,
      view: schema.wholeView(1e6),
      onBlock: () => {},
    });
    await expect(written).rejects.toBe(poisoned);
    const retired = retireReplaced(storage, DIRECTORY, log, 1e6, 1e6, NO_RETENTION);
    await expect(retired).rejects.toBe(poisoned);
    expect((await filesOf(storage)).images).toEqual(expect.arrayContaining(images));
  });

  it('on request rejects for whoever asked, and another that waited behind it runs', async () => {
    const disk = makeDisk();
    const store = await open(disk.life(), { autoCheckpoint: false });
    await store.put('a', VALUE);
    let failures = 0;
    disk.faults = ({ name, path }) =>
      // Twice: what found no room is tried once more, when everything that could go has gone.
      name === 'createFile' && path?.includes('.image') && failures++ < 2 ? { errno: 'ENOSPC' } : undefined;
    const [first, second] = await Promise.allSettled([store.checkpoint(), store.checkpoint()]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'KEELSON_NO_SPACE' } });
    expect(second).toMatchObject({ status: 'fulfilled', value: { entries: 1 } });
    await store.close();
  });
});

describe('on a disk that is full', () => {
  // Writes found no room before the journal had grown enough for a checkpoint, and so none ever started: the store was stuck
  // although almost all that filled the disk was journal that a checkpoint retires.
  // The image found no room while the file of the preparation that had found none was still being closed. Nothing tried
  // again before the next write, and there could be none: the store was stuck on a disk with room.
  it('a write that finds no room starts a checkpoint, which makes some', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data'], capacityBytes: 60_000 });
    const store = await open(disk.life(), { checkpointBytesMin: 65_536 });
    let failures = 0;
    for (let turn = 0; turn < 2000; turn++) {
      try {
        await store.put(`key ${turn % 10}`, VALUE);
      } catch (error) {
        expect(error).toMatchObject({ code: 'KEELSON_NO_SPACE' });
        failures++;
        await whenQuiet(store);
      }
    }
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThan(100);
    expect(store.stats().checkpoints?.completed).toBeGreaterThan(0);
    await store.close();
  });

  // The next segment was to be twice as large as the last, and had no room; a small one would have had plenty, but nobody
  // asked for it: every put was refused on a disk with half of it free, until the store was opened anew.
  it.each([true, false])(
    'a write makes do with a small segment where there is no room for a large one (%s)',
    async (autoCheckpoint) => {
      const disk = makeDisk();
      const storage = disk.life();
      const store = await open(storage, { autoCheckpoint, checkpointBytesMin: 1e6 });
      await overwrite(store, 30);
      await store.checkpoint();
      // A record that fits nowhere has the store give up the files that wait to be used again.
      disk.capacityBytes = disk.usedBytes();
      const noSpace = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });
      expect(() => store.put('key 1', 'x'.repeat(300_000))).toThrow(noSpace);
      await whenQuiet(store);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      const { segmentsPrepared } = store.stats().journal!;
      disk.capacityBytes = disk.usedBytes() + 24_576;
      let failures = 0;
      while (store.stats().journal!.segmentsPrepared === segmentsPrepared && failures < 10) {
        await Promise.resolve()
          .then(() => store.put('key 1', VALUE))
          .catch(async (error) => {
            expect(error).toMatchObject({ code: 'KEELSON_NO_SPACE' });
            failures++;
            if (!autoCheckpoint) await store.checkpoint();
            await whenQuiet(store);
            // What a failed preparation took is free when its file is closed.
            for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
          });
      }
      // The first of them may be what makes the checkpoint that retires everything.
      expect(failures).toBeLessThan(4);
      await store.put('key 1', 'there');
      expect(store.poisoned).toBeNull();
      await store.close();
    },
  );

  // Up to eight retired segments waited to be used again, and the image for which there was no room would have fitted
  // into one of them.
  it('a checkpoint takes the room of segments that wait to be used again', async () => {
    const disk = makeDisk();
    const storage = disk.life();
    const sizes = { segmentBytesMin: 16_384, segmentBytesMax: 16_384 };
    const store = await open(storage, { autoCheckpoint: false }, sizes);
    await overwrite(store, 30);
    await store.checkpoint();
    await store.put('key 1', 'new');
    const waiting = (await storage.list(DIRECTORY)).filter((name) => name.endsWith('.journal.tmp'));
    expect(waiting.length).toBeGreaterThan(0);
    disk.capacityBytes = (await bytesOf(storage)) + 1024;
    expect(await store.checkpoint()).toMatchObject({ entries: 20 });
    await store.close();
  });
});

describe('the segments that are prepared ahead', () => {
  it('are given up for an image that has no room beside them, and not prepared while it is written', async () => {
    const disk = makeDisk();
    const storage = disk.life();
    const sizes = { segmentBytesMin: 16_384, segmentBytesMax: 16_384 };
    const store = await open(storage, { autoCheckpoint: false }, sizes);
    await overwrite(store, 30);
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    const drafts = (await storage.list(DIRECTORY)).filter((name) => name.endsWith('.draft.tmp'));
    expect(drafts).toHaveLength(1);
    disk.capacityBytes = disk.usedBytes() + 1024;
    expect(await store.checkpoint()).toMatchObject({ entries: 20 });
    await store.put('key 1', 'after it');
    expect(store.poisoned).toBeNull();
    await store.close();
  });
});

describe('the older generation', () => {
  it('is gone without the option, and then a damaged image is refused', async () => {
    const disk = makeDisk();
    const store = await open(disk.life());
    for (const round of [1, 2, 3]) {
      await overwrite(store, round);
      await store.checkpoint();
    }
    await store.close();
    const { images } = await filesOf(disk.life());
    expect(images).toHaveLength(1);
    await damage(disk.life(), images[0]!);
    await expect(open(disk.life())).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
  });

  it('stays with the option, one image and the journal behind it, and takes over from a damaged one', async () => {
    const disk = makeDisk();
    const store = await open(disk.life(), { keepOlderGeneration: true });
    for (let round = 1; round <= 5; round++) {
      await store.put(`round ${round}`, VALUE);
      await overwrite(store, 3);
      await store.checkpoint();
    }
    await store.put('last', VALUE);
    const { lastLsn } = store;
    await store.close();
    const { images } = await filesOf(disk.life());
    expect(images).toHaveLength(2);

    await damage(disk.life(), images[1]!);
    const again = await open(disk.life(), { keepOlderGeneration: true });
    expect(again.recovery.imageLsn).toBe(Number.parseInt(images[0]!, 10));
    expect(again.recovery.damagedImages).toHaveLength(1);
    expect(again.lastLsn).toBe(lastLsn);
    expect([...again.keys({ prefix: 'round' })]).toHaveLength(5);
    expect(again.get('last')).toBe(VALUE);

    // It heals by itself: the next write makes a checkpoint due, after which both generations are whole again.
    await again.put('healing', VALUE);
    await whenQuiet(again);
    const healed = (await filesOf(disk.life())).images;
    expect(healed).toHaveLength(2);
    expect(healed).not.toContain(images[1]);
    await again.close();
    await damage(disk.life(), healed[1]!);
    const third = await open(disk.life());
    expect(third.get('healing')).toBe(VALUE);
    expect(third.recovery.imageLsn).toBe(Number.parseInt(healed[0]!, 10));
    await third.close();
  });

  // Opening counts the segments below the newest image as needed by nobody. A checkpoint that had nothing to write removed
  // them with its retirement: they were the journal behind the older image, which then stood for nothing.
  it.each([1, 2])('survives a checkpoint that has nothing to write, after %i before it', async (images) => {
    const disk = makeDisk();
    const options = { keepOlderGeneration: true, autoCheckpoint: false };
    const store = await open(disk.life(), options);
    for (let round = 0; round < images; round++) {
      await overwrite(store, 5, 40);
      await store.checkpoint();
    }
    await store.close();
    const again = await open(disk.life(), options);
    await again.checkpoint();
    await again.close();
    const newest = (await filesOf(disk.life())).images.at(-1)!;
    await damage(disk.life(), newest);
    const third = await open(disk.life(), options);
    expect(third.size).toBe(40);
    expect(third.get('key 7')).toBe(`4 ${VALUE}`);
    await third.close();
  });

  it('takes over from an image that the disk cannot read', async () => {
    const disk = makeDisk();
    const store = await open(disk.life(), { keepOlderGeneration: true });
    for (const round of [1, 2]) {
      await overwrite(store, round);
      await store.checkpoint();
    }
    await store.close();
    const newest = (await filesOf(disk.life())).images.at(-1)!;
    disk.faults = ({ name, path }) =>
      name === 'read' && path.endsWith(newest) ? { errno: 'EIO' } : undefined;
    const again = await open(disk.life(), { keepOlderGeneration: true });
    expect(again.recovery.damagedImages).toMatchObject([{ code: 'KEELSON_IO' }]);
    expect(again.size).toBe(20);
    await again.close();
    const alone = await open(disk.life());
    await alone.close();
  });

  it('of a store with one image is the journal from its start', async () => {
    const disk = makeDisk();
    const store = await open(disk.life(), { keepOlderGeneration: true });
    await overwrite(store, 2);
    await store.checkpoint();
    await store.put('last', VALUE);
    await store.close();
    const { images } = await filesOf(disk.life());
    await damage(disk.life(), images[0]!);
    const again = await open(disk.life());
    expect(again.recovery.imageLsn).toBeNull();
    expect(again.size).toBe(21);
    await again.close();
  });
});
