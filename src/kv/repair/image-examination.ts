// The examination of one image that may be damaged: finds the blocks that are whole, and notes the damage.

import { isKeelsonError, KeelsonError, whatHappened } from '../../errors.js';
import type { Damage } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { Schema } from '../entries/schema.js';
import type { SpaceDefinition } from '../entries/space.js';
import { type EntryVisitor, readImageEntries } from '../image/image-block-reader.js';
import { BLOCK_KIND, imageSeed } from '../image/image-format.js';
import { IMAGE_HEADER_BYTES, type ImageHeader } from '../image/image-header.js';
import { type LoadedSpaces, loadImage, readImageHeader } from '../image/image-loader.js';
import { imagePath } from '../image/image-names.js';
import { ImageOutline } from '../image/image-outline.js';
import { type ImageTable, readImageTable } from '../image/image-table.js';
import { type ImagePiece, scanImage } from './lenient-image-scan.js';

/** The findings of verify() and salvage() about one image. */
export interface ImageFindings {
  /** The name of the file. */
  readonly file: string;
  /** The size of the file in bytes. */
  readonly bytes: number;
  /** The LSN in the name of the image. */
  readonly lsn: number;
  /** The number of entries in the blocks that are whole. */
  readonly entries: number;
  /** True when no part of the image is damaged. */
  readonly isWhole: boolean;
}

/** A damaged place, before it is known whether open() needs it. */
type ImageDamage = Omit<Damage, 'isNeeded'>;

/** A block that verifies. */
export type Block = Extract<ImagePiece, { kind: 'block' }>;

interface ExaminedImageParts {
  readonly storage: Storage;
  readonly path: string;
  readonly file: string;
  /** The LSN in the name of the image. */
  readonly lsn: number;
  readonly bytes: number;
  readonly header: ImageHeader | null;
  /** The reason why the header does not verify, or null. */
  readonly why: string | null;
  readonly isForeignFile: boolean;
}

/** The examination of one image: of() examines the header, and then read() examines the rest. */
export class ImageExamination {
  /** The LSN in the header, or the LSN in the name if the header does not verify. */
  readonly lsn: number;
  /** The header, or null when it does not verify. */
  readonly header: ImageHeader | null;
  /** The size of the file in bytes. */
  readonly bytes: number;
  /** True when the file does not start like an image. */
  readonly isForeignFile: boolean;
  /** True when the image belongs to another journal, or nobody knows to which. read() finds out. */
  isForeign = false;
  /** The ids of the spaces in the table, or null when no table is whole. read() finds them. */
  spaceIds: readonly number[] | null = null;
  readonly #parts: ExaminedImageParts;
  readonly #damages: ImageDamage[] = [];
  #entries = 0;
  #blocks = 0;
  #seed: number | null = null;

  /** Examines the header of an image. Throws KEELSON_FORMAT_VERSION for an image of a newer Keelson. */
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

  /** The LSN in the name of the image. */
  get nameLsn(): number {
    return this.#parts.lsn;
  }

  /** True when read() found no damage. open() loads such an image, even if it belongs to another journal. */
  get isWhole(): boolean {
    return this.#damages.length === 0;
  }

