// Write sets: filled by calls and committed, or read from a record and applied, they do the same to spaces and entries. In
// every encoding, with definitions and refused writes between them. test/kv/write-path.test.ts has the order of a commit.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeelsonError } from '../../src/errors.js';
import type { RecordMemory, StoreLog } from '../../src/journal/internal.js';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import {
  type KeyEncodingName,
  resolveKeyEncoding,
  utf8KeyCodec,
} from '../../src/kv/encoding/key-encoding.js';
import {
  resolveValueEncoding,
  type ValueCodec,
  type ValueEncodingName,
} from '../../src/kv/encoding/value-encoding.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { ROOT_ID, type Space, SpaceDefinition } from '../../src/kv/entries/space.js';
import type { StoreView, WholeView } from '../../src/kv/entries/store-view.js';
import type { View } from '../../src/kv/entries/view.js';
import { Replay } from '../../src/kv/write/change-entries.js';
import { FunctionGuard } from '../../src/kv/write/function-guard.js';
import { PostingMaker } from '../../src/kv/write/index-postings.js';
import { readWriteSet } from '../../src/kv/write/record-reader.js';
import { WritePath } from '../../src/kv/write/write-path.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { BYTES_VALUES, recordIn } from './encoded.js';
import { leb128, lengthAnd } from './image-tools.js';
import { newSchema } from './schema-tools.js';

const FRAME_BYTES = 12;

/** A log in memory, which throws `refusal` where it would make room. */
class MemoryLog {
  readonly records: Uint8Array[] = [];
  nextLsn = 0;
  poisoned: KeelsonError | null = null;
  refusal: Error | null = null;
  onClaim: () => void = () => {};

  ensureRoom(): void {
    if (this.refusal !== null) throw this.refusal;
  }

  claim({ bytes, at }: RecordMemory): number {
    this.onClaim();
    this.records.push(bytes.slice(0, at));
    this.nextLsn += FRAME_BYTES + at;
    return this.nextLsn;
  }

  submitAtOnce(): void {}

  prepareAhead(): void {}
}

interface World {
  readonly log: MemoryLog;
  readonly schema: Schema;
  readonly path: WritePath;
}

function newWorld(valueEncodingName = 'bytes'): World {
  const log = new MemoryLog();
  const schema = newSchema(utf8KeyCodec, valueEncodingName);
  const path = new WritePath({
    log: log as unknown as StoreLog,
    schema,
    postings: new PostingMaker(new FunctionGuard()),
    assertWritable: () => {},
    onNoSpace: () => {},
  });
  path.observe(schema);
  return { log, schema, path };
}

/** Commits what `fill` adds to a write set. */
function commit(path: WritePath, fill: (writes: WriteSet) => void): number {
  const writes = path.take();
  try {
    fill(writes);
    return path.commit(writes);
  } finally {
    path.giveBack(writes);
  }
}

const put =
  (space: Space, key: string, bytes = 1) =>
  (writes: WriteSet) =>
    writes.put(space, key, BYTES_VALUES, new Uint8Array(bytes), 'value');

/** The most operations whose arrays are reused. */
const OPERATIONS_KEPT_MAX = 2048;

