// The facts in the headers of a store, read without a lock and beside a live owner too. Nothing is changed.

import { basename } from 'node:path';
import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { DirectoryPath } from '../../journal/index.js';
import {
  absoluteDirectory,
  type DirectoryOwner,
  inspectJournal,
  type ListedCommit,
  type ListedSegment,
  listCommits,
  listSegmentHeaders,
  ownerOf,
} from '../../journal/internal.js';
import { openStorage, type Storage } from '../../storage/index.js';
import { verifyImageBlock } from '../image/image-block-reader.js';
import {
  BLOCK_KIND,
  IMAGE_BLOCK_HEADER_BYTES,
  imageSeed,
  readImageBlockHead,
} from '../image/image-format.js';
import { IMAGE_HEADER_BYTES, type ImageHeader } from '../image/image-header.js';
import { readImageHeader } from '../image/image-loader.js';
import { imagePath, listImages } from '../image/image-names.js';
import { readImageTable } from '../image/image-table.js';
import { birthOf, type EncodingNames } from './found-encodings.js';
import { notFound } from './store-examination.js';

/** A namespace in the table of an image. */
export interface NamespaceHeader {
  /** The name; '' for the store itself. */
  readonly name: string;
  readonly keyEncoding: string;
  readonly valueEncoding: string;
  readonly entries: number;
  /** The bytes that the entries took in memory, with headers and padding, when the image was written. */
  readonly bytes: number;
}

/** An image, as far as its header and its table tell. */
export interface ImageHeaders {
  readonly file: string;
  readonly lsn: number;
  readonly bytes: number;
  /** The number of entries, or null when the header does not verify. */
  readonly entries: number | null;
  /** The namespaces, the store itself first, or null when the table does not verify. */
  readonly namespaces: readonly NamespaceHeader[] | null;
  /** The reason why header or table do not verify, or null. */
  readonly why: string | null;
}

/** The facts in the headers of a store. */
export interface StoreHeaders {
  /** The absolute path of the store. */
  readonly directory: string;
  /** The id of the journal, 32 hexadecimal digits; null when no header verifies. */
  readonly id: string | null;
  /** The encodings of the store itself, or null when nothing names them. */
  readonly encodings: EncodingNames | null;
  /** The images, newest first. */
  readonly images: readonly ImageHeaders[];
  readonly segments: readonly ListedSegment[];
  /** The headers prove that the store was durable up to this LSN. */
  readonly durableLsn: number;
  /** The live owner, or null. */
  readonly owner: DirectoryOwner | null;
}

/** The most tries, because a live owner may retire files that are being read. */
const TRIES_MAX = 20;

/**
 * Reads the headers of the store in `directory`.
 *
 * @throws KEELSON_NOT_FOUND, KEELSON_NOT_A_DIRECTORY, KEELSON_INCOMPLETE, KEELSON_FOREIGN, KEELSON_FORMAT_VERSION, and
 * errors of the disk.
 */
export async function readStoreHeaders(given: DirectoryPath): Promise<StoreHeaders> {
  const [storage, directory] = [openStorage('fs'), absoluteDirectory(given)];
  return steadily(async () => {
    const encodings = await encodingsIn(storage, directory);
    const images: ImageHeaders[] = [];
    for (const lsn of await listImages(storage, directory)) {
      images.push(await imageHeaders(storage, imagePath(directory, lsn), lsn));
    }
    const { segments, journalId, durableLsn } = await listSegmentHeaders(storage, directory);
    const id = journalId === null ? null : Buffer.from(journalId).toString('hex');
    const owner = await ownerOf(storage, directory);
    const proven = Math.max(durableLsn, ...images.map(({ lsn }) => lsn));
    return { directory, id, encodings, images, segments, durableLsn: proven, owner };
  });
}

/**
 * Returns the encodings that the store in `directory` has recorded, or null when nothing names them. Throws what
 * readStoreHeaders() throws.
 */
export function readEncodings(directory: DirectoryPath): Promise<EncodingNames | null> {
  return steadily(() => encodingsIn(openStorage('fs'), absoluteDirectory(directory)));
}

/** Lists the commits of a segment of the store in `directory`. */
export function listStoreCommits(
  directory: DirectoryPath,
  sequence: number,
): AsyncGenerator<ListedCommit, void, undefined> {
  return listCommits(openStorage('fs'), absoluteDirectory(directory), sequence);
}

/** Starts over when a file is gone that was there a moment ago. */
async function steadily<T>(read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await read();
    } catch (error) {
      const mayPass = isKeelsonError(error, 'KEELSON_NOT_FOUND') && error.facts.syscall !== undefined;
      if (!mayPass || tries === TRIES_MAX) throw error;
    }
  }
}

async function encodingsIn(storage: Storage, directory: string): Promise<EncodingNames | null> {
  const kind = await storage.kind(directory);
  if (kind === 'absent') throw notFound(directory);
  if (kind !== 'directory') {
    throw new KeelsonError('KEELSON_NOT_A_DIRECTORY', `${directory} is not a directory`, { path: directory });
  }
  const lsns = await listImages(storage, directory);
  const journal = await inspectJournal(storage, directory);
  if (journal === null && lsns.length === 0) throw notFound(directory);
  for (const lsn of lsns) {
    const { verdict } = await readImageHeader(storage, imagePath(directory, lsn));
    if (verdict.ok) return verdict.header;
  }
  const birth = journal?.firstRecord ?? journal?.anyFirstRecord ?? null;
  return birth === null ? null : birthOf(birth, directory);
}

async function imageHeaders(storage: Storage, path: string, lsn: number): Promise<ImageHeaders> {
  const { verdict, fileBytes: bytes } = await readImageHeader(storage, path);
  const found = { file: basename(path), lsn, bytes };
  if (!verdict.ok) {
    const { code, why } = verdict;
    if (code === 'KEELSON_FORMAT_VERSION')
      throw new KeelsonError(code, `${path}: ${why}`, { path, offset: 0 });
    return { ...found, entries: null, namespaces: null, why };
  }
  const { entryCount: entries } = verdict.header;
  try {
    return { ...found, entries, namespaces: await tableOf(storage, path, verdict.header), why: null };
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_CORRUPT') && !isKeelsonError(error, 'KEELSON_DECODE')) throw error;
    return { ...found, entries, namespaces: null, why: 'the table of its namespaces is damaged' };
  }
}

/** Reads the first block of an image, which is its table. */
async function tableOf(storage: Storage, path: string, header: ImageHeader): Promise<NamespaceHeader[]> {
  const file = await storage.openFile(path, false);
  try {
    const head = new Uint8Array(IMAGE_BLOCK_HEADER_BYTES);
    await file.read(head, IMAGE_HEADER_BYTES);
    const { payloadBytes } = readImageBlockHead(head, 0);
    // A damaged length must not take memory that the file does not have.
    const length = Math.min(head.length + payloadBytes, (await file.size()) - IMAGE_HEADER_BYTES);
    const block = new Uint8Array(Math.max(head.length, length));
    await file.read(block, IMAGE_HEADER_BYTES);
    const { kind } = verifyImageBlock(storage, block, 0, imageSeed(header));
    if (kind !== BLOCK_KIND.table) return [];
    return readImageTable(block).spaces.map(({ definition, entries, bytes }) => ({
      name: definition.name,
      keyEncoding: definition.keyCodec.name,
      valueEncoding: definition.valueEncodingName,
      entries,
      bytes,
    }));
  } finally {
    await file.close();
  }
}