  /** True when the header or a block verifies, which proves that the journal was once durable through the LSN. */
  get isProven(): boolean {
    return !this.isForeign && (this.header !== null || this.#blocks > 0);
  }

  /** The damages that read() found. An image of another journal has one more, which says so. */
  get damages(): ImageDamage[] {
    if (!this.isForeign) return this.#damages;
    const what = 'the image belongs to another journal, or nothing says to which';
    return [{ file: this.#parts.file, offset: 0, what }, ...this.#damages];
  }

  /** The findings for the report. */
  get findings(): ImageFindings {
    const { file, bytes, lsn } = this.#parts;
    return { file, bytes, lsn, entries: this.#entries, isWhole: this.isWhole };
  }

  /**
   * Reads the whole image, notes its damages, and adds its spaces and definitions to the schema. With `schema` null, and
   * for an image of another journal, it counts the entries without decoding them.
   *
   * `journalId` is the journal of the store, or null if nobody knows it. If the header does not verify, the blocks are
   * checked against `journalId` and the LSN in the name of the image. Without either id, no block can be read.
   */
  async read(journalId: Uint8Array | null, schema: Schema | null): Promise<void> {
    const { lsn, header, why } = this.#parts;
    if (why !== null) this.#damage({ offset: 0, offsetEnd: IMAGE_HEADER_BYTES, what: why });
    if (header !== null && header.lsn !== lsn) {
      this.#damage({ offset: 0, what: `the header says it is the image of LSN ${header.lsn}` });
    }
    const id = header?.journalId ?? journalId;
    this.isForeign = id === null || journalId === null || Buffer.compare(id, journalId) !== 0;
    if (id === null) return;
    this.#seed = imageSeed({ journalId: id, lsn: this.lsn });
    // An image of another journal says nothing about this store.
    const own = this.isForeign ? null : schema;
    const outline = header === null ? null : new ImageOutline(header);
    let last: LastKey | null = null;
    for await (const piece of this.pieces()) {
      if (piece.kind === 'damage') {
        this.#damage(piece);
        continue;
      }
      this.#blocks++;
      if (piece.head.kind === BLOCK_KIND.entries) this.#entries += piece.head.entries;
      try {
        // After damage, the outline no longer matches. The damage is noted already.
        if (this.isWhole) outline?.take(piece.bytes, piece.head);
        if (own !== null) last = this.#readBlock(piece, own, last);
      } catch (error) {
        if (!isKeelsonError(error)) throw error;
        this.#damage({ offset: piece.offset, what: whatHappened(error) });
      }
    }
  }

  /** Reads a block, adds its spaces or definitions to the schema, and returns the last key so far. */
  #readBlock(piece: Block, schema: Schema, last: LastKey | null): LastKey | null {
    const { head, bytes } = piece;
    if (head.kind === BLOCK_KIND.table) {
      const table = readImageTable(bytes);
      this.spaceIds = table.spaces.map(({ id }) => id);
      addSpaces(schema, table);
    }
    if (head.kind !== BLOCK_KIND.entries) return last;
    const space = schema.space(head.spaceId);
    // This happens only after damage: otherwise the outline has refused a block of an unknown space.
    if (space === undefined) return null;
    let lastKey = last?.spaceId === head.spaceId ? last.key : undefined;
    this.visitEntries(piece, schema, space, (key) => {
      if (lastKey !== undefined && key <= lastKey) throw notInOrder(head.number);
      lastKey = key;
    });
    return { spaceId: head.spaceId, key: lastKey! };
  }

  /** Yields the blocks that verify and the damaged places. Yields nothing when read() knew no journal id. */
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

  /** Calls `visit` for every entry of a block of entries from pieces(). */
  visitEntries({ bytes, head }: Block, schema: Schema, space: SpaceDefinition, visit: EntryVisitor): void {
    readImageEntries(bytes, head, { schema, space, lsn: this.lsn }, visit);
  }

  /** Loads the spaces of the image, which must be whole. */
  load(schema: Schema): Promise<LoadedSpaces> {
    const { storage, path } = this.#parts;
    return loadImage(storage, path, this.header!, schema, () => {});
  }

  #damage(damage: Omit<ImageDamage, 'file'>): void {
    const { offset, offsetEnd, what } = damage;
    const end = offsetEnd === undefined ? {} : { offsetEnd };
    this.#damages.push({ file: this.#parts.file, offset, ...end, what });
  }
}

/** The last key that was read, and its space. */
interface LastKey {
  readonly spaceId: number;
  readonly key: IndexKey;
}

/** Adds the spaces of a table to the schema. Throws KEELSON_CORRUPT when the schema defines one of them differently. */
function addSpaces(schema: Schema, { spaces, nextSpaceId, highestId }: ImageTable): void {
  schema.reserveIds(nextSpaceId);
  schema.idRecorded(highestId);
  for (const { id, definition } of spaces) {
    const known = schema.space(id);
    if (known === undefined) schema.add(schema.newSpace(id, definition));
    else if (!known.equals(definition)) throw otherSpace(id);
  }
}

function notInOrder(number: number): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `block ${number} is not in key order`);
}

function otherSpace(id: number): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `the table of spaces says that space ${id} is another one`);
}