describe('a write set', () => {
  test('serves the next write, and while it is taken, another one serves', () => {
    const { path, schema } = newWorld();
    const first = path.take();
    put(schema.root, 'a')(first);
    const second = path.take();
    expect(second).not.toBe(first);
    expect([first.count, second.count]).toEqual([1, 0]);
    path.giveBack(first);
    const third = path.take();
    expect([third === first, third.count]).toEqual([true, 0]);
    expect(path.take()).not.toBe(third);
  });

  test('lets go of keys, of spaces, of the record, and of the arrays of very many operations, when it is released', () => {
    const { schema } = newWorld();
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    for (const count of [1, 2, 1000, 5000]) {
      writes.begin();
      for (let number = 0; number < count; number++) put(schema.root, `key ${number}`)(writes);
      expect(writes.finish().at).toBeGreaterThan(count);
      writes.release();
      expect([writes.bytes.length, writes.keys.join(''), writes.bounds]).toEqual([0, '', []]);
      expect(writes.spaces.every((space) => space === null)).toBe(true);
      for (const array of [writes.kinds, writes.spaces, writes.keys, writes.valueStarts, writes.valueEnds])
        expect(array.length).toBeLessThanOrEqual(OPERATIONS_KEPT_MAX);
      writes.begin();
      expect(writes.count).toBe(0);
    }
  });

  // They were counted by what was left of them: after a large part that was undone, the arrays stayed for ever.
  test('lets go of the arrays of very many operations that were taken back', () => {
    const { path, schema } = newWorld();
    const writes = path.take();
    put(schema.root, 'kept')(writes);
    const mark = writes.mark();
    for (let number = 0; number < 5000; number++) put(schema.root, `key ${number}`)(writes);
    writes.rollback(mark);
    expect([writes.count, writes.kinds.length]).toEqual([1, 5001]);
    path.giveBack(writes);
    expect(path.take()).toBe(writes);
    const { kinds, spaces, keys, valueStarts, valueEnds } = writes;
    for (const array of [kinds, spaces, keys, valueStarts, valueEnds])
      expect(array.length).toBeLessThanOrEqual(OPERATIONS_KEPT_MAX);
  });

  test('knows the spaces that it creates, until it begins anew', () => {
    const { schema } = newWorld();
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    const space = schema.newSpace(4, new SpaceDefinition('four', utf8KeyCodec, 'bytes'));
    writes.begin();
    put(schema.root, 'a')(writes);
    expect(writes.created(4)).toBeUndefined();
    writes.create(space);
    expect([4, 3, ROOT_ID].map((id) => writes.created(id))).toEqual([space, undefined, undefined]);
    for (const begin of [() => writes.begin(), () => writes.beginReading(new Uint8Array(1))]) {
      begin();
      expect(writes.created(4)).toBeUndefined();
      // A space that is dropped is not created.
      writes.addDrop(space);
      expect(writes.created(4)).toBeUndefined();
      writes.addCreate(space);
      expect(writes.created(4)).toBe(space);
    }
  });

  test('tells keys that were read from those of a caller, which may be parts of longer strings', () => {
    const { schema } = newWorld();
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    writes.begin();
    put(schema.root, 'a')(writes);
    expect(writes.hasOwnKeys).toBe(false);
    const record = recordIn(writes.finish()).slice();
    readWriteSet(schema, record, 0, record.length, writes);
    expect([writes.hasOwnKeys, writes.bytes === record]).toEqual([true, true]);
    writes.begin();
    expect(writes.hasOwnKeys).toBe(false);
  });

  test('that was stopped is refused with what the log was poisoned with, if it was', () => {
    const { path, schema, log } = newWorld();
    const [stop, poisoned] = [new Error('stopped'), new KeelsonError('KEELSON_POISONED', 'poisoned')];
    log.onClaim = () => {
      throw stop;
    };
    const told: unknown[] = [];
    schema.links.onStopped = (cause) => {
      told.push(cause);
      log.poisoned = poisoned;
    };
    expect(() => commit(path, put(schema.root, 'a'))).toThrow(poisoned);
    expect(told).toEqual([stop]);
    expect([log.records.length, schema.links.guard.isInside]).toEqual([0, true]);
    expect(() => schema.view(1)).toThrow(expect.objectContaining({ code: 'KEELSON_INTERRUPTED' }));
  });
});

interface Step {
  readonly type: 'put' | 'delete' | 'clear' | 'create' | 'drop';
  /** Chooses one of the spaces that are there. */
  readonly which: number;
  readonly key: string;
  readonly otherKey: string;
  readonly number: number;
  readonly keyEncoding: KeyEncodingName;
  readonly valueEncoding: ValueEncodingName;
  readonly isOpen: boolean;
}

