// Images: what is written is loaded, in whatever pieces; and whatever is damaged is refused, where it is damaged.

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32cFinish, crc32cUpdate } from '../../src/crc32c.js';
import { encodeSegmentHeader } from '../../src/journal/format/segment-format.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec, type KeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { encodeMsgpack } from '../../src/kv/encoding/msgpack/profile.js';
import { encodeShapes, Shapes } from '../../src/kv/encoding/shapes.js';
import { Entries, type EntriesView } from '../../src/kv/entries/entries.js';
import { loadImage, writeImage } from '../../src/kv/image/image-files.js';
import {
  decodeImageHeader,
  encodeImageHeader,
  IMAGE_BLOCK_BYTES_TARGET,
  IMAGE_BLOCK_ENTRIES_TARGET,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_HEADER_BYTES,
  ImageBlockWriter,
  type ImageHeader,
  imageSeed,
} from '../../src/kv/image/image-format.js';
import type { Storage, StorageFile } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';

const PATH = '/data/0000000000000777.image';

function newStorage(): Storage {
  return new SimulatedDisk({ seed: 3, directories: ['/data'] }).life();
}

function headerFor(entries: EntriesView): ImageHeader {
  return {
    journalId: new Uint8Array(16).fill(5),
    lsn: 2 ** 41,
    entryCount: entries.size,
    keyEncodingName: 'utf8',
    valueEncodingName: 'bytes',
  };
}

function write(
  storage: Storage,
  entries: EntriesView,
  keyCodec: KeyCodec<unknown> = utf8KeyCodec,
  onBlock: (entriesDone: number, bytesWritten: number) => void = () => {},
): Promise<number> {
  return writeImage(storage, PATH, { header: headerFor(entries), entries, keyCodec, shapes: null, onBlock });
}

function load(
  storage: Storage,
  header: ImageHeader,
  codec: KeyCodec<unknown> = utf8KeyCodec,
  onEntries = (_: number): void => {},
): Promise<Entries> {
  return loadImage(storage, { path: PATH, header, keyCodec: codec, shapes: null }, onEntries);
}

/** Every entry, its value as a digest: that of a large one is not what one wants to see in a failure. */
function contentOf(entries: EntriesView): unknown[] {
  return [...entries.iterate(ALL_KEYS)].map(([key, handle]) => {
    const value = entries.read(handle, (bytes, start, end) => {
      let sum = 0;
      for (let at = start; at < end; at++) sum = (sum * 31 + bytes[at]!) | 0;
      return `${end - start} bytes, ${sum}`;
    });
    return [key, entries.versionOf(handle), value];
  });
}

function entriesOf(lengths: readonly number[]): Entries {
  const entries = new Entries(1);
  lengths.forEach((length, number) => {
    const bytes = new Uint8Array(length).fill(number + 1);
    entries.set(`key ${String(number).padStart(6, '0')}`, 2 ** 40 + number, bytes, 0, length);
  });
  return entries;
}

