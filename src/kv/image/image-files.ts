// Image files: their names, writing one, and loading one.

import { invariant, isKeelsonError, KeelsonError, whatHappened } from '../../errors.js';
import { nextTurn } from '../../schedulers.js';
import {
  backgroundStep,
  publishFile,
  runSteps,
  type Storage,
  type StorageFile,
  startRead,
} from '../../storage/index.js';
import { ALL_KEYS } from '../encoding/key-bounds.js';
import type { IndexKey, KeyCodec } from '../encoding/key-encoding.js';
import type { Shapes } from '../encoding/shapes.js';
import {
  type Entries,
  EntriesLoader,
  type EntriesView,
  type EntryHandle,
  type EntryId,
  seedFrom,
} from '../entries/entries.js';
import type { IndexWalk } from '../entries/ordered-index.js';
import {
  damagedBlock,
  decodeImageHeader,
  encodeImageHeader,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_BLOCK_PAYLOAD_BYTES_MAX,
  IMAGE_HEADER_BYTES,
  ImageBlockWriter,
  type ImageHeader,
  type ImageHeaderVerdict,
  imageBlockPayloadBytes,
  imageSeed,
  readImageBlock,
} from './image-format.js';

const NAME_PATTERN = /^(\d{16})\.image$/;
const TEMPORARY_PATTERN = /^\d{16}\.image\.tmp$/;
const LSN_DIGITS = 16;

/** Bytes of an image read at a time. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** An image is flushed as it grows: all of it at once would keep the disk from the commits of a second or more. */
const UNFLUSHED_BYTES_MAX = 4 * 1024 * 1024;

/** So many entries are looked up before the first of them is copied. */
const GATHERED_ENTRIES_MAX = 1024;

/** After so many entries, a few milliseconds, a load lets the event loop have its turn, whatever has been read ahead. */
const TURN_ENTRIES = 4096;

export function imagePath(directory: string, lsn: number): string {
  return `${directory}/${String(lsn).padStart(LSN_DIGITS, '0')}.image`;
}

/** The LSN in an image's name, or null when the name is not one. */
export function imageLsn(name: string): number | null {
  const lsn = Number(NAME_PATTERN.exec(name)?.[1]);
  // No log goes as far as sixteen nines: such a name is not ours.
  return Number.isSafeInteger(lsn) ? lsn : null;
}

