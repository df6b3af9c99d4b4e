// What tests of codecs, records and entries share: values as bytes of their own, and entries set in one call.

import assert from 'node:assert/strict';
import type { RecordMemory } from '../../src/journal/internal.js';
import { msgpackCodec } from '../../src/kv/encoding/msgpack/msgpack-codec.js';
import { writePlain } from '../../src/kv/encoding/msgpack/plain-writer.js';
import { Scratch } from '../../src/kv/encoding/scratch.js';
import type { Shapes } from '../../src/kv/encoding/shapes.js';
import { resolveValueEncoding, type ValueCodec } from '../../src/kv/encoding/value-encoding.js';
import type { Entries } from '../../src/kv/entries/entries.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';

/** A codec writes behind these, as it does inside of a record, and leaves them alone. */
const BEFORE = Uint8Array.of(0xc1, 0x00, 0xff);

/** Returns the record at the start of memory, which the next record overwrites. */
export function recordIn({ bytes, at }: RecordMemory): Uint8Array {
  return bytes.subarray(0, at);
}

/** Returns a copy of the bytes of a value. */
export function encodedBy<V>(codec: ValueCodec<V>, value: V, argument = 'value'): Uint8Array {
  const out = scratchWithBytes();
  codec.encode(value, argument, out);
  return bytesBehind(out);
}

/** Returns a copy of the msgpack bytes of a value. */
export function encodeMsgpack(
  value: unknown,
  argument = 'value',
  shapes: Shapes | null = null,
): Uint8Array<ArrayBuffer> {
  return encodedBy(msgpackCodec(shapes), value, argument) as Uint8Array<ArrayBuffer>;
}

/** Returns the value of msgpack bytes. */
export function decodeMsgpack(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  shapes: Shapes | null = null,
): unknown {
  return msgpackCodec(shapes).decode(bytes, start, end);
}

/** Returns a copy of the bytes of a plain value; null for any other. */
export function encodePlain(value: unknown, shapes: Shapes | null = null): Uint8Array | null {
  const out = scratchWithBytes();
  if (writePlain(value, shapes, out)) return bytesBehind(out);
  assert.equal(out.at, BEFORE.length, 'a value that is not plain has moved the position');
  bytesBehind(out);
  return null;
}

function scratchWithBytes(): Scratch {
  const out = new Scratch(RECORD_BYTES_MAX);
  out.append(BEFORE);
  return out;
}

function bytesBehind(out: Scratch): Uint8Array {
  assert.deepEqual(out.bytes.slice(0, BEFORE.length), BEFORE, 'the bytes before a value have changed');
  return out.bytes.slice(BEFORE.length, out.at);
}

/** Stages and links an entry whose key belongs to it, as replay does. */
export function setEntry(
  entries: Entries,
  key: string,
  version: number,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): void {
  entries.link(key, version, entries.stage(key, bytes, start, end), true);
}

/** The codec of values that are bytes. */
export const BYTES_VALUES = resolveValueEncoding<Uint8Array>('bytes', 'value encoding', msgpackCodec(null));

/** Runs `run`, and returns how many arrays it has copied with slice(). */
export function arraysCopiedBy(run: () => void): number {
  const { slice } = Array.prototype;
  let copies = 0;
  Array.prototype.slice = function (...bounds) {
    copies++;
    return slice.apply(this, bounds);
  };
  try {
    run();
  } finally {
    Array.prototype.slice = slice;
  }
  return copies;
}