async function readAll(storage: Storage): Promise<Uint8Array> {
  const file = await storage.openFile(PATH, false);
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

/** The same file with other contents. */
async function replace(storage: Storage, bytes: Uint8Array): Promise<void> {
  await storage.remove(PATH);
  const file = await storage.createFile(PATH);
  await file.write(bytes, 0);
  await file.close();
}

/** Where the blocks start, and where the last ends. */
function blockStarts(image: Uint8Array): number[] {
  const view = new DataView(image.buffer, image.byteOffset);
  const starts = [IMAGE_HEADER_BYTES];
  while (starts.at(-1)! < image.length) {
    const at = starts.at(-1)!;
    starts.push(at + IMAGE_BLOCK_HEADER_BYTES + view.getUint32(at, true));
  }
  return starts;
}

async function damageOf(storage: Storage, header: ImageHeader): Promise<unknown> {
  return load(storage, header).then(
    () => 'loaded',
    (error) => error,
  );
}

const damageAt = (offset: number, message: RegExp | string = '') =>
  expect.objectContaining({
    code: 'KEELSON_CORRUPT',
    facts: { path: PATH, offset },
    message: expect.stringMatching(message),
  });

describe('an image', () => {
  const mixes: { name: string; lengths: number[] }[] = [
    { name: 'nothing', lengths: [] },
    { name: 'one entry without a byte', lengths: [0] },
    { name: 'many tiny ones', lengths: Array.from({ length: 20_000 }, (_, number) => number % 3) },
    { name: 'as many as are looked up at a time', lengths: Array.from({ length: 1024 }, () => 10) },
    { name: 'twice as many, which fill a block', lengths: Array.from({ length: 2048 }, () => 10) },
    { name: 'more than one piece of small ones', lengths: Array.from({ length: 9000 }, () => 600) },
    {
      name: 'values larger than a piece, between others',
      lengths: [5, 5_000_000, 7, 4_300_000, 4_194_250, 9],
    },
    { name: 'a value as large as a piece at its end', lengths: [4_194_304 - 512, 100_000] },
  ];

  test.each(mixes)('of $name is loaded as it was written', async ({ lengths }) => {
    const storage = newStorage();
    const entries = entriesOf(lengths);
    await write(storage, entries.clone());
    const told: number[] = [];
    const loaded = await load(storage, headerFor(entries), utf8KeyCodec, (count) => told.push(count));
    loaded.checkValid();
    expect(contentOf(loaded)).toEqual(contentOf(entries));
    expect(told.at(-1) ?? 0).toBe(lengths.length);
    expect(loaded.memory.valueBytes).toBe(entries.memory.valueBytes);
  });

  test('of any keys and values is loaded as it was written', async () => {
    const item = fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat({ max: 400_000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 30 }), async (items) => {
        const storage = newStorage();
        const entries = new Entries(1);
        items.forEach(([key, length], number) => {
          const name = bytesKeyCodec.toIndexKey('key', key);
          entries.set(name, number, new Uint8Array(length).fill(number), 0, length);
        });
        await write(storage, entries.clone(), bytesKeyCodec);
        const loaded = await load(storage, headerFor(entries), bytesKeyCodec);
        loaded.checkValid();
        expect(contentOf(loaded)).toEqual(contentOf(entries));
      }),
      { numRuns: 30 },
    );
  });

  test('takes what is put into it after it was loaded, and keeps the rest', async () => {
    const storage = newStorage();
    const entries = entriesOf(Array.from({ length: 5000 }, () => 50));
    await write(storage, entries.clone());
    const loaded = await load(storage, headerFor(entries));
    for (const which of [entries, loaded]) {
      for (let number = 0; number < 5000; number += 3) {
        which.set(`key ${String(number).padStart(6, '0')}.`, 1, new Uint8Array(70), 0, 70);
        which.delete(`key ${String(number + 1).padStart(6, '0')}`);
      }
    }
    loaded.checkValid();
    expect(contentOf(loaded)).toEqual(contentOf(entries));
  });

  test('has blocks of bounded bytes and entries, and tells after each how far it is', async () => {
    const storage = newStorage();
    const entries = entriesOf(Array.from({ length: 6000 }, (_, number) => (number < 5000 ? 1 : 1000)));
    const told: [number, number][] = [];
    const bytes = await write(storage, entries.clone(), utf8KeyCodec, (...progress) => told.push(progress));
    const image = await readAll(storage);
    const starts = blockStarts(image);
    expect(told.map(([, bytesWritten]) => bytesWritten)).toEqual(starts.slice(1));
    expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).sort((a, b) => a - b));
    expect(told.at(-1)).toEqual([6000, bytes]);
    const view = new DataView(image.buffer, image.byteOffset);
    starts.slice(0, -1).forEach((start, number) => {
      expect(starts[number + 1]! - start).toBeLessThan(IMAGE_BLOCK_BYTES_TARGET + 2000);
      expect(view.getUint32(start + 8, true)).toBeLessThanOrEqual(IMAGE_BLOCK_ENTRIES_TARGET);
    });
  });

  // Blocks of 100 bytes end where entries have been looked up and copied, those of 300 while some are looked up only.
  test.each([100, 300])(
    'with values of %i bytes is of the view it was given, whatever is written while it is',
    async (bytes) => {
      const storage = newStorage();
      const entries = entriesOf(Array.from({ length: 6000 }, () => bytes));
      const expected = contentOf(entries);
      const header = headerFor(entries);
      let round = 0;
      const churn = () => {
        round++;
        for (let number = 0; number < 6000; number++) {
          const key = `key ${String(number).padStart(6, '0')}`;
          if ((number + round) % 5 === 0) entries.delete(key);
          else entries.set(key, round, new Uint8Array(bytes + 50).fill(round), 0, bytes + 50);
        }
      };
      await write(storage, entries.clone(), utf8KeyCodec, churn);
      expect(round).toBeGreaterThan(2);
      expect(contentOf(await load(storage, header))).toEqual(expected);
      entries.checkValid();
    },
  );

  test('lets the program have its turn, on a disk that is done at once too, while small entries fill a block', async () => {
    const atOnce: StorageFile = {
      write: async () => {},
      flush: async () => {},
      close: async () => {},
    } as unknown as StorageFile;
    const storage = { createFile: async () => atOnce } as unknown as Storage;
    const entries = entriesOf(Array.from({ length: 10_000 }, () => 1));
    let turns = 0;
    let isWritten = false;
    const turn = () => {
      turns++;
      if (!isWritten) setImmediate(turn);
    };
    setImmediate(turn);
    await write(storage, entries.clone());
    isWritten = true;
    expect(turns).toBeGreaterThanOrEqual(10_000 / IMAGE_BLOCK_ENTRIES_TARGET - 1);
  });
});

