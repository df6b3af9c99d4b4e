// The parts of which an image is built. The walk over a view makes them, in this thread; an ImageBuild makes blocks of
// them, in this thread or in a worker (image-worker.ts), to which they are sent as they are.

import { ALL_KEYS } from '../encoding/key-bounds.js';
import type { KeyEncodingName } from '../encoding/key-encoding.js';
import { Scratch } from '../encoding/scratch.js';
import type { DefinitionId } from '../entries/definitions.js';
import type { EntryId } from '../entries/entry-handles.js';
import { NO_FLOOR } from '../entries/expiring-entries.js';
import type { FrozenDue, FrozenEntries } from '../entries/frozen-entries.js';
import type { Schema } from '../entries/schema.js';
import { NO_DEADLINE } from '../entries/slab.js';
import type { SpaceView, WholeView } from '../entries/store-view.js';
import type { IndexWalk } from '../entries/view.js';
import { IMAGE_BLOCK_PAYLOAD_BYTES_MAX } from './image-format.js';
import { writeImageTable } from './image-table.js';

/** The most slabs in a part: more would take long to send. */
const PART_SLABS_MAX = 256;

/** A space or a slab takes as much work as this many entries, about. */
const ENTRIES_PER_SPACE = 16;

/** The facts about an image on which every block depends. */
export interface ImageOutline {
  readonly journalId: Uint8Array;
  readonly lsn: number;
  /** The bytes of the table of spaces, and the number of its rows. */
  readonly table: Uint8Array;
  readonly tableRows: number;
  readonly definitions: ReadonlyMap<DefinitionId, Uint8Array>;
}

/** A part. The parts of a space come in this order: the space, its slabs, its entries in the order of their keys. */
export type ImagePart =
  | {
      readonly kind: 'space';
      readonly id: number;
      readonly keyEncoding: KeyEncodingName;
      readonly hasReferences: boolean;
      /** True when entries may have deadlines. */
      readonly hasDeadlines: boolean;
      /** The number of entries of the space. */
      readonly entries: number;
      readonly slabBytesMax: number;
    }
  | { readonly kind: 'slabs'; readonly memories: readonly (Uint8Array | undefined)[] }
  | {
      readonly kind: 'entries';
      readonly count: number;
      readonly ids: Uint32Array<ArrayBuffer>;
      readonly handles: Float64Array<ArrayBuffer>;
      /** 1 for each entry that was found due; null when none was. */
      readonly areDue: Uint8Array<ArrayBuffer> | null;
    }
  | { readonly kind: 'end' };

/** Returns the outline of the image of a view. */
export function outlineOf(journalId: Uint8Array, view: WholeView, schema: Schema): ImageOutline {
  const out = new Scratch(IMAGE_BLOCK_PAYLOAD_BYTES_MAX);
  writeImageTable(view, out);
  const table = out.bytes.slice(0, out.at);
  const { definitions } = schema;
  return { journalId, lsn: view.lsn, table, tableRows: view.spaces.length, definitions };
}

/** Yields the parts of the image of a view, with at most `entriesMax` entries in a part. */
export function* partsOf(view: WholeView, entriesMax: number): Generator<ImagePart, void, undefined> {
  for (const space of view.spaces) if (space.size > 0) yield* partsOfSpace(space, view.keepsDue, entriesMax);
  yield { kind: 'end' };
}

/** Returns the work of a part, in entries. */
export function workOf(part: ImagePart): number {
  if (part.kind === 'entries') return part.count;
  return ENTRIES_PER_SPACE * (part.kind === 'slabs' ? part.memories.length : 1);
}

/** Yields the parts in bundles of about `entriesMax` entries, because a store may have many small spaces. */
export function* bundlesOf(view: WholeView, entriesMax: number): Generator<ImagePart[], void, undefined> {
  let bundle: ImagePart[] = [];
  let work = 0;
  for (const part of partsOf(view, entriesMax)) {
    bundle.push(part);
    work += workOf(part);
    if (work < entriesMax && part.kind !== 'end') continue;
    yield bundle;
    bundle = [];
    work = 0;
  }
}

function* partsOfSpace(
  { space, size, entries }: SpaceView,
  keepsDue: boolean,
  entriesMax: number,
): Generator<ImagePart, void, undefined> {
  const { id, keyCodec, hasReferences } = space;
  const { slabs } = entries;
  const { slabBytesMax } = slabs;
  const keyEncoding = keyCodec.name;
  const hasDeadlines = entries.due !== null;
  yield { kind: 'space', id, keyEncoding, hasReferences, hasDeadlines, entries: size, slabBytesMax };
  for (let from = 0; ; from += PART_SLABS_MAX) {
    const memories = slabs.memoriesAt(from, from + PART_SLABS_MAX);
    if (memories.length === 0) break;
    yield { kind: 'slabs', memories };
  }
  const walk = keepsDue ? new WalkWithDue(entries) : new WalkWithoutDue(entries);
  for (let left = size, isMore = walk.advance(); isMore; left -= entriesMax) {
    const countMax = Math.max(1, Math.min(left, entriesMax));
    const ids = new Uint32Array(countMax);
    const handles = new Float64Array(countMax);
    let areDue: Uint8Array<ArrayBuffer> | null = null;
    let count = 0;
    for (; count < countMax && isMore; isMore = walk.advance()) {
      if (walk.isDue) {
        areDue ??= new Uint8Array(countMax);
        areDue[count] = 1;
      }
      ids[count++] = walk.id;
    }
    // In a loop of its own, so that the cache misses overlap.
    for (let at = 0; at < count; at++) handles[at] = entries.handleOf(ids[at]!);
    yield { kind: 'entries', count, ids, handles, areDue };
  }
}

/** A walk over the entries of a space that were not found due. */
class WalkWithoutDue {
  readonly isDue = false;
  readonly #walk: IndexWalk<EntryId>;

  constructor(entries: FrozenEntries) {
    this.#walk = entries.walk(ALL_KEYS);
  }

  get id(): EntryId {
    return this.#walk.value;
  }

  advance(): boolean {
    return this.#walk.advance();
  }
}

/** A walk over the entries of a space in the order of their keys, with those that were found due. */
class WalkWithDue {
  id: EntryId = 0;
  isDue = false;
  readonly #entries: FrozenEntries;
  readonly #others: IndexWalk<EntryId>;
  readonly #due: FrozenDue['keys'];
  #dueAt = 0;
  #hasOther: boolean;

  constructor(entries: FrozenEntries) {
    this.#entries = entries;
    this.#others = entries.walk(ALL_KEYS);
    this.#due = (entries.due?.keys ?? []).toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#hasOther = this.#others.advance();
  }

  advance(): boolean {
    const due = this.#due[this.#dueAt];
    if (!this.#hasOther && due === undefined) return false;
    if (due !== undefined && (!this.#hasOther || due[0] < this.#others.key)) {
      this.isDue = true;
      this.id = due[1];
      this.#dueAt++;
    } else {
      this.id = this.#others.value;
      this.isDue = this.#isHidden(this.id);
      this.#hasOther = this.#others.advance();
    }
    return true;
  }

  /** Returns true for an entry that was found due and that has not left the indexes yet. */
  #isHidden(id: EntryId): boolean {
    const floor = this.#entries.due?.floor ?? NO_FLOOR;
    if (floor === NO_FLOOR) return false;
    const deadline = this.#entries.deadlineOf(this.#entries.handleOf(id));
    return deadline !== NO_DEADLINE && deadline <= floor;
  }
}