interface Write {
  readonly steps: readonly Step[];
  /** The log finds no room for it the first time. */
  readonly isRefused: boolean;
  /** The record that is read creates every space that is there once more. */
  readonly isCreatedAgain: boolean;
  /** Its values are so large that it is linked after it is on its way to the disk. */
  readonly isLarge: boolean;
  readonly isViewed: boolean;
  /** Then somebody looks at the oldest view, which is closed afterwards. */
  readonly isLookedAt: boolean;
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'a key of more units', '\xff', 'l'.repeat(130));
const step: fc.Arbitrary<Step> = fc.record({
  type: fc.constantFrom(
    ...(['put', 'put', 'put', 'put', 'put', 'delete', 'delete', 'clear', 'create', 'drop'] as const),
  ),
  which: fc.nat(100),
  key,
  otherKey: key,
  number: fc.nat(5),
  keyEncoding: fc.constantFrom('utf8', 'bytes'),
  valueEncoding: fc.constantFrom('msgpack', 'msgpack', 'json', 'utf8', 'bytes'),
  isOpen: fc.boolean(),
});
const write: fc.Arbitrary<Write> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  isRefused: fc.boolean(),
  isCreatedAgain: fc.boolean(),
  isLarge: fc.nat(9).map((number) => number === 0),
  isViewed: fc.nat(3).map((number) => number === 0),
  isLookedAt: fc.nat(5).map((number) => number === 0),
});

/** A space as the model has it. */
interface ModelSpace {
  readonly definition: SpaceDefinition;
  readonly entries: Map<string, { readonly value: unknown; readonly version: number }>;
  lastLsn: number;
}

type Model = Map<number, ModelSpace>;

/** Objects of a few shapes where the encoding has any. */
function valueFor(encoding: string, { number }: Step, isLarge: boolean): unknown {
  const text = `${number} `.repeat(isLarge ? 20_000 : number * 30);
  if (encoding === 'utf8') return text;
  if (encoding === 'bytes') return new Uint8Array(Buffer.from(text));
  if (encoding === 'json') return { number, text };
  return [{ id: number, text }, { order: number, items: [text] }, text, { [text.slice(0, 9)]: number }][
    number % 4
  ];
}

function boundsOf({ key: one, otherKey, isOpen, number }: Step): KeyBounds {
  if (isOpen && number === 0) return ALL_KEYS;
  const [low, high] = one < otherKey ? [one, otherKey] : [otherKey, one];
  const isInclusive = number < 3;
  return {
    low,
    lowInclusive: number % 2 === 0,
    high: isOpen ? undefined : high,
    highInclusive: isOpen || isInclusive,
  };
}

function isWithin(name: string, { low, lowInclusive, high, highInclusive }: KeyBounds): boolean {
  if (low !== undefined && (lowInclusive ? name < low : name <= low)) return false;
  return high === undefined || (highInclusive ? name <= high : name < high);
}

function definitionOf(id: number, { keyEncoding, valueEncoding }: Step): SpaceDefinition {
  const codec = resolveKeyEncoding('key encoding', keyEncoding) as SpaceDefinition['keyCodec'];
  return new SpaceDefinition(`space ${id}`, codec, valueEncoding);
}

function codecOf(schema: Schema, encoding: string): ValueCodec<unknown> {
  return resolveValueEncoding(encoding as ValueEncodingName, 'encoding', schema.msgpack);
}

/** Adds a write to a write set by calls. */
function fillByCalls(writes: WriteSet, schema: Schema, { steps, isLarge }: Write): void {
  const there = new Map(schema.spaces.map((space) => [space.id, space]));
  let nextId = schema.nextSpaceId;
  for (const each of steps) {
    const space = [...there.values()][each.which % there.size]!;
    if (each.type === 'create') {
      const created = schema.newSpace(nextId, definitionOf(nextId, each));
      there.set(nextId++, created);
      writes.create(created);
    } else if (each.type === 'drop') {
      if (space.id === ROOT_ID) continue;
      there.delete(space.id);
      writes.drop(space);
    } else if (each.type === 'clear') writes.clear(space, boundsOf(each));
    else if (each.type === 'delete') writes.delete(space, each.key);
    else {
      const { valueEncodingName } = space;
      const codec = codecOf(schema, valueEncodingName);
      writes.put(space, each.key, codec, valueFor(valueEncodingName, each, isLarge), 'value');
    }
  }
}

