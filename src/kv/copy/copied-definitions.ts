// The definitions that copied records refer to. Values may refer to a shape that the log defines before the backup began.
// Then only the image of the backup can hold it. A backup that lacks one could not be opened.

import { KeelsonError } from '../../errors.js';
import type { Storage } from '../../storage/index.js';
import type { ReadCursor } from '../encoding/leb128.js';
import type { DefinitionId } from '../entries/definitions.js';
import { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import { FeedSchema } from '../feed/feed-schema.js';
import { OperationsReader } from '../feed/record-operations.js';
import { loadImage, readImageHeader } from '../image/image-loader.js';
import { imagePath } from '../image/image-names.js';

/** A schema that notes which definitions a record has, and which its values refer to. */
class NotingSchema extends FeedSchema {
  readonly defined = new Set<DefinitionId>();
  readonly referred = new Set<DefinitionId>();

  override readDefinition(bytes: Uint8Array, cursor: ReadCursor, end: number): DefinitionId {
    const id = super.readDefinition(bytes, cursor, end);
    this.defined.add(id);
    return id;
  }

  override assertDefined(id: DefinitionId): void {
    super.assertDefined(id);
    this.referred.add(id);
  }
}

/** Checks that a backup holds what its records refer to. */
export class CopiedDefinitions {
  readonly #storage: Storage;
  readonly #directory: string;
  /** The LSN of the image of the backup. */
  readonly #imageLsn: number;
  readonly #schema: Schema;
  #noting: NotingSchema | null = null;
  #reader: OperationsReader | null = null;
  /** The definitions that the backup has in its log. */
  readonly #defined = new Set<DefinitionId>();
  /** The definitions that only its image can have. */
  readonly #missing = new Set<DefinitionId>();
  /** The definitions of its image, when they are read. */
  #ofImage: ReadonlyMap<DefinitionId, unknown> | null = null;

  constructor(storage: Storage, directory: string, imageLsn: number, schema: Schema) {
    this.#storage = storage;
    this.#directory = directory;
    this.#imageLsn = imageLsn;
    this.#schema = schema;
  }

  /** Starts before the first record. `spaces` are those of the store. */
  start(spaces: readonly Space[]): void {
    this.#noting = new NotingSchema(this.#schema, spaces, false);
    this.#reader = new OperationsReader(this.#noting, this.#schema);
  }

  /** Reads the next record, `bytes[start, end)`. Throws KEELSON_DECODE. */
  read(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    const { defined, referred } = this.#noting!;
    this.#reader!.read(bytes, start, end);
    // What stands at or below the LSN of the image is not in the log of the backup.
    if (lsn > this.#imageLsn) {
      for (const id of defined) this.#defined.add(id);
      for (const id of referred) if (!this.#defined.has(id)) this.#missing.add(id);
    }
    defined.clear();
    referred.clear();
  }

  /** Throws KEELSON_HISTORY_GONE when a record that was read refers to a definition that the backup lacks. */
  async assertAll(): Promise<void> {
    if (this.#missing.size === 0) return;
    this.#ofImage ??= await this.#readImage();
    for (const id of this.#missing) {
      if (!this.#ofImage.has(id)) throw undefinedIn(this.#directory);
      this.#defined.add(id);
    }
    this.#missing.clear();
  }

  async #readImage(): Promise<ReadonlyMap<DefinitionId, unknown>> {
    const storage = this.#storage;
    const path = imagePath(this.#directory, this.#imageLsn);
    const { verdict } = await readImageHeader(storage, path);
    if (!verdict.ok) throw new KeelsonError(verdict.code, `${path}: ${verdict.why}`, { path });
    const schema = new Schema((length) => storage.randomBytes(length), storage.populate);
    await loadImage(storage, path, verdict.header, schema, () => {});
    return schema.definitions;
  }
}

function undefinedIn(directory: string): KeelsonError {
  const text = {
    what: `The backup in ${directory} lacks a definition that the store wrote before the backup was made`,
    next: 'Make a new backup in an empty directory',
  };
  return new KeelsonError('KEELSON_HISTORY_GONE', text, { path: directory });
}