describe('a damaged image', () => {
  async function written(): Promise<{
    storage: Storage;
    image: Uint8Array;
    header: ImageHeader;
    starts: number[];
  }> {
    const storage = newStorage();
    const entries = entriesOf([...Array.from({ length: 3000 }, () => 200), 4_500_000, 10]);
    await write(storage, entries.clone());
    const image = await readAll(storage);
    return { storage, image, header: headerFor(entries), starts: blockStarts(image) };
  }

  test('is refused at the block in which a bit is wrong, whichever it is', async () => {
    const { storage, image, header, starts } = await written();
    const places = starts.slice(0, -1).flatMap((start, number) => {
      const end = starts[number + 1]!;
      return [0, 3, 4, 8, 12, 15, 16, 17, Math.floor((end - start) / 2), end - start - 1]
        .map((at) => start + at)
        .filter((at) => at < end);
    });
    for (const at of places) {
      const damaged = image.slice();
      damaged[at]! ^= 0x10;
      await replace(storage, damaged);
      const start = starts.findLast((offset) => offset <= at);
      expect(await damageOf(storage, header), `byte ${at}`).toEqual(damageAt(start!));
    }
  });

  test('is refused when it ends too early, wherever, or too late', async () => {
    const { storage, image, header, starts } = await written();
    const lengths = starts
      .slice(0, -1)
      .flatMap((start) => [start, start + 1, start + 15, start + 16, start + 17]);
    for (const length of lengths.filter((bytes) => bytes < image.length)) {
      await replace(storage, image.slice(0, length));
      const start = starts.findLast((offset) => offset <= length);
      expect(await damageOf(storage, header), `${length} bytes`).toEqual(damageAt(start!));
    }
    for (const more of [1, 16, 100_000]) {
      await replace(storage, Buffer.concat([image, new Uint8Array(more)]));
      expect(await damageOf(storage, header)).toEqual(damageAt(image.length, /entries in \d+ of \d+ bytes/));
    }
  });

  test('whose block claims to be enormous is refused before memory is taken for it', async () => {
    const { storage, image, header, starts } = await written();
    for (const length of [0xffff_ffff, 0x7fff_ffff, image.length]) {
      const damaged = image.slice();
      new DataView(damaged.buffer).setUint32(starts[1]!, length, true);
      await replace(storage, damaged);
      expect(await damageOf(storage, header)).toEqual(damageAt(starts[1]!, /does not fit in the file/));
    }
  });

  test('is refused when a block is missing, twice there, out of order, or of another image', async () => {
    const { storage, image, header, starts } = await written();
    const blocks = starts.slice(0, -1).map((start, number) => image.subarray(start, starts[number + 1]));
    const [first, second, ...rest] = blocks;
    const head = image.subarray(0, IMAGE_HEADER_BYTES);
    const mixes = [
      { blocks: [second!, ...rest], at: IMAGE_HEADER_BYTES },
      { blocks: [first!, first!, ...rest], at: starts[1]! },
      { blocks: [second!, first!, ...rest], at: IMAGE_HEADER_BYTES },
      { blocks: [first!, ...rest], at: starts[1]! },
    ];
    for (const mix of mixes) {
      await replace(storage, Buffer.concat([head, ...mix.blocks]));
      expect(await damageOf(storage, header)).toEqual(damageAt(mix.at, /is another one/));
    }
    await replace(storage, image);
    const other = { ...header, lsn: 778 };
    expect(await damageOf(storage, other)).toEqual(damageAt(IMAGE_HEADER_BYTES, /checksum/));
  });

  test.each([
    { keys: [['b', 'a']], name: 'within a block' },
    { keys: [['a', 'b'], ['b']], name: 'over two blocks' },
  ])('is refused when its keys are not in order, $name', async ({ keys }) => {
    const storage = newStorage();
    const header = { ...headerFor(new Entries(1)), entryCount: keys.flat().length };
    const writer = new ImageBlockWriter(header, utf8KeyCodec, null);
    const parts: Uint8Array[] = [encodeImageHeader(header)];
    for (const block of [...keys, []]) {
      for (const key of block) writer.add(key, 1, new Uint8Array(3), 0, 3);
      parts.push(new Uint8Array(writer.finish()));
    }
    const file = await storage.createFile(PATH);
    await file.write(Buffer.concat(parts), 0);
    await file.close();
    const at = keys.length === 1 ? IMAGE_HEADER_BYTES : IMAGE_HEADER_BYTES + parts[1]!.length;
    expect(await damageOf(storage, header)).toEqual(damageAt(at, /not in key order/));
  });

  test('is refused when it has fewer or more entries than its header says', async () => {
    const { storage, image, header } = await written();
    for (const entryCount of [header.entryCount - 1, header.entryCount + 1, 0]) {
      expect(await damageOf(storage, { ...header, entryCount })).toEqual(
        damageAt(image.length, /entries in/),
      );
    }
  });

  test('that cannot be read is an error of the disk, and no damage', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data'] });
    const storage = disk.life();
    const entries = entriesOf(Array.from({ length: 20_000 }, () => 500));
    await write(storage, entries.clone());
    for (const failing of [1, 2, 3]) {
      let reads = 0;
      disk.faults = ({ name }) => (name === 'read' && ++reads === failing ? { errno: 'EIO' } : undefined);
      expect(await damageOf(storage, headerFor(entries))).toMatchObject({ code: 'KEELSON_IO' });
      expect(reads).toBeGreaterThanOrEqual(failing);
    }
  });

  test('is refused, and nothing else comes to light, when the read ahead of it fails as well', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data'] });
    const storage = disk.life();
    const entries = entriesOf(Array.from({ length: 20_000 }, () => 500));
    await write(storage, entries.clone());
    const image = await readAll(storage);
    image[IMAGE_HEADER_BYTES + 100]! ^= 1;
    await replace(storage, image);
    let reads = 0;
    disk.faults = ({ name }) => (name === 'read' && ++reads === 2 ? { errno: 'EIO' } : undefined);
    expect(await damageOf(storage, headerFor(entries))).toEqual(damageAt(IMAGE_HEADER_BYTES, /checksum/));
    // An unhandled rejection would come after a turn of the event loop, and fail the run.
    await new Promise((resolve) => setImmediate(resolve));
    expect(reads).toBe(2);
  });

  test('of a file that is large enough for a block that no record can make is refused all the same', async () => {
    const file: Pick<StorageFile, 'size' | 'read' | 'close'> = {
      size: async () => 2 ** 40,
      read: async (into, position) => {
        into.fill(0xff);
        return position === IMAGE_HEADER_BYTES ? into.length : 0;
      },
      close: async () => {},
    };
    const randomBytes = (length: number) => new Uint8Array(length);
    const storage = { openFile: async () => file, randomBytes } as unknown as Storage;
    expect(await damageOf(storage, headerFor(new Entries(1)))).toEqual(
      damageAt(IMAGE_HEADER_BYTES, /does not fit in the file/),
    );
  });
});

