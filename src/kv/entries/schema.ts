// The schema of a store: its spaces, and the definitions that values refer to. Keys and values in the log and in images
// can be read only with the schema.
//
// A definition is the id and the property names of a shape (src/kv/encoding/shapes.ts). An epoch is a part of the log:
// one starts at each open and each checkpoint, and whenever the epoch before is EPOCH_BYTES long. In each epoch, the
// log holds a definition before the first value that refers to it. An image holds a definition in every block with a
// value that refers to it. So the log after a checkpoint can be read without the log before it, and each block of an
// image without the other blocks.

import { KeelsonError } from '../../errors.js';
import type { ReadCursor } from '../encoding/leb128.js';
import { msgpackCodec } from '../encoding/msgpack/msgpack-codec.js';
import type { Scratch } from '../encoding/scratch.js';
import { type RandomBytes, readShape, Shapes, writeShape } from '../encoding/shapes.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import { DEFINITION_BYTES_MAX, type DefinitionId } from './definitions.js';
import { Entries, type EntriesOptions } from './entries.js';
import { Expiry, NO_TIME } from './expiry.js';
import { LinkQueue } from './link-queue.js';
import type { Populate } from './slab.js';
import { ROOT_ID, SPACE_ID_MAX, Space, type SpaceDefinition } from './space.js';
import { KEEPS_DUE, type StoreView, StoreViews, WholeView } from './store-view.js';
import { WriteLog } from './write-log.js';

/** Definitions are repeated after this much log, so that losing one makes at most 256 KiB of records unreadable. */
const EPOCH_BYTES = 256 * 1024;

/** The work at the end of a replay after which it yields, in entries, and what each space adds to that of its entries. */
const YIELD_WORK = 65_536;
const SPACE_WORK = 16;

/** The spaces and definitions of one store. */
export class Schema {
  /** The links that a commit has put off, in all spaces. */
  readonly links: LinkQueue;
  /** The recent changes, for the checks of open transactions. */
  readonly writeLog: WriteLog;
  /** When entries expire. */
  readonly expiry: Expiry;
  /** The views that are open. */
  readonly views: StoreViews;
  /** The msgpack codec of this store, whose values may refer to definitions. */
  readonly msgpack: ValueCodec<unknown>;
  /** The seed of the hashes of keys. It is secret: see hashKey(). */
  readonly seed: number;
  /** The options of the entries of all spaces. */
  readonly entriesOptions: EntriesOptions;
  readonly #shapes: Shapes;
  readonly #makeDraft: () => Schema;
  #declaredFor: (definition: SpaceDefinition) => Space | undefined = () => undefined;
  /** The root space, which reset(), replaceAll() and add() set. */
  root!: Space;
  #spaces = new Map<number, Space>();
  /** The spaces in the order of their ids, or null after a change of them. */
  #inOrder: readonly Space[] | null = null;
  #nextSpaceId = ROOT_ID + 1;
  /** The highest id that nextId() has drawn, and the highest one that a record of the log carries. */
  #highestId = 0;
  #recordedId = 0;
  #isReplaying = false;
  #epoch = 1;
  #part = 1;
  /** The LSN at which the epoch ends. A write at or above it starts the next epoch. */
  #epochEndLsn = EPOCH_BYTES;

