// The schema: which spaces there are, what a view of all of them shows, and which definitions the log has.

import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Scratch } from '../../src/kv/encoding/scratch.js';
import { DEFINITION_BYTES_MAX, definitionIn, NO_DEFINITION } from '../../src/kv/entries/definitions.js';
import { Schema } from '../../src/kv/entries/schema.js';
import { ROOT_ID, SpaceDefinition } from '../../src/kv/entries/space.js';
import type { WholeView } from '../../src/kv/entries/store-view.js';
import { encodedBy } from './encoded.js';
import { addSpace, contentOf, newSchema, plainSpaces, putEntry } from './schema-tools.js';

const decodeError = expect.objectContaining({ code: 'KEELSON_DECODE' });
/** Definitions are repeated after this much log. */
const EPOCH_BYTES = 256 * 1024;

describe('the spaces of a schema', () => {
  test('are an empty root after reset(), whatever was there', () => {
    const schema = newSchema(bytesKeyCodec, 'json');
    expect(schema.root).toMatchObject({ id: ROOT_ID, name: '', valueEncodingName: 'json', lastLsn: 0 });
    expect(schema.root.keyCodec).toBe(bytesKeyCodec);
    expect([schema.spaces, schema.nextSpaceId]).toEqual([[schema.root], 1]);
    addSpace(schema, 4, 'four');
    putEntry(schema.root, 'a', 7, 'value');
    schema.reset(new SpaceDefinition('', utf8KeyCodec, 'msgpack'));
    expect([schema.spaces, schema.nextSpaceId]).toEqual([[schema.root], 1]);
    expect(plainSpaces(schema.spaces)).toEqual([
      { id: 0, name: '', keyEncoding: 'utf8', valueEncoding: 'msgpack', lastLsn: 0, entries: [] },
    ]);
  });

  test('are made without being added, and are there when they were added, until they are dropped', () => {
    const schema = newSchema();
    const space = schema.newSpace(3, new SpaceDefinition('three', bytesKeyCodec, 'utf8'));
    expect([schema.space(3), schema.nextSpaceId]).toEqual([undefined, 1]);
    schema.add(space);
    expect(schema.space(3)).toBe(space);
    expect(schema.nextSpaceId).toBe(4);
    const five = addSpace(schema, 5, 'five');
    expect(schema.spaces).toEqual([schema.root, space, five]);
    const four = addSpace(schema, 4, 'four');
    expect(schema.spaces).toEqual([schema.root, space, four, five]);
    schema.drop(4);
    schema.drop(5);
    expect([schema.space(5), schema.spaces]).toEqual([undefined, [schema.root, space]]);
    // Its id never returns.
    expect(schema.nextSpaceId).toBe(6);
    schema.drop(5);
    expect(schema.nextSpaceId).toBe(6);
  });

  test('are replaced by those of an image, with its next id', () => {
    const schema = newSchema();
    addSpace(schema, 2, 'old');
    const other = newSchema();
    const spaces = [other.root, addSpace(other, 1, 'one'), addSpace(other, 6, 'six')];
    schema.replaceAll(spaces, 9);
    expect(schema.spaces).toEqual(spaces);
    expect(schema.root).toBe(other.root);
    expect([schema.nextSpaceId, schema.space(2)]).toEqual([9, undefined]);
  });

  test('have entries of their own, and one queue of links', () => {
    const schema = newSchema();
    const [one, two] = [addSpace(schema, 1, 'one'), addSpace(schema, 2, 'two')];
    for (const [space, value] of [
      [schema.root, 'in root'],
      [one, 'in one'],
    ] as const) {
      putEntry(space, 'key', 5, value);
    }
    expect([schema.root, one, two].map(({ entries }) => contentOf(entries))).toEqual([
      [['key', 5, 'in root']],
      [['key', 5, 'in one']],
      [],
    ]);
    const staged = one.entries.stage('late', Uint8Array.of(1), 0, 1);
    schema.links.defer(() => one.entries.link('late', 6, staged));
    expect(two.entries.size).toBe(0);
    expect([schema.links.isDue, one.entries.size]).toEqual([false, 2]);
  });

  test('are alike when their names and encodings are', () => {
    const definition = new SpaceDefinition('a', utf8KeyCodec, 'json');
    expect(definition.equals(new SpaceDefinition('a', utf8KeyCodec, 'json'))).toBe(true);
    for (const other of [
      new SpaceDefinition('b', utf8KeyCodec, 'json'),
      new SpaceDefinition('a', bytesKeyCodec, 'json'),
      new SpaceDefinition('a', utf8KeyCodec, 'utf8'),
    ]) {
      expect(definition.equals(other)).toBe(false);
    }
  });
});