describe('a block that lies under a checksum that holds is refused', () => {
  const HEADER: ImageHeader = {
    ...headerFor(new Entries(1)),
    lsn: 5,
    entryCount: 2,
    valueEncodingName: 'msgpack',
  };

  /** Two entries, their values with the shape that the block defines. */
  function makeBlock(): { readonly block: Uint8Array; readonly definitionsAt: number } {
    const shapes = new Shapes(randomBytes);
    const values = Array.from({ length: 10 }, (_, id) => encodeMsgpack({ id }, 'value', shapes).slice());
    const writer = new ImageBlockWriter(HEADER, utf8KeyCodec, shapes);
    for (const key of ['key 1', 'key 2']) writer.add(key, 5, values[9]!, 0, values[9]!.length);
    const block = writer.finish().slice();
    return { block, definitionsAt: block.length - encodeShapes([shapes.shapeOf(['id'])!]).length };
  }

  async function loaded(block: Uint8Array): Promise<unknown> {
    const storage = newStorage();
    const view = new DataView(block.buffer, block.byteOffset);
    view.setUint32(0, block.length - IMAGE_BLOCK_HEADER_BYTES, true);
    const covered = crc32cUpdate(crc32cUpdate(imageSeed(HEADER), block, 0, 4), block, 8, block.length);
    view.setUint32(4, crc32cFinish(covered), true);
    const file = await storage.createFile(PATH);
    const end = new ImageBlockWriter(HEADER, utf8KeyCodec, null);
    end.add('x', 1, new Uint8Array(), 0, 0);
    end.finish();
    await file.write(Buffer.concat([encodeImageHeader(HEADER), block, end.finish()]), 0);
    await file.close();
    const plan = { path: PATH, header: HEADER, keyCodec: utf8KeyCodec, shapes: new Shapes(randomBytes) };
    return loadImage(storage, plan, () => {}).then(contentOf, (error) => error.message);
  }

  test('unless it does not', async () => {
    expect(await loaded(makeBlock().block)).toHaveLength(2);
  });

  test('when a key has more in common with the one before than that has', async () => {
    const { block } = makeBlock();
    block[IMAGE_BLOCK_HEADER_BYTES] = 1;
    expect(await loaded(block)).toMatch(/a key of block 0 is no key/);
  });

  test('when an entry is older than the log', async () => {
    const { block } = makeBlock();
    const ageAt = IMAGE_BLOCK_HEADER_BYTES + 2 + 'key 1'.length;
    expect(block[ageAt]).toBe(0);
    block[ageAt] = 6;
    expect(await loaded(block)).toMatch(/older than the log/);
  });

  test('when it does not define what its values have, or more than that', async () => {
    const { block, definitionsAt } = makeBlock();
    const without = Buffer.concat([block.subarray(0, definitionsAt), Buffer.of(0)]);
    expect(await loaded(without)).toMatch(/defines other shapes than its values have/);
    const other = new Shapes(randomBytes);
    for (let times = 0; times < 10; times++) encodeMsgpack({ other: 1 }, 'value', other);
    const definitions = encodeShapes([other.shapeOf(['other'])!]);
    const instead = Buffer.concat([block.subarray(0, definitionsAt), definitions]);
    expect(await loaded(instead)).toMatch(/defines other shapes than its values have/);
    const twice = Buffer.concat([
      block.subarray(0, definitionsAt),
      Buffer.of(2),
      block.subarray(definitionsAt + 1),
      definitions.subarray(1),
    ]);
    expect(await loaded(twice)).toMatch(/defines other shapes than its values have/);
  });
});

