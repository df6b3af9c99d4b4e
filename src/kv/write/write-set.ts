// One atomic write before it is in the log: its operations in their order, and the record that holds them. A put makes
// nothing new for it: memory and arrays are those of the write before.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey, KeyCodec } from '../encoding/key-encoding.js';
import type { Shapes } from '../encoding/shapes.js';
import type { Entries, EntryHandle } from '../entries/entries.js';
import { RecordWriter } from './record-codec.js';

const PUT = 0;
const DELETE = 1;
const CLEAR = 2;

/** Arrays of so few operations are kept for the next write. Those of more are made anew, which frees their keys. */
const OPERATIONS_KEPT_MAX = 1;

export class WriteSet {
  readonly #writer: RecordWriter;
  #count = 0;
  #kinds: number[] = [];
  /** The keys of puts and deletes, by the place of the operation. */
  #keys: IndexKey[] = [];
  /** Where in the record the values of puts begin, by the place of the operation. */
  #valueStarts: number[] = [];
  /** Where they end. */
  #valueEnds: number[] = [];
  /** The staged entries of puts, by the place of the operation. */
  #handles: EntryHandle[] = [];
  /** The bounds of clears, in their order. */
  #bounds: KeyBounds[] = [];

  /** `recordBytesMax` and `shapes` are those of RecordWriter. */
  constructor(recordBytesMax: number, shapes: Shapes | null) {
    this.#writer = new RecordWriter(recordBytesMax, shapes);
  }

  /** How many operations there are. */
  get count(): number {
    return this.#count;
  }

  /** Starts a write. What finish() returned before is overwritten. */
  begin(): void {
    this.#count = 0;
    this.#writer.begin();
  }

  put(codec: KeyCodec<unknown>, key: IndexKey, value: Uint8Array): void {
    const valueStart = this.#writer.put(codec, key, value);
    const at = this.#count;
    this.#kinds[at] = PUT;
    this.#keys[at] = key;
    this.#valueStarts[at] = valueStart;
    this.#valueEnds[at] = this.#writer.length;
    this.#count = at + 1;
  }

  delete(codec: KeyCodec<unknown>, key: IndexKey): void {
    this.#writer.delete(codec, key);
    this.#kinds[this.#count] = DELETE;
    this.#keys[this.#count] = key;
    this.#count++;
  }

  clear(codec: KeyCodec<unknown>, bounds: KeyBounds): void {
    this.#writer.clear(codec, bounds);
    this.#kinds[this.#count++] = CLEAR;
    this.#bounds.push(bounds);
  }

  /** The record, good until the next begin(). Throws KEELSON_RECORD_TOO_LARGE. */
  finish(): Uint8Array {
    return this.#writer.finish();
  }

  /** Puts values into memory that is ready for them: all of them, or it throws NoSlabMemory and there is none. */
  stage(entries: Entries, record: Uint8Array): void {
    let at = 0;
    try {
      for (; at < this.#count; at++) {
        if (this.#kinds[at] !== PUT) continue;
        this.#handles[at] = entries.stage(
          this.#keys[at]!,
          record,
          this.#valueStarts[at]!,
          this.#valueEnds[at]!,
        );
      }
    } catch (error) {
      while (--at >= 0) if (this.#kinds[at] === PUT) entries.discard(this.#handles[at]!);
      throw error;
    }
    if (this.#count > 1) this.#warm(entries);
  }

  /** Applies all operations to entries in which they were staged. `version` is the LSN of the record. */
  link(entries: Entries, version: number): void {
    let clears = 0;
    for (let at = 0; at < this.#count; at++) {
      const kind = this.#kinds[at];
      if (kind === PUT) entries.link(this.#keys[at]!, version, this.#handles[at]!);
      else if (kind === DELETE) entries.delete(this.#keys[at]!);
      else entries.deleteRange(this.#bounds[clears++]!);
    }
  }

  /** The record is in the log, and with it what it defines. */
  appended(): void {
    this.#writer.appended();
  }

  /** Lets go of what a giant write has taken, and of keys: they are the caller's, and may be parts of longer strings. */
  release(): void {
    this.#writer.trim();
    if (this.#bounds.length > 0) this.#bounds = [];
    if (this.#count <= OPERATIONS_KEPT_MAX) {
      this.#keys[0] = '' as IndexKey;
      return;
    }
    this.#count = 0;
    this.#kinds = [];
    this.#keys = [];
    this.#valueStarts = [];
    this.#valueEnds = [];
    this.#handles = [];
  }

  #warm(entries: Entries): void {
    for (let at = 0; at < this.#count; at++) {
      if (this.#kinds[at] === PUT) entries.warmLink(this.#handles[at]!);
    }
  }
}
