// Drawn ids: they grow for ever. The first record after a draw carries the highest one, and so does each image, so an id
// that was drawn before a durable record never comes again. test/simulation/drawn-ids.test.ts crashes stores with ids.

import { describe, expect, test } from 'vitest';
import type { Schema } from '../../src/kv/entries/schema.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { applyWrites, Replay } from '../../src/kv/write/change-entries.js';
import { readWriteSet } from '../../src/kv/write/record-reader.js';
import { RecordWriter } from '../../src/kv/write/record-writer.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';
import { BYTES_VALUES, recordIn } from './encoded.js';
import { leb128 } from './image-tools.js';
import { openWithSchema } from './opened-schema.js';
import { newSchema } from './schema-tools.js';

const LAST = Number.MAX_SAFE_INTEGER;

function drawTo(schema: Schema, id: number): void {
  schema.idRecorded(id - 1);
  expect(schema.nextId()).toBe(id);
}

/** Writes a put of one byte with a one-letter key. */
function putRecord(writer: RecordWriter, schema: Schema): Uint8Array {
  writer.begin();
  writer.put(schema.root, 'k', BYTES_VALUES, Uint8Array.of(7), 'value');
  return recordIn(writer.finish()).slice();
}

const PUT = [0x02, 0x01, 0x01, 0x6b, 0x01, 0x07];

describe('the ids of a schema', () => {
  test('go up by one from 1, to 2^53 − 1 and no further', () => {
    const schema = newSchema();
    expect([schema.highestId, schema.nextId(), schema.nextId(), schema.highestId]).toEqual([0, 1, 2, 2]);
    schema.idRecorded(LAST - 2);
    expect([schema.nextId(), schema.nextId()]).toEqual([LAST - 1, LAST]);
    expect(() => schema.nextId()).toThrow(expect.objectContaining({ code: 'KEELSON_EXHAUSTED' }));
    expect(schema.highestId).toBe(LAST);
  });

  test('are above all that were recorded, in whatever order, and start over with the spaces', () => {
    const schema = newSchema();
    for (const id of [5, 3, 9, 1]) schema.idRecorded(id);
    expect(schema.nextId()).toBe(10);
    schema.replaceAll([schema.root], 1, 30);
    expect([schema.idToRecord, schema.nextId()]).toEqual([0, 31]);
    schema.reset(schema.root);
    expect([schema.idToRecord, schema.nextId()]).toEqual([0, 1]);
  });
});

