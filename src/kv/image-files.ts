// Image files: their names, writing one, and loading one.

import { isKeelsonError, KeelsonError } from '../errors.js';
import type { Storage, StorageFile } from '../storage/index.js';
import {
  damagedBlock,
  decodeImageHeader,
  encodeImageHeader,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_HEADER_BYTES,
  ImageBlockWriter,
  type ImageHeader,
  type ImageHeaderVerdict,
  imageBlockPayloadBytes,
  imageSeed,
  readImageBlock,
} from './image-format.js';
import type { KeyCodec } from './key-encoding.js';
import { ALL_KEYS, OrderedIndex } from './ordered-index.js';

const NAME_PATTERN = /^(\d{16})\.image$/;
const TEMPORARY_PATTERN = /^\d{16}\.image\.tmp$/;
const LSN_DIGITS = 16;

export function imagePath(directory: string, lsn: number): string {
  return `${directory}/${String(lsn).padStart(LSN_DIGITS, '0')}.image`;
}

/** The LSN in an image's name, or null when the name is not one. */
export function imageLsn(name: string): number | null {
  const match = NAME_PATTERN.exec(name);
  return match === null ? null : Number(match[1]);
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

/**
 * Writes an image to `path`, which must not be there, and flushes it. `isAborted` is asked between blocks; when it
 * says so, KEELSON_ABORTED. Returns the bytes written. Whoever calls removes what a failure leaves.
 */
export async function writeImage(
  storage: Storage,
  path: string,
  header: ImageHeader,
  index: OrderedIndex,
  keyCodec: KeyCodec<unknown>,
  isAborted: () => boolean,
): Promise<number> {
  const file = await storage.createFile(path);
  try {
    await file.write(encodeImageHeader(header), 0);
    let offset = IMAGE_HEADER_BYTES;
    const writer = new ImageBlockWriter(imageSeed(header), keyCodec);
    const writeBlock = async () => {
      const block = writer.finish();
      await file.write(block, offset);
      offset += block.length;
    };
    for (const [key, entry] of index.iterate(ALL_KEYS)) {
      writer.add(key, entry);
      if (!writer.isFull) continue;
      await writeBlock();
      if (isAborted())
        throw new KeelsonError('KEELSON_ABORTED', 'The store was closed during a checkpoint', { path });
    }
    if (!writer.isEmpty) await writeBlock();
    // The end block has no entries: an image that was cut off between two blocks has none.
    await writeBlock();
    await file.flush();
    return offset;
  } finally {
    await file.close();
  }
}

/** The header of an image file, verified or not. */
export async function readImageHeader(storage: Storage, path: string): Promise<ImageHeaderVerdict> {
  const file = await storage.openFile(path, false);
  try {
    return await readHeader(file);
  } finally {
    await file.close();
  }
}

/**
 * The entries of a whole image. Throws KEELSON_CORRUPT, with path and offset, when any of it is damaged.
 * `onEntries` is told how many entries have been read so far, after every block.
 */
export async function loadImage(
  storage: Storage,
  path: string,
  header: ImageHeader,
  keyCodec: KeyCodec<unknown>,
  onEntries: (count: number) => void,
): Promise<OrderedIndex> {
  const file = await storage.openFile(path, false);
  let offset = IMAGE_HEADER_BYTES;
  try {
    const fileBytes = await file.size();
    const seed = imageSeed(header);
    const index = new OrderedIndex();
    let lastKey: string | undefined;
    for (let number = 0; ; number++) {
      const block = await readBlock(file, offset, fileBytes);
      const entries = readImageBlock(block, seed, number, keyCodec, (key, version, start, end) => {
        if (lastKey !== undefined && key <= lastKey)
          throw damagedBlock(`block ${number} is not in key order`);
        lastKey = key;
        index.set(key, { value: block.slice(start, end), version });
      });
      offset += block.length;
      if (entries === 0) break;
      onEntries(index.size);
    }
    if (index.size !== header.entryCount || offset !== fileBytes) {
      throw damagedBlock(
        `it has ${index.size} of ${header.entryCount} entries in ${offset} of ${fileBytes} bytes`,
      );
    }
    return index;
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

/** The length in a block's header is bounded by the file before memory is taken for it. */
async function readBlock(file: StorageFile, offset: number, fileBytes: number): Promise<Uint8Array> {
  const head = new Uint8Array(IMAGE_BLOCK_HEADER_BYTES);
  if ((await file.read(head, offset)) < head.length) throw damagedBlock('it ends without its end block');
  const bytes = IMAGE_BLOCK_HEADER_BYTES + imageBlockPayloadBytes(head);
  if (offset + bytes > fileBytes) throw damagedBlock('a block does not fit in the file');
  const block = new Uint8Array(bytes);
  if ((await file.read(block, offset)) < bytes) throw damagedBlock('a block is cut off');
  return block;
}

function atPlace(error: unknown, path: string, offset: number): unknown {
  const isDamage = isKeelsonError(error, 'KEELSON_CORRUPT') || isKeelsonError(error, 'KEELSON_DECODE');
  if (!isDamage) return error;
  return new KeelsonError(
    'KEELSON_CORRUPT',
    `${error.message}, at offset ${offset} of ${path}`,
    { path, offset },
    error,
  );
}
