// A look at one image that may be damaged: what of it is whole, and what that says of the store at its LSN.

import { isKeelsonError, KeelsonError, whatHappened } from '../../errors.js';
import type { Damage } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';
import type { IndexKey, KeyCodec } from '../encoding/key-encoding.js';
import type { Shapes } from '../encoding/shapes.js';
import type { Entries } from '../entries/entries.js';
import { imagePath, loadImage, readImageHeader } from '../image/image-files.js';
import {
  IMAGE_HEADER_BYTES,
  type ImageHeader,
  type ImageSource,
  imageSeed,
  readImageBlock,
} from '../image/image-format.js';
import { type ImagePiece, scanImage } from '../image/image-scan.js';

export interface ImageFindings {
  readonly file: string;
  readonly bytes: number;
  /** The image is of the store as it was here. */
  readonly lsn: number;
  /** In blocks that are whole. */
  readonly entries: number;
  readonly isWhole: boolean;
}

type ImageDamage = Omit<Damage, 'isNeeded'>;

interface ExaminedImageParts {
  readonly storage: Storage;
  readonly path: string;
  readonly file: string;
  /** As its name says. */
  readonly lsn: number;
  readonly bytes: number;
  readonly header: ImageHeader | null;
  readonly why: string | null;
  readonly isForeignFile: boolean;
}

export class ImageExamination {
  /** What its header says, or else its name. */
  readonly lsn: number;
  /** Null when it does not verify. */
  readonly header: ImageHeader | null;
  readonly bytes: number;
  /** It does not even start as an image. */
  readonly isForeignFile: boolean;
  /** It belongs to another journal, or nobody knows to which. */
  isForeign = false;
  readonly #parts: ExaminedImageParts;
  readonly #damages: ImageDamage[] = [];
  #entries = 0;
  #blocks = 0;
  #seed: number | null = null;

  /** Looks at the header. Throws KEELSON_FORMAT_VERSION. */
  static async of(storage: Storage, directory: string, lsn: number): Promise<ImageExamination> {
    const path = imagePath(directory, lsn);
    const file = path.slice(directory.length + 1);
    const { verdict, fileBytes: bytes } = await readImageHeader(storage, path);
    const parts = { storage, path, file, lsn, bytes };
    if (verdict.ok)
      return new ImageExamination({ ...parts, header: verdict.header, why: null, isForeignFile: false });
    const { code, why } = verdict;
    if (code === 'KEELSON_FORMAT_VERSION')
      throw new KeelsonError(code, `${path}: ${why}`, { path, offset: 0 });
    const isForeignFile = code === 'KEELSON_FOREIGN';
    return new ImageExamination({ ...parts, header: null, why, isForeignFile });
  }

  private constructor(parts: ExaminedImageParts) {
    this.#parts = parts;
    this.lsn = parts.header?.lsn ?? parts.lsn;
    this.header = parts.header;
    this.bytes = parts.bytes;
    this.isForeignFile = parts.isForeignFile;
  }

  /** What its name says. */
  get nameLsn(): number {
    return this.#parts.lsn;
  }

  /** Nothing in it is damaged: an open would take it, whosever it is. */
  get isWhole(): boolean {
    return this.#damages.length === 0;
  }