describe('the end of a replay', () => {
  /** Replays keys that do not ascend into spaces of `keys` each, and counts the turns that the end of the replay gives. */
  function turnsAfterReplay(spaces: number, keys: number): number {
    const schema = newSchema();
    schema.startReplay();
    for (let id = 1; id <= spaces; id++) {
      const space = addSpace(schema, id, `space ${id}`);
      for (let key = keys; key > 0; key--) putEntry(space, String(key), key, 'value');
    }
    const turns = [...schema.endReplay()].length;
    for (const { entries } of schema.spaces.slice(1)) expect(entries.size).toBe(keys);
    for (const { entries } of schema.spaces.slice(0, 3)) entries.checkValid();
    return turns;
  }

  test('gives a turn for each part of a large space, and one for many small spaces', () => {
    // Keys are looked at, numbered and sorted in three parts, and go into the tree in parts of 16,384.
    expect(turnsAfterReplay(1, 300_000)).toBeGreaterThan(20);
    const few = turnsAfterReplay(2000, 8);
    expect(few).toBeGreaterThan(1);
    expect(few).toBeLessThan(20);
  });
});

describe('a whole view', () => {
  test('shows each space as it was then, whatever becomes of it', () => {
    const schema = newSchema();
    const [one, two] = [addSpace(schema, 1, 'one'), addSpace(schema, 2, 'two')];
    putEntry(schema.root, 'a', 10, 'root');
    putEntry(one, 'a', 20, 'one');
    putEntry(two, 'a', 30, 'two');
    const staged = one.entries.stage('b', Buffer.from('late'), 0, 4);
    schema.links.defer(() => one.entries.link('b', 40, staged));
    const view = schema.wholeView(40);
    const rows = ({ spaces }: WholeView) =>
      spaces.map(({ space, entries, bytes, lastLsn }) => [space.id, contentOf(entries), bytes, lastLsn]);
    const expected = rows(view);
    expect(expected).toEqual([
      [0, [['a', 10, 'root']], 32, 10],
      [
        1,
        [
          ['a', 20, 'one'],
          ['b', 40, 'late'],
        ],
        56,
        20,
      ],
      [2, [['a', 30, 'two']], 24, 30],
    ]);
    expect([view.lsn, view.nextSpaceId, view.size, view.bytes]).toEqual([40, 3, 4, 112]);
    const unseen = schema.wholeView(40);
    putEntry(schema.root, 'a', 50, 'changed');
    one.beforeChange();
    one.entries.deleteRange(ALL_KEYS);
    schema.drop(2);
    addSpace(schema, 3, 'three');
    for (const each of [view, unseen]) {
      expect(rows(each)).toEqual(expected);
      expect(each.spaces.map(({ size }) => size)).toEqual([1, 2, 1]);
    }
    expect([view.lsn, view.nextSpaceId, view.size]).toEqual([40, 3, 4]);
  });
});

