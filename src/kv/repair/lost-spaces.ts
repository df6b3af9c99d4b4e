// The spaces of a damaged store whose definitions are lost. Nothing says what their names and encodings were. So salvage
// names them by their ids, as in `lost-7`, and gives their keys and values as bytes.

import { isKeelsonError } from '../../errors.js';
import { RECORD_BYTES_MAX } from '../../storage/index.js';
import { ALL_KEYS } from '../encoding/key-bounds.js';
import { bytesKeyCodec, type KeyCodec } from '../encoding/key-encoding.js';
import { msgpackCodec } from '../encoding/msgpack/msgpack-codec.js';
import { Scratch } from '../encoding/scratch.js';
import { definitionIn, NO_DEFINITION } from '../entries/definitions.js';
import type { Schema } from '../entries/schema.js';
import { ROOT_ID, type Space, SpaceDefinition } from '../entries/space.js';
import { applyWrites } from '../write/change-entries.js';
import { WriteSet } from '../write/write-set.js';

/** Writes values with all their property names. */
const withNames = msgpackCodec(null);

/** The spaces of one store whose definitions are lost. */
export class LostSpaces {
  readonly #schema: Schema;
  readonly #ids = new Set<number>();

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** Returns true for a space that make() has made. */
  has({ id }: Space): boolean {
    return this.#ids.has(id);
  }

  /** Returns a new space in the place of one that nothing defines. The caller adds it to the schema. */
  make(id: number): Space {
    this.#ids.add(id);
    return this.#schema.newSpace(id, definitionOf(nameOf(id)));
  }

  /** Completes the schema when everything that is whole was applied to it. */
  finish(): void {
    this.#dropReplaced();
    const names = new Set(this.#schema.spaces.filter((space) => !this.has(space)).map(({ name }) => name));
    for (const space of this.#schema.spaces) {
      if (!this.has(space)) continue;
      this.#writeNames(space);
      const name = unusedName(space.id, names);
      if (name !== space.name) this.#rename(space, name);
    }
  }

  /** Drops each space whose name was given to a later space. It was dropped before that, in a record that is lost. */
  #dropReplaced(): void {
    const named = new Map<string, Space>();
    for (const space of this.#schema.spaces) {
      if (space.id === ROOT_ID || this.has(space)) continue;
      const replaced = named.get(space.name);
      if (replaced !== undefined) this.#schema.drop(replaced.id);
      named.set(space.name, space);
    }
  }

  /**
   * Writes the names of properties into values that refer to a shape. The id of a shape means nothing to the program that
   * reads the bytes. The ids are random, so bytes of another encoding are not taken for one.
   */
  #writeNames(space: Space): void {
    const schema = this.#schema;
    const out = new Scratch(RECORD_BYTES_MAX);
    const writes = new WriteSet(RECORD_BYTES_MAX, schema);
    const view = space.entries.view();
    for (const walk = view.walk(ALL_KEYS); walk.advance(); ) {
      const handle = view.handleOf(walk.value);
      const value = view.read(handle, (bytes, start, end) => shapedIn(schema, bytes, start, end));
      if (value === undefined) continue;
      out.reset();
      withNames.encode(value, 'value', out);
      writes.beginReading(out.bytes);
      writes.addPut(space, walk.key, 0, out.at, view.deadlineOf(handle));
      // The walk goes over the entries as they were.
      applyWrites(schema, writes, view.versionOf(handle));
    }
  }

  #rename(space: Space, name: string): void {
    const renamed = this.#schema.newSpace(space.id, definitionOf(name), space.entries);
    renamed.lastLsn = space.lastLsn;
    this.#schema.expiry.forget(space);
    space.entries.expiryHooks = null;
    this.#schema.add(renamed);
  }
}

function definitionOf(name: string): SpaceDefinition {
  return new SpaceDefinition(name, bytesKeyCodec as KeyCodec<unknown>, 'bytes');
}

function nameOf(id: number): string {
  return `lost-${id}`;
}

/** Returns the name of a lost space, with a number behind it when the store has that name. */
function unusedName(id: number, names: ReadonlySet<string>): string {
  let name = nameOf(id);
  for (let number = 2; names.has(name); number++) name = `${nameOf(id)}-${number}`;
  return name;
}

/** Returns the value in `bytes[start, end)` if it refers to a known shape, and undefined otherwise. */
function shapedIn(schema: Schema, bytes: Uint8Array, start: number, end: number): unknown {
  try {
    if (definitionIn({ hasReferences: true }, bytes, start, end) === NO_DEFINITION) return undefined;
    return schema.msgpack.decode(bytes, start, end);
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_DECODE')) return undefined;
    throw error;
  }
}