/** True for the name of an image that was never finished. */
export function isTemporaryImage(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** The LSNs of the images in a directory, newest first. */
export async function listImages(storage: Storage, directory: string): Promise<number[]> {
  const lsns = (await storage.list(directory)).map(imageLsn).filter((lsn) => lsn !== null);
  return lsns.sort((a, b) => b - a);
}

export interface ImagePlan {
  readonly header: ImageHeader;
  /** As of header.lsn. */
  readonly entries: EntriesView;
  readonly keyCodec: KeyCodec<unknown>;
  /** That the values have; null where they can have none. */
  readonly shapes: Shapes | null;
  /** Told after every block; what it throws ends the writing. */
  readonly onBlock: (entriesDone: number, bytesWritten: number) => void;
}

/**
 * Writes an image into `directory`, and gives it its name when it is durable and `whenAllowed` has resolved. The name is
 * durable when the directory has been flushed after this. A failure leaves nothing, as far as it can be removed. Returns the
 * bytes written.
 */
export async function publishImage(
  storage: Storage,
  directory: string,
  plan: ImagePlan,
  whenAllowed: () => Promise<void>,
): Promise<number> {
  const path = imagePath(directory, plan.header.lsn);
  const temporary = `${path}.tmp`;
  // One that failed at this LSN may have left its file, if that could not be removed either.
  await storage.remove(temporary).catch(() => {});
  const contents = backgroundStep(async () => {
    const bytesWritten = await writeImage(storage, temporary, plan);
    await whenAllowed();
    return bytesWritten;
  });
  return runSteps(publishFile(storage, { temporary, path, replaces: true, contents }));
}

/**
 * Writes an image to `path`, which must not be there, and flushes it. The event loop has its turn after every block,
 * and after GATHERED_ENTRIES_MAX entries that fill none: half a millisecond of work. Returns the bytes written. Whoever calls removes what a failure leaves.
 */
export async function writeImage(storage: Storage, path: string, plan: ImagePlan): Promise<number> {
  const { header, entries, keyCodec, shapes, onBlock } = plan;
  const file = await storage.createFile(path);
  try {
    await file.write(encodeImageHeader(header), 0);
    let offset = IMAGE_HEADER_BYTES;
    let flushedTo = 0;
    let entriesDone = 0;
    const writer = new ImageBlockWriter(header, keyCodec, shapes);
    const writeBlock = async () => {
      const block = writer.finish();
      await file.write(block, offset);
      offset += block.length;
      if (offset - flushedTo >= UNFLUSHED_BYTES_MAX) {
        await file.flush();
        flushedTo = offset;
      }
      onBlock(entriesDone, offset);
    };
    let key = '';
    let version = 0;
    const add = (bytes: Uint8Array, start: number, end: number) =>
      writer.add(key, version, bytes, start, end);
    const walk = entries.walk(ALL_KEYS);
    const gathered: GatheredEntries = { keys: [], handles: [] };
    for (let count = gather(entries, walk, gathered); count > 0; count = gather(entries, walk, gathered)) {
      const offsetBefore = offset;
      for (let at = 0; at < count; at++) {
        const lastKey = key;
        key = gathered.keys[at]!;
        const handle = gathered.handles[at]!;
        // Memory is not believed: an image retires the log behind it.
        invariant(
          (key > lastKey || entriesDone === 0) && entries.isKeyOf(handle, key),
          'the indexes in memory disagree about the entries',
        );
        version = entries.versionOf(handle);
        entries.read(handle, add);
        entriesDone++;
        if (writer.isFull) await writeBlock();
      }
      // Entries so small that these do not fill a block, for which the program would have had its turn.
      if (offset === offsetBefore && count === GATHERED_ENTRIES_MAX) await nextTurn();
    }
    invariant(entriesDone === header.entryCount, 'the index in memory miscounts the entries');
    if (!writer.isEmpty) await writeBlock();
    // The end block has no entries: an image that was cut off between two blocks has none.
    await writeBlock();
    await file.flush();
    return offset;
  } finally {
    await file.close();
  }
}

/** Filled again and again: an array that is emptied lets go of its memory. */
interface GatheredEntries {
  readonly keys: IndexKey[];
  readonly handles: EntryHandle[];
}

/** Takes the next entries of the walk, and their memory into the cache. Returns how many there are. */
function gather(entries: EntriesView, walk: IndexWalk<EntryId>, { keys, handles }: GatheredEntries): number {
  let count = 0;
  for (; count < GATHERED_ENTRIES_MAX && walk.advance(); count++) {
    keys[count] = walk.key;
    handles[count] = entries.handleOf(walk.value);
  }
  for (let at = 0; at < count; at++) entries.warm(handles[at]!);
  return count;
}

/** The header of an image file, verified or not, and the size of the file. */
export async function readImageHeader(
  storage: Storage,
  path: string,
): Promise<{ readonly verdict: ImageHeaderVerdict; readonly fileBytes: number }> {
  const file = await storage.openFile(path, false);
  try {
    return { verdict: await readHeader(file), fileBytes: await file.size() };
  } finally {
    await file.close();
  }
}

export interface ImageLoadPlan {
  readonly path: string;
  readonly header: ImageHeader;
  readonly keyCodec: KeyCodec<unknown>;
  /** Where its definitions go; null where values can have no shapes. */
  readonly shapes: Shapes | null;
}

/**
 * The entries of a whole image. Throws KEELSON_CORRUPT, with path and offset, when any of it is damaged.
 * `onEntries` is told how many entries have been read so far, after every block.
 */
export async function loadImage(
  storage: Storage,
  { path, header, keyCodec, shapes }: ImageLoadPlan,
  onEntries: (count: number) => void,
): Promise<Entries> {
  const file = await storage.openFile(path, false);
  let offset = IMAGE_HEADER_BYTES;
  try {
    const fileBytes = await file.size();
    const source = { seed: imageSeed(header), lsn: header.lsn, keyCodec, shapes };
    const loader = new EntriesLoader(seedFrom(storage));
    let number = 0;
    let isEnded = false;
    let turnAt = TURN_ENTRIES;
    for await (const block of readBlocks(file, offset, fileBytes)) {
      const entries = readImageBlock(block, number, source, (key, version, start, end) => {
        if (!loader.add(key, version, block, start, end))
          throw damagedBlock(`block ${number} is not in key order`);
      });
      offset += block.length;
      isEnded = entries === 0;
      if (isEnded) break;
      number++;
      onEntries(loader.size);
      if (loader.size < turnAt) continue;
      turnAt = loader.size + TURN_ENTRIES;
      await nextTurn();
    }
    if (!isEnded) throw damagedBlock('it ends without its end block');
    if (loader.size !== header.entryCount || offset !== fileBytes) {
      throw damagedBlock(
        `it has ${loader.size} of ${header.entryCount} entries in ${offset} of ${fileBytes} bytes`,
      );
    }
    return loader.finish();
  } catch (error) {
    throw atPlace(error, path, offset);
  } finally {
    await file.close();
  }
}

async function readHeader(file: StorageFile): Promise<ImageHeaderVerdict> {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES);
  const length = await file.read(bytes, 0);
  return decodeImageHeader(bytes.subarray(0, length));
}