  /**
   * `randomBytes` comes from the storage, so that a simulated disk decides what it returns. So does `populate`.
   * `changesMax` is the most changes in the write log, which tests make small.
   */
  constructor(randomBytes: RandomBytes, populate: Populate | null = null, changesMax?: number, of?: Schema) {
    this.entriesOptions = { populate };
    this.writeLog = new WriteLog(changesMax);
    this.links = of?.links ?? new LinkQueue();
    this.expiry = new Expiry(this.links, this.writeLog);
    this.views = of?.views ?? new StoreViews(this.links, this.expiry);
    this.#shapes = of === undefined ? new Shapes(randomBytes) : of.#shapes;
    this.msgpack = of?.msgpack ?? msgpackCodec(this.#shapes);
    this.seed = of?.seed ?? randomBytes(4).reduce((seed, byte) => (seed << 8) | byte, 0);
    this.#makeDraft = () => new Schema(randomBytes, populate, changesMax, this);
  }

  /**
   * Returns a schema without spaces, into which a store can be loaded anew while this schema is read. They share
   * definitions and the link queue. Nothing may be put off in the queue, and no other change of entries may be under way
   * until take() or the end of the loading.
   */
  draft(): Schema {
    return this.#makeDraft();
  }

  /**
   * Takes over the spaces of a draft. Handles of spaces show their new entries, and views keep what they saw. Returns the
   * spaces that are there no more.
   */
  takeOver(draft: Schema): Space[] {
    const gone = this.spaces.filter((space) => {
      const other = draft.space(space.id);
      return other === undefined || !other.equals(space);
    });
    for (const { id } of gone) this.drop(id);
    for (const loaded of draft.spaces) {
      const known = this.space(loaded.id) ?? this.spaceToCreate(loaded.id, loaded);
      known.replace(loaded);
      if (!known.isThere) this.add(known);
    }
    this.reserveIds(draft.nextSpaceId);
    this.idRecorded(draft.highestId);
    return gone;
  }

  /**
   * Returns the space that a creation in the log adds: the one that onCreation() has for its name, or a new one.
   */
  spaceToCreate(id: number, definition: SpaceDefinition): Space {
    const declared = this.#declaredFor(definition);
    if (declared === undefined) return this.newSpace(id, definition);
    declared.id = id;
    return declared;
  }

  /**
   * Sets the function that returns a space which was declared with this definition, and is not there yet. For a store that
   * was opened read-only: the log of another process creates what its program has asked for.
   */
  onCreation(declaredFor: (definition: SpaceDefinition) => Space | undefined): void {
    this.#declaredFor = declaredFor;
  }

  /** All spaces, in the order of their ids. */
  get spaces(): readonly Space[] {
    this.#inOrder ??= [...this.#spaces.values()].sort((a, b) => a.id - b.id);
    return this.#inOrder;
  }

  /** The id of the next space that is created. No id is used twice. */
  get nextSpaceId(): number {
    return this.#nextSpaceId;
  }

  /**
   * Draws an id: a number above all ids that were drawn before, from 1. The next record of the log carries it. Throws
   * KEELSON_EXHAUSTED when 2^53 − 1 was drawn.
   */
  nextId(): number {
    if (this.#highestId === Number.MAX_SAFE_INTEGER)
      throw new KeelsonError('KEELSON_EXHAUSTED', 'The store has drawn all ids up to 2^53 − 1');
    return ++this.#highestId;
  }

  /** Draws all ids up to this one. */
  drawUpTo(id: number): void {
    if (id > this.#highestId) this.#highestId = id;
  }

  /** The highest id that was drawn; 0 before the first. */
  get highestId(): number {
    return this.#highestId;
  }

  /** The id that the next record must carry: the highest one if no record carries it yet, otherwise 0. */
  get idToRecord(): number {
    return this.#highestId > this.#recordedId ? this.#highestId : 0;
  }

  /** Notes that the log or an image holds this id, so that nextId() draws only ids above it. */
  idRecorded(id: number): void {
    if (id > this.#recordedId) this.#recordedId = id;
    this.drawUpTo(id);
  }

  /** Returns the space with this id, or undefined. */
  space(id: number): Space | undefined {
    return this.#spaces.get(id);
  }

  /** Returns the space with this id, or undefined: the schema has the spaces that the log has created. */
  enteredSpace(id: number): Space | undefined {
    return this.#spaces.get(id);
  }

  /** Returns a new space, empty unless `entries` are given. The caller adds it. */
  newSpace(
    id: number,
    definition: SpaceDefinition,
    entries = new Entries(this.seed, this.links, this.entriesOptions),
  ): Space {
    return new Space(id, definition, entries, this.views, this.expiry);
  }

  /** Adds a space. */
  add(space: Space): void {
    this.#spaces.set(space.id, space);
    this.#inOrder = null;
    space.enter();
    if (space.id === ROOT_ID) this.root = space;
    this.#nextSpaceId = Math.max(this.#nextSpaceId, space.id + 1);
    if (this.#isReplaying) space.entries.startReplay();
  }

  /** Starts a replay in all spaces, and in those that it adds. See Entries.startReplay(). */
  startReplay(): void {
    this.#isReplaying = true;
    for (const space of this.#spaces.values()) space.entries.startReplay();
  }

  /** Ends a replay. Yields between parts of the work, and nobody looks at entries before the last part is done. */
  *endReplay(): Generator<void, void, void> {
    this.#isReplaying = false;
    let work = 0;
    for (const { entries } of this.#spaces.values()) {
      const workOfPart = SPACE_WORK + entries.size;
      // A large space yields for each part of its work, and a small one shares a part with others.
      for (const _ of entries.endReplay()) {
        work += workOfPart;
        if (work < YIELD_WORK) continue;
        work = 0;
        yield;
      }
    }
  }

  /** Gives new spaces only ids of at least `nextSpaceId`, because the ids below it have been used. */
  reserveIds(nextSpaceId: number): void {
    this.#nextSpaceId = Math.max(this.#nextSpaceId, nextSpaceId);
  }

  /** Returns a new and empty space with an id of its own. The first write to it adds it. */
  declare(definition: SpaceDefinition): Space {
    if (this.#nextSpaceId > SPACE_ID_MAX)
      throw new KeelsonError('KEELSON_EXHAUSTED', 'The store has no id left for another namespace');
    return this.newSpace(this.#nextSpaceId++, definition);
  }

  /** Removes a space and its entries, which earlier views keep. O(1). */
  drop(id: number): void {
    this.#spaces.get(id)?.leave(new Entries(this.seed, this.links, this.entriesOptions));
    this.#spaces.delete(id);
    this.#inOrder = null;
  }

  /** Replaces all spaces by an empty root space. */
  reset(root: SpaceDefinition): void {
    this.replaceAll([this.newSpace(ROOT_ID, root)], ROOT_ID + 1);
  }

  /** Replaces all spaces by the spaces of an image, which include a root space, and the ids by those of the image. */
  replaceAll(spaces: readonly Space[], nextSpaceId: number, highestId = 0): void {
    // A replay that failed half-way may have left links of the spaces that go.
    this.links.forget();
    this.expiry.spaces.clear();
    this.#isReplaying = false;
    this.#spaces = new Map(spaces.map((space) => [space.id, space]));
    this.#inOrder = null;
    for (const space of spaces) space.enter();
    this.#nextSpaceId = nextSpaceId;
    this.#highestId = highestId;
    this.#recordedId = highestId;
    this.root = this.#spaces.get(ROOT_ID)!;
  }

  /**
   * Returns a view of the store. `lsn` is the LSN of the last write, and `now` the time at which entries are due. O(1). The
   * caller closes the view; with `isShort`, in any case: see StoreViews.take().
   */
  view(lsn: number, now: number = NO_TIME, isShort = false): StoreView {
    return this.views.take(lsn, now, this.#nextSpaceId, isShort);
  }

  /**
   * Returns a view that lists all spaces, with the due entries whose removal is not in the log. `lsn` is the LSN of the last
   * write. O(spaces). The caller closes the view.
   */
  wholeView(lsn: number): WholeView {
    return WholeView.of(this.view(lsn, KEEPS_DUE), this.#highestId, this.spaces, true);
  }

  /** Returns what wholeView() returns, without the entries that are due at `now`. O(spaces + due entries). */
  wholeViewAt(lsn: number, now: number): WholeView {
    for (const space of this.expiry.spaces) this.expiry.settleAll(space, now);
    return WholeView.of(this.view(lsn, now), this.#highestId, this.spaces, false);
  }

  /** Throws KEELSON_DECODE when the schema has no definition with this id. */
  assertDefined(id: DefinitionId): void {
    this.#shapes.get(id);
  }

  /** Returns true when the log has the definition in this epoch. */
  isRecorded(id: DefinitionId): boolean {
    return this.#shapes.get(id).epoch === this.#epoch;
  }

  /** Notes that the log has the definition in this epoch. */
  recorded(id: DefinitionId): void {
    this.#shapes.get(id).epoch = this.#epoch;
  }

  /** The number of the epoch, which grows. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The number of the part of the log, which grows. */
  get part(): number {
    return this.#part;
  }

  /**
   * Starts a part of the log at `lsn`, which can be read without the log before it: later records repeat each definition
   * that they need, also those of spaces. Every segment is such a part.
   */
  startPart(lsn: number): void {
    this.#part++;
    this.startEpoch(lsn);
  }

  /** Starts an epoch at `lsn`: later records repeat each definition that they need. Every checkpoint starts one. */
  startEpoch(lsn: number): void {
    this.#epoch++;
    this.#epochEndLsn = lsn + EPOCH_BYTES;
  }

  /** Starts an epoch when the current epoch is long enough. Called after every commit with its LSN. */
  committed(lsn: number): void {
    if (lsn >= this.#epochEndLsn) this.startEpoch(lsn);
  }

  /** All definitions by their ids, each as writeDefinition() writes it. */
  get definitions(): Map<DefinitionId, Uint8Array> {
    return new Map(
      this.#shapes.all.map((shape) => {
        const bytes = new Uint8Array(DEFINITION_BYTES_MAX);
        return [shape.id, bytes.slice(0, writeShape(bytes, shape, 0))];
      }),
    );
  }

  /** Appends a definition to `out`. */
  writeDefinition(id: DefinitionId, out: Scratch): void {
    out.reserve(DEFINITION_BYTES_MAX);
    out.at = writeShape(out.bytes, this.#shapes.get(id), out.at);
  }

  /**
   * Reads a definition at the cursor, moves past it, adds it, and returns its id. Throws KEELSON_DECODE when the
   * definition is malformed, or when its id has other names already.
   */
  readDefinition(bytes: Uint8Array, cursor: ReadCursor, end: number): DefinitionId {
    const shape = readShape(bytes, cursor, end);
    this.#shapes.enter(shape);
    return shape.id;
  }

  /**
   * Reads a definition of an older part of the log, for values that were written then. New values do not refer to it.
   * Otherwise like readDefinition().
   */
  readOldDefinition(bytes: Uint8Array, cursor: ReadCursor, end: number): DefinitionId {
    const shape = readShape(bytes, cursor, end);
    this.#shapes.learn(shape);
    return shape.id;
  }
}