describe('the definitions of a schema', () => {
  const USER = { id: 7, name: 'Ada' };

  /** As often as it takes for the names to have a definition. */
  function encodedAtLast(schema: Schema, value: unknown): Uint8Array {
    let bytes = encodedBy(schema.msgpack, value);
    for (let times = 0; times < 10; times++) bytes = encodedBy(schema.msgpack, value);
    return bytes;
  }

  function referenceIn(schema: Schema, bytes: Uint8Array): number {
    return definitionIn(schema.root, bytes, 0, bytes.length);
  }

  test('are referred to by values of msgpack spaces, and by no others', () => {
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const bytes = encodedAtLast(schema, USER);
    const id = referenceIn(schema, bytes);
    expect(id).not.toBe(NO_DEFINITION);
    expect(() => schema.assertDefined(id)).not.toThrow();
    expect(referenceIn(schema, encodedBy(schema.msgpack, [USER]))).toBe(NO_DEFINITION);
    expect(referenceIn(schema, new Uint8Array())).toBe(NO_DEFINITION);
    for (const name of ['bytes', 'json', 'utf8', 'point']) {
      const space = new SpaceDefinition('', utf8KeyCodec, name);
      expect(definitionIn(space, bytes, 0, bytes.length)).toBe(NO_DEFINITION);
    }
    // Wherever the value stands, and not beyond its end.
    const around = Buffer.concat([Buffer.alloc(5, 0xc1), bytes, Buffer.alloc(9, 0xc1)]);
    expect(definitionIn(schema.root, around, 5, 5 + bytes.length)).toBe(id);
    expect(definitionIn(schema.root, around, 5, 5)).toBe(NO_DEFINITION);
    for (let length = 1; length < 7; length++) {
      expect(() => definitionIn(schema.root, around, 5, 5 + length)).toThrow(decodeError);
    }
  });

  test('are recorded in an epoch of the log when they are said to be, and anew in the next', () => {
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const ids = [USER, { order: 1 }].map((value) => referenceIn(schema, encodedAtLast(schema, value)));
    const recorded = () => ids.map((id) => schema.isRecorded(id));
    expect(recorded()).toEqual([false, false]);
    schema.recorded(ids[0]!);
    expect(recorded()).toEqual([true, false]);
    schema.committed(EPOCH_BYTES - 1);
    expect(recorded()).toEqual([true, false]);
    schema.committed(EPOCH_BYTES + 100);
    expect(recorded()).toEqual([false, false]);
    for (const id of ids) schema.recorded(id);
    schema.committed(2 * EPOCH_BYTES + 99);
    expect(recorded()).toEqual([true, true]);
    schema.committed(2 * EPOCH_BYTES + 100);
    expect(recorded()).toEqual([false, false]);
    // A checkpoint starts one, from which the next is as far away as ever.
    for (const id of ids) schema.recorded(id);
    schema.startEpoch(10 * EPOCH_BYTES);
    expect(recorded()).toEqual([false, false]);
    for (const id of ids) schema.recorded(id);
    schema.committed(11 * EPOCH_BYTES - 1);
    expect(recorded()).toEqual([true, true]);
    schema.committed(11 * EPOCH_BYTES);
    expect(recorded()).toEqual([false, false]);
  });

  test('are read by another schema as they were written, and are not recorded by that', () => {
    const [schema, other] = [newSchema(utf8KeyCodec, 'msgpack', 1), newSchema(utf8KeyCodec, 'msgpack', 2)];
    const bytes = encodedAtLast(schema, USER);
    const id = referenceIn(schema, bytes);
    for (const ask of [
      () => other.assertDefined(id),
      () => other.isRecorded(id),
      () => other.recorded(id),
      () => other.writeDefinition(id, new Scratch(1000)),
      () => other.msgpack.decode(bytes, 0, bytes.length),
    ]) {
      expect(ask).toThrow(decodeError);
    }
    const out = new Scratch(DEFINITION_BYTES_MAX + 2);
    out.append(Uint8Array.of(9, 9));
    schema.writeDefinition(id, out);
    const cursor = { at: 2 };
    expect(other.readDefinition(out.bytes, cursor, out.at)).toBe(id);
    expect(cursor.at).toBe(out.at);
    expect(other.msgpack.decode(bytes, 0, bytes.length)).toEqual(USER);
    expect(encodedBy(other.msgpack, USER)).toEqual(bytes);
    expect(other.isRecorded(id)).toBe(false);
    // Read once more, it says the same.
    expect(other.readDefinition(out.bytes, { at: 2 }, out.at)).toBe(id);
  });

  test('do not fit into less than their bytes, and never stand for other names', () => {
    const [schema, other] = [newSchema(utf8KeyCodec, 'msgpack', 1), newSchema(utf8KeyCodec, 'msgpack', 1)];
    const ids = [
      [schema, USER],
      [other, { sum: 1 }],
    ].map(([each, value]) => referenceIn(each as Schema, encodedAtLast(each as Schema, value)));
    // Both drew the same id.
    expect(ids[0]).toBe(ids[1]);
    const out = new Scratch(1000);
    schema.writeDefinition(ids[0]!, out);
    for (let end = 0; end < out.at; end++) {
      expect(() => newSchema().readDefinition(out.bytes, { at: 0 }, end)).toThrow(decodeError);
    }
    expect(() => other.readDefinition(out.bytes, { at: 0 }, out.at)).toThrow(decodeError);
    expect(referenceIn(other, encodedAtLast(other, { sum: 1 }))).toBe(ids[1]);
  });
});

test('the seed of the hashes of keys is four bytes of the storage', () => {
  const asked: number[] = [];
  const schema = new Schema((length) => {
    asked.push(length);
    return Uint8Array.of(0x81, 0x02, 0x03, 0x04);
  });
  expect(asked).toEqual([4]);
  expect(schema.seed).toBe(0x81020304 | 0);
});