/** Does the same to the model. Returns the id of the next space. */
function applyToModel(model: Model, { steps, isLarge }: Write, lsn: number, nextSpaceId: number): number {
  let nextId = nextSpaceId;
  for (const each of steps) {
    const id = [...model.keys()][each.which % model.size]!;
    const space = model.get(id)!;
    const { entries, definition } = space;
    if (each.type === 'create') {
      model.set(nextId, { definition: definitionOf(nextId, each), entries: new Map(), lastLsn: lsn });
      nextId++;
      continue;
    }
    if (each.type === 'drop') {
      if (id !== ROOT_ID) model.delete(id);
      continue;
    }
    space.lastLsn = lsn;
    if (each.type === 'put') {
      const value = valueFor(definition.valueEncodingName, each, isLarge);
      entries.set(each.key, { value, version: lsn });
    } else if (each.type === 'delete') entries.delete(each.key);
    else {
      const bounds = boundsOf(each);
      for (const name of entries.keys()) if (isWithin(name, bounds)) entries.delete(name);
    }
  }
  return nextId;
}

function shownModel(model: Model): unknown {
  return [...model].map(([id, { definition, lastLsn, entries }]) => {
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
    const values = sorted.map(([name, { value, version }]) => [name, version, value]);
    return [id, ...shownDefinition(definition), lastLsn, values];
  });
}

function shownDefinition({ name, keyCodec, valueEncodingName }: SpaceDefinition): string[] {
  return [name, keyCodec.name, valueEncodingName];
}

function shownSpace(schema: Schema, space: Space, entries: View, lastLsn: number): unknown {
  const { decode } = codecOf(schema, space.valueEncodingName);
  const values: unknown[] = [];
  const walk = entries.walk(ALL_KEYS);
  while (walk.advance()) {
    const handle = entries.handleOf(walk.value);
    values.push([walk.key, entries.versionOf(handle), entries.read(handle, decode)]);
  }
  return [space.id, ...shownDefinition(space), lastLsn, values];
}

function shownSchema(schema: Schema): unknown {
  return schema.spaces.map((space) => {
    space.entries.checkValid();
    return shownSpace(schema, space, space.entries, space.lastLsn);
  });
}

function shownWholeView(schema: Schema, { spaces }: WholeView): unknown {
  return spaces.map(({ space, entries, lastLsn }) => shownSpace(schema, space, entries, lastLsn));
}

/** Shows a lazy view. `spaces` are all spaces that ever were. The expected LSNs of last writes stand in for its own. */
function shownView(schema: Schema, view: StoreView, spaces: Iterable<Space>, expected: unknown): unknown {
  const lastLsns = new Map((expected as [number, ...unknown[]][]).map((row) => [row[0], row[4] as number]));
  return [...spaces]
    .sort((a, b) => a.id - b.id)
    .flatMap((space) => {
      const entries = view.in(space);
      return entries === undefined ? [] : [shownSpace(schema, space, entries, lastLsns.get(space.id) ?? -1)];
    });
}

/** A view of one moment in both forms, and what it is to show. */
interface TakenView {
  readonly of: Schema;
  readonly lazy: StoreView;
  readonly whole: WholeView;
  readonly expected: unknown;
}

/** Puts creations of these spaces in front of the operations of a record. */
function createdAgain(record: Uint8Array, spaces: readonly Space[]): Uint8Array {
  const creations = spaces.flatMap((space) => [
    5,
    ...leb128(space.id),
    ...shownDefinition(space).flatMap(lengthAnd),
  ]);
  return Buffer.concat([record.subarray(0, 1), Buffer.from(creations), record.subarray(1)]);
}