describe('a record', () => {
  test('carries no id when none was drawn, and the highest one, once, when some were', () => {
    const schema = newSchema();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    expect([...putRecord(writer, schema)]).toEqual(PUT);
    for (let id = 1; id <= 300; id++) schema.nextId();
    const withId = [...PUT, 0x09, ...leb128(300)];
    // As long as the log does not have it, each attempt carries it.
    for (let times = 0; times < 2; times++) expect([...putRecord(writer, schema)]).toEqual(withId);
    expect(recordIn(writer.finish()).length).toBe(withId.length);
    writer.appended(1);
    expect([...putRecord(writer, schema)]).toEqual(PUT);
    writer.appended(1);
    schema.nextId();
    expect([...putRecord(writer, schema)]).toEqual([...PUT, 0x09, ...leb128(301)]);
  });

  test('that carries an id is recorded up to this id, whatever is drawn meanwhile', () => {
    const schema = newSchema();
    const [writer, nested] = [1, 2].map(() => new RecordWriter(RECORD_BYTES_MAX, schema)) as [
      RecordWriter,
      RecordWriter,
    ];
    schema.nextId();
    putRecord(writer, schema);
    schema.nextId();
    putRecord(nested, schema);
    nested.appended(1);
    writer.appended(1);
    expect(schema.idToRecord).toBe(0);
    schema.nextId();
    putRecord(writer, schema);
    schema.nextId();
    writer.appended(1);
    expect(schema.idToRecord).toBe(4);
  });

  test('of a birth carries none', () => {
    const schema = newSchema();
    schema.nextId();
    const birth = new RecordWriter(RECORD_BYTES_MAX, schema).birth('utf8', 'bytes');
    expect([...birth]).toEqual([1, 1, 4, ...Buffer.from('utf8'), 5, ...Buffer.from('bytes')]);
  });

  test('counts its id to its limit', () => {
    const schema = newSchema();
    const bytes = PUT.length + 1 + leb128(LAST).length;
    drawTo(schema, LAST);
    expect(putRecord(new RecordWriter(bytes, schema), schema).length).toBe(bytes);
    const small = new RecordWriter(bytes - 1, schema);
    expect(() => putRecord(small, schema)).toThrow(
      expect.objectContaining({ code: 'KEELSON_RECORD_TOO_LARGE' }),
    );
    expect(schema.idToRecord).toBe(LAST);
  });

  test.each([1, 127, 128, 2 ** 32, LAST])(
    'that carries %i is read back, alone or behind other operations, and applied',
    (id) => {
      for (const operations of [[], PUT.slice(1), [...PUT.slice(1), 0x02, 0x01, 0x6b]]) {
        const record = Uint8Array.of(2, ...operations, 0x09, ...leb128(id));
        const apply: readonly ((schema: Schema, writes: WriteSet) => void)[] = [
          (schema, writes) => applyWrites(schema, writes, 1),
          (schema, writes) => new Replay(schema).apply(writes, 1),
        ];
        for (const each of apply) {
          const schema = newSchema();
          const writes = new WriteSet(RECORD_BYTES_MAX, schema);
          readWriteSet(schema, record, 0, record.length, writes);
          expect([writes.highestId, schema.highestId]).toEqual([id, 0]);
          each(schema, writes);
          expect([schema.highestId, schema.idToRecord]).toEqual([id, 0]);
          writes.beginReading(record);
          expect(writes.highestId).toBe(0);
        }
      }
    },
  );

  test.each([
    ['0, which is never drawn', [0x09, 0]],
    ['more than 2^53 − 1', [0x09, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]],
    ['nothing', [0x09]],
    ['a form that is longer than needed', [0x09, 0x81, 0x00]],
    ['a space', [0x19, 1, 1]],
  ])('whose highest id is %s does not decode', (_, operation) => {
    const schema = newSchema();
    const record = Uint8Array.of(2, ...operation);
    const read = () => readWriteSet(schema, record, 0, record.length, new WriteSet(RECORD_BYTES_MAX, schema));
    expect(read).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    expect(schema.highestId).toBe(0);
  });
});

describe('a store', () => {
  const open = (disk: SimulatedDisk, directory: string, options = {}) =>
    openWithSchema(disk.life(), directory, options);

  test('goes on above the ids in its log, in its image, in a backup and in what was salvaged', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const first = await open(disk, '/s');
    for (let id = 1; id <= 5; id++) expect(first.schema.nextId()).toBe(id);
    await first.store.put('a', 1);
    // Nobody has written since, so nothing carries these.
    for (let id = 6; id <= 7; id++) first.schema.nextId();
    await first.store.close();
    const second = await open(disk, '/s');
    expect(second.schema.nextId()).toBe(6);
    await second.store.batch([
      { type: 'delete', key: 'a' },
      { type: 'put', key: 'b', value: 1 },
    ]);
    await second.store.checkpoint();
    for (let id = 7; id <= 10; id++) second.schema.nextId();
    await second.store.backup('/backup');
    await second.store.close();
    const third = await open(disk, '/s');
    expect(third.schema.highestId).toBe(6);
    await third.store.close();
    const copy = await open(disk, '/backup');
    expect(copy.schema.nextId()).toBe(11);
    await copy.store.put('c', 1);
    await copy.store.close();
    await salvageOn(disk.life(), '/backup', '/salvaged');
    for (const options of [{ readOnly: true }, {}]) {
      const salvaged = await open(disk, '/salvaged', options);
      expect(salvaged.schema.highestId).toBe(11);
      await salvaged.store.close();
    }
  });

  test('keeps the ids of an image when the log no longer has them', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const { store, schema } = await open(disk, '/s', { keepOlderGeneration: false });
    drawTo(schema, 4_000_000_000_000);
    for (let number = 0; number < 3; number++) {
      await store.put('a', number);
      await store.checkpoint();
    }
    await store.close();
    for (const options of [{ readOnly: true }, {}]) {
      const again = await open(disk, '/s', options);
      expect([again.store.recovery.recordsReplayed, again.schema.highestId]).toEqual([0, 4_000_000_000_000]);
      await again.store.close();
    }
  });
});