describe('the header of an image', () => {
  const header = headerFor(new Entries(1));

  test('with any one bit flipped is damaged, in its magic and its version too', () => {
    const bytes = encodeImageHeader(header);
    for (let bit = 0; bit < IMAGE_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decodeImageHeader(bytes), `bit ${bit}`).toMatchObject({ ok: false, code: 'KEELSON_CORRUPT' });
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(decodeImageHeader(bytes)).toEqual({ ok: true, header });
  });

  test('that is cut off anywhere is damaged, never foreign', () => {
    const bytes = encodeImageHeader(header);
    for (let length = 0; length < IMAGE_HEADER_BYTES; length++) {
      const verdict = decodeImageHeader(bytes.subarray(0, length));
      expect(verdict, `${length} bytes`).toMatchObject({ ok: false, code: 'KEELSON_CORRUPT' });
    }
  });

  test.each([
    ['text', Buffer.from('#!/bin/sh\n'.repeat(100))],
    ['text shorter than a header', Buffer.from('hello')],
    ['a segment', segment()],
  ])('is foreign when the file holds %s', (_, bytes) => {
    expect(decodeImageHeader(bytes)).toMatchObject({ ok: false, code: 'KEELSON_FOREIGN' });
  });

  function segment(): Uint8Array {
    const sizes = { sequence: 1, sizeBytes: 8192, blockBytes: 512 };
    const ids = { journalId: header.journalId, salt: new Uint8Array(8) };
    return encodeSegmentHeader({ ...sizes, ...ids, lineageStart: null, isRecycled: false, durableLsn: 0 });
  }
});