/** Reads a record in the middle of other memory, after a part of it that decodes or not, and applies it. */
function replayRecord(
  replay: Replay,
  schema: Schema,
  record: Uint8Array,
  lsn: number,
  writes: WriteSet,
): void {
  const before = schema.spaces;
  const around = Buffer.concat([Buffer.alloc(7, 2), record, Buffer.alloc(9, 2)]);
  try {
    readWriteSet(schema, around, 7, 7 + Math.floor(record.length / 2), writes);
  } catch (error) {
    expect(error).toMatchObject({ code: 'KEELSON_DECODE' });
  }
  readWriteSet(schema, around, 7, 7 + record.length, writes);
  expect(
    schema.spaces.length === before.length && schema.spaces.every((each, at) => each === before[at]),
  ).toBe(true);
  replay.apply(writes, lsn);
  around.fill(0xc1);
}

test('write sets do the same to spaces and entries, filled by calls or read from records, and to a model', () => {
  let definitions = 0;
  fc.assert(
    fc.property(fc.array(write, { maxLength: 20 }), (given) => {
      const { path, schema, log } = newWorld('msgpack');
      // Of another session, with random ids of its own: all it knows is in the records.
      const replayed = newSchema(utf8KeyCodec, 'msgpack', 2);
      const writes = new WriteSet(RECORD_BYTES_MAX, replayed);
      const replay = new Replay(replayed);
      const root = { definition: replayed.root, entries: new Map(), lastLsn: 0 };
      const model: Model = new Map([[ROOT_ID, root]]);
      const views: TakenView[] = [];
      const spacesEver = new Map<Schema, Set<Space>>(
        [schema, replayed].map((of) => [of, new Set(of.spaces)]),
      );
      const checkView = ({ of, lazy, whole, expected }: TakenView) => {
        expect(shownWholeView(of, whole)).toEqual(expected);
        expect(shownView(of, lazy, spacesEver.get(of)!, expected)).toEqual(expected);
        lazy.close();
      };
      let nextId = 1;
      for (const each of given) {
        // A write without operations is no record, so the log does not refuse it.
        const probe = path.take();
        fillByCalls(probe, schema, each);
        const isEmpty = probe.count === 0;
        path.giveBack(probe);
        if (each.isRefused && !isEmpty) {
          log.refusal = new KeelsonError('KEELSON_NO_SPACE', 'no room');
          expect(() => commit(path, (set) => fillByCalls(set, schema, each))).toThrow(log.refusal);
          log.refusal = null;
        }
        const lsn = commit(path, (set) => fillByCalls(set, schema, each));
        if (isEmpty) continue;
        const record = log.records.at(-1)!;
        if (Buffer.from(record).includes('\x02id\x04text')) definitions++;
        const toReplay = each.isCreatedAgain ? createdAgain(record, replayed.spaces) : record;
        replayRecord(replay, replayed, toReplay, lsn, writes);
        nextId = applyToModel(model, each, lsn, nextId);
        if (each.isLookedAt) for (const view of views.splice(0, 2)) checkView(view);
        if (each.isViewed) {
          const expected = shownModel(model);
          for (const of of [schema, replayed])
            views.push({ of, lazy: of.view(lsn), whole: of.wholeView(lsn), expected });
        }
        for (const [of, spaces] of spacesEver) for (const space of of.spaces) spaces.add(space);
      }
      replayed.links.run();
      const expected = shownModel(model);
      for (const each of [schema, replayed]) {
        expect(shownSchema(each)).toEqual(expected);
        expect(each.nextSpaceId).toBe(nextId);
      }
      for (const view of views) checkView(view);
    }),
    { numRuns: 80 },
  );
  expect(definitions).toBeGreaterThan(10);
});