  /** Something in it verifies, so it was made: when the journal was durable through its LSN. */
  get isProven(): boolean {
    return !this.isForeign && (this.header !== null || this.#blocks > 0);
  }

  get damages(): ImageDamage[] {
    if (!this.isForeign) return this.#damages;
    const what = 'the image belongs to another journal, or nothing says to which';
    return [{ file: this.#parts.file, offset: 0, what }, ...this.#damages];
  }

  get findings(): ImageFindings {
    const { file, bytes, lsn } = this.#parts;
    return { file, bytes, lsn, entries: this.#entries, isWhole: this.isWhole };
  }

  /**
   * Reads all of it. `journalId` is that of the store, and stands in for a header that does not verify; so does the LSN
   * in the name. Without a codec entries are not looked into.
   */
  async read(
    journalId: Uint8Array | null,
    keyCodec: KeyCodec<unknown> | null,
    shapes: Shapes | null,
  ): Promise<void> {
    const { lsn, header, why } = this.#parts;
    if (why !== null) this.#damage({ offset: 0, offsetEnd: IMAGE_HEADER_BYTES, what: why });
    if (header !== null && header.lsn !== lsn) {
      this.#damage({ offset: 0, what: `the header says it is the image of LSN ${header.lsn}` });
    }
    const id = header?.journalId ?? journalId;
    this.isForeign = id === null || journalId === null || Buffer.compare(id, journalId) !== 0;
    if (id === null) return;
    this.#seed = imageSeed({ journalId: id, lsn: this.lsn });
    let lastKey: IndexKey | undefined;
    for await (const piece of this.pieces()) {
      if (piece.kind === 'damage') {
        this.#damage(piece);
        continue;
      }
      this.#blocks++;
      this.#entries += piece.entries;
      if (keyCodec === null || piece.entries === 0) continue;
      try {
        this.visitEntries(piece, keyCodec, shapes, (key) => {
          if (lastKey !== undefined && key <= lastKey) throw notInOrder(piece.number);
          lastKey = key;
        });
      } catch (error) {
        if (!isKeelsonError(error)) throw error;
        this.#damage({ offset: piece.offset, what: whatHappened(error) });
      }
    }
    if (header !== null && this.isWhole && this.#entries !== header.entryCount) {
      this.#damage({ offset: 0, what: `it has ${this.#entries} of ${header.entryCount} entries` });
    }
  }

  /** Its blocks, when read() has found out where they may be. */
  async *pieces(): AsyncGenerator<ImagePiece, void, undefined> {
    const { storage, path } = this.#parts;
    if (this.#seed === null) return;
    const file = await storage.openFile(path, false);
    try {
      yield* scanImage(file, this.bytes, this.#seed);
    } finally {
      await file.close();
    }
  }

  /** Calls `visit` for the entries of a block that pieces() gave. */
  visitEntries(
    piece: Extract<ImagePiece, { kind: 'block' }>,
    keyCodec: KeyCodec<unknown>,
    shapes: Shapes | null,
    visit: EntryVisitor,
  ): void {
    const source: ImageSource = { seed: this.#seed!, lsn: this.lsn, keyCodec, shapes };
    readImageBlock(piece.bytes, piece.number, source, visit);
  }

  /** The entries of an image that is whole. */
  load(keyCodec: KeyCodec<unknown>, shapes: Shapes | null): Promise<Entries> {
    const { storage, path } = this.#parts;
    return loadImage(storage, { path, header: this.header!, keyCodec, shapes }, () => {});
  }

  #damage(damage: Omit<ImageDamage, 'file'>): void {
    const { offset, offsetEnd, what } = damage;
    const end = offsetEnd === undefined ? {} : { offsetEnd };
    this.#damages.push({ file: this.#parts.file, offset, ...end, what });
  }
}

type EntryVisitor = (key: IndexKey, version: number, valueStart: number, valueEnd: number) => void;

/**
 * Puts what is whole of a damaged image over entries that are as old as it, or older. A whole block says what all keys
 * from its first to its last are; whole blocks that follow each other, also what is between them; so what they do not
 * have is deleted.
 */
export async function overlayImage(
  image: ImageExamination,
  keyCodec: KeyCodec<unknown>,
  shapes: Shapes | null,
  entries: Entries,
): Promise<void> {
  /** The last key of the block before, if that was whole; undefined before the first block. */
  let lastKey: IndexKey | undefined;
  let isContiguous = true;
  for await (const piece of image.pieces()) {
    if (piece.kind === 'damage') {
      isContiguous = false;
      continue;
    }
    const { bytes } = piece;
    const block: { key: IndexKey; version: number; start: number; end: number }[] = [];
    try {
      image.visitEntries(piece, keyCodec, shapes, (key, version, start, end) =>
        block.push({ key, version, start, end }),
      );
    } catch (error) {
      if (!isKeelsonError(error)) throw error;
      isContiguous = false;
      continue;
    }
    const high = block.at(-1)?.key;
    // The end block has no keys: what follows the last one is proven absent, or nothing is.
    if (high === undefined && !isContiguous) return;
    entries.deleteRange({
      low: isContiguous ? lastKey : block[0]!.key,
      lowInclusive: !isContiguous || lastKey === undefined,
      high,
      highInclusive: true,
    });
    for (const { key, version, start, end } of block) entries.set(key, version, bytes, start, end);
    lastKey = high;
    isContiguous = true;
  }
}

function notInOrder(number: number): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `block ${number} is not in key order`);
}