/**
 * The blocks from `from` on, one after the other, as long as there are whole ones; not verified. Read in large pieces, the
 * next while the blocks of this one are used. A block is good until the next is asked for.
 */
async function* readBlocks(
  file: StorageFile,
  from: number,
  fileBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = from;
  let [buffer, other] = [newPiece(fileBytes - from), newPiece(fileBytes - from)];
  let reading = startRead(file, buffer, offset);
  while (offset < fileBytes) {
    const piece = await reading;
    const ends = blockEnds(piece);
    const bytes = ends.at(-1) ?? 0;
    if (bytes === 0) {
      const block = await readLargeBlock(file, offset, fileBytes, piece);
      offset += block.length;
      yield block;
      reading = startRead(file, buffer, offset);
      continue;
    }
    offset += bytes;
    [buffer, other] = [other, buffer];
    // The next piece starts with the block that this one has only the start of.
    if (offset < fileBytes) reading = startRead(file, buffer, offset);
    for (const [at, end] of ends.entries()) yield piece.subarray(ends[at - 1] ?? 0, end);
  }
}

function newPiece(bytesLeft: number): Uint8Array {
  return new Uint8Array(Math.max(0, Math.min(PIECE_BYTES, bytesLeft)));
}

/** Where the whole blocks at the start of a piece end, by what their headers say. */
function blockEnds(piece: Uint8Array): number[] {
  const ends: number[] = [];
  for (let at = 0; at + IMAGE_BLOCK_HEADER_BYTES <= piece.length; ) {
    at += IMAGE_BLOCK_HEADER_BYTES + imageBlockPayloadBytes(piece.subarray(at));
    if (at > piece.length) break;
    ends.push(at);
  }
  return ends;
}

/** One that is larger than a piece. The length in its header is bounded before memory is taken for it. */
async function readLargeBlock(
  file: StorageFile,
  offset: number,
  fileBytes: number,
  start: Uint8Array,
): Promise<Uint8Array> {
  if (start.length < IMAGE_BLOCK_HEADER_BYTES) throw damagedBlock('it ends without its end block');
  const payloadBytes = imageBlockPayloadBytes(start);
  const bytes = IMAGE_BLOCK_HEADER_BYTES + payloadBytes;
  if (offset + bytes > fileBytes || payloadBytes > IMAGE_BLOCK_PAYLOAD_BYTES_MAX)
    throw damagedBlock('a block does not fit in the file');
  const block = new Uint8Array(bytes);
  if ((await file.read(block, offset)) < bytes) throw damagedBlock('a block is cut off');
  return block;
}

function atPlace(error: unknown, path: string, offset: number): unknown {
  const isDamage = isKeelsonError(error, 'KEELSON_CORRUPT') || isKeelsonError(error, 'KEELSON_DECODE');
  if (!isDamage) return error;
  return new KeelsonError(
    'KEELSON_CORRUPT',
    `${whatHappened(error)}, at offset ${offset} of ${path}`,
    { path, offset },
    error,
  );
}
