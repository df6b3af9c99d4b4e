// Schemas for tests: made and filled without a log, and shown as plain data.

import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { type IndexKey, type KeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Schema } from '../../src/kv/entries/schema.js';
import { type Space, SpaceDefinition } from '../../src/kv/entries/space.js';
import type { View } from '../../src/kv/entries/view.js';
import { Random } from '../../src/testing/random.js';

/** Makes a schema with an empty root space: utf8 keys, and values that no codec looks into unless `valueEncodingName` says so. */
export function newSchema(
  keyCodec: KeyCodec<unknown> = utf8KeyCodec,
  valueEncodingName = 'bytes',
  seed = 1,
): Schema {
  const random = new Random(seed);
  const schema = new Schema((length) => random.bytes(length));
  schema.reset(new SpaceDefinition('', keyCodec, valueEncodingName));
  return schema;
}

/** Adds an empty space. Ids go up. */
export function addSpace(
  schema: Schema,
  id: number,
  name: string,
  keyCodec: KeyCodec<unknown> = utf8KeyCodec,
  valueEncodingName = 'bytes',
): Space {
  const space = schema.newSpace(id, new SpaceDefinition(name, keyCodec, valueEncodingName));
  schema.add(space);
  return space;
}

/** Puts an entry, as a record of this LSN does. */
export function putEntry(space: Space, key: IndexKey, lsn: number, value: Uint8Array | string): void {
  const { entries } = space;
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  space.beforeChange();
  entries.link(key, lsn, entries.stage(key, bytes, 0, bytes.length));
  space.lastLsn = Math.max(space.lastLsn, lsn);
}

/** An entry: its key, its version, its value. */
export type PlainEntry = readonly [key: IndexKey, version: number, value: string];

/** Returns every entry in the order of the keys. A long value is a digest: nobody wants to see it in a failure. */
export function contentOf(view: View): PlainEntry[] {
  const content: PlainEntry[] = [];
  const walk = view.walk(ALL_KEYS);
  while (walk.advance()) {
    const handle = view.handleOf(walk.value);
    content.push([walk.key, view.versionOf(handle), view.read(handle, shown)]);
  }
  return content;
}

export interface PlainSpace {
  readonly id: number;
  readonly name: string;
  readonly keyEncoding: string;
  readonly valueEncoding: string;
  readonly lastLsn: number;
  readonly entries: readonly PlainEntry[];
}

/** Returns all that spaces say and hold. */
export function plainSpaces(spaces: readonly Space[]): PlainSpace[] {
  return spaces.map(({ id, name, keyCodec, valueEncodingName, lastLsn, entries }) => ({
    id,
    name,
    keyEncoding: keyCodec.name,
    valueEncoding: valueEncodingName,
    lastLsn,
    entries: contentOf(entries),
  }));
}

const SHOWN_BYTES_MAX = 40;

function shown(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHOWN_BYTES_MAX) return Buffer.from(bytes.subarray(start, end)).toString('latin1');
  let sum = 0;
  for (let at = start; at < end; at++) sum = (sum * 31 + bytes[at]!) | 0;
  return `${end - start} bytes, ${sum}`;
}
