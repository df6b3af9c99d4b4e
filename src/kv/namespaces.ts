// The namespaces of a store: their names, their encodings and their handles.

import { KeelsonError, misuse, WELL_FORMED } from '../errors.js';
import { checkNames } from '../options.js';
import { SpaceCollection } from './collection.js';
import type { CustomValueEncoding } from './encoding/encoding-types.js';
import { type KeyCodec, resolveKeyEncoding, utf8KeyCodec } from './encoding/key-encoding.js';
import { isBuiltInName, resolveValueEncoding, type ValueCodec } from './encoding/value-encoding.js';
import type { Schema } from './entries/schema.js';
import { type IndexSpec, SecondaryIndex } from './entries/secondary-index.js';
import { ROOT_ID, type Space, SpaceDefinition } from './entries/space.js';
import { SpaceIndexes } from './entries/space-indexes.js';
import { Namespace, type NamespaceInside, type NamespaceStore } from './namespace.js';
import type { Place } from './write/batch.js';
import { assertNotDropped } from './write/conditions.js';
import { buildIndexes } from './write/index-build.js';
import { readDeclaration } from './write/index-declaration.js';

/** The longest name of a namespace, in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;

/** The next step for a store in the place of a namespace. */
const ROOT_STEP =
  'For the entries of the store itself, leave the namespace out in db.batch(), and use the transaction or the snapshot as it is';

const NAME_STEP = 'Give the name first, and then the options: db.namespace(name, options)';

/** The next step for an encoding, or a function of indexes, in the place of the options. */
const OPTIONS_STEP =
  'Say what it is for: { keyEncoding: tuple() }, { valueEncoding: msgpack() } or { indexes: (index) => ({}) }';

/** The options of a namespace. */
const OPTION_NAMES = ['keyEncoding', 'valueEncoding', 'indexes'] as const;

/** The namespaces of one store. */
export class Namespaces {
  readonly #store: NamespaceStore;
  readonly #schema: Schema;
  /** The codecs of the encodings that the options of open() list, by name. */
  readonly #listed: ReadonlyMap<string, ValueCodec<unknown>>;
  /** The spaces by name: those that are there, and those that were declared in this life. */
  readonly #spaces = new Map<string, Space>();
  readonly #handles = new Map<Space, Namespace<unknown, unknown>>();

  constructor(store: NamespaceStore, schema: Schema, encodings: readonly CustomValueEncoding<unknown>[]) {
    this.#store = store;
    this.#schema = schema;
    this.#listed = new Map(
      encodings.map((encoding) => {
        const codec = resolveValueEncoding(encoding, "open option 'encodings'", schema.msgpack);
        return [codec.name, codec];
      }),
    );
    for (const space of schema.spaces) if (space.id !== ROOT_ID) this.#spaces.set(space.name, space);
  }

  /** The names of the namespaces that are there, in the order of their ids: an id is taken when a name is first asked for. */
  get names(): string[] {
    this.#schema.links.runOutsideOfCommits();
    return this.#schema.spaces.filter(({ id }) => id !== ROOT_ID).map(({ name }) => name);
  }

  /**
   * Returns the handle of a namespace. Throws a TypeError for a wrong name or option, and KEELSON_ENCODING_MISMATCH for
   * other encodings than the namespace has.
   */
  get(name: unknown, options: unknown): Namespace<unknown, unknown> {
    checkNamespaceName(name);
    const given = (options === undefined ? {} : options) as {
      keyEncoding?: unknown;
      valueEncoding?: unknown;
      indexes?: unknown;
    };
    if (isMisplaced(given)) throw misuse('namespace options', 'an object', given, OPTIONS_STEP);
    checkNames('namespace', given, OPTION_NAMES);
    // Options may be foreign code, which may ask for the same name. So they are read before the name is looked up.
    const givenKey = this.#givenKeyCodec(given.keyEncoding);
    const givenValue = this.#givenValueCodec(given.valueEncoding);
    const specs = given.indexes === undefined ? null : readDeclaration(given.indexes);
    const known = this.#spaces.get(name);
    const key = givenKey ?? known?.keyCodec ?? (utf8KeyCodec as KeyCodec<unknown>);
    const value = givenValue ?? this.#knownValueCodec(known);
    const definition = new SpaceDefinition(name, key, value.name);
    if (known !== undefined && !known.equals(definition)) throw otherEncodings(known, definition);
    const space = known ?? this.#declare(definition);
    let handle = this.#handles.get(space);
    if (handle === undefined) {
      handle = new Namespace<unknown, unknown>({ key, value }, this.#store, space);
      this.#handles.set(space, handle);
    }
    if (specs !== null && specs.size > 0) this.#declareIndexes(handle, specs);
    return handle;
  }

  /** Declares the indexes of a namespace, or those that were given up, and begins to build them. */
  #declareIndexes(handle: Namespace<unknown, unknown>, specs: ReadonlyMap<string, IndexSpec>): void {
    const { space, codecs } = Namespace.insideOf(handle);
    const { links } = this.#schema;
    const declared = new Map(space.indexes?.list.map((index) => [index.name, index]));
    assertMayDeclare(space, declared, specs);
    for (const [name, spec] of specs) {
      if (declared.get(name)?.isOff === false) continue;
      declared.set(name, new SecondaryIndex(space.name, name, spec, links));
    }
    // The puts that were put off have no postings.
    links.run();
    space.indexes = new SpaceIndexes([...declared.values()], codecs);
    this.#build(handle);
  }

  /** Builds the indexes of a namespace that are not built yet. */
  #build(handle: Namespace<unknown, unknown>): void {
    const { space } = Namespace.insideOf(handle);
    const building = space.indexes!.list.filter(({ isBuilding }) => isBuilding);
    buildIndexes(this.#store, space, building, (done) => Namespace.declared(handle, done));
  }

  /** Returns the space and codecs of a handle, which may be dropped. Throws a TypeError for anything else. */
  placeOf(argument: { toString(): string }, namespace: unknown): Place {
    const { store, space, codecs } = this.#insideOf(argument, namespace);
    if (store === this.#store) return { space, codecs };
    throw new TypeError(
      `${argument}: expected a namespace of this store, got one of another store. Get it with namespace(${JSON.stringify(space.name)}) of this store`,
    );
  }

  /** Returns the space to drop; undefined for a name that nothing has. Throws what placeOf() throws, and KEELSON_DROPPED. */
  toDrop(namespace: unknown): Space | undefined {
    if (typeof namespace === 'string') {
      checkNamespaceName(namespace);
      return this.#spaces.get(namespace);
    }
    const { space } = this.placeOf('namespace', namespace);
    assertNotDropped(space);
    return space;
  }

  /** Forgets a space that was dropped, or that was declared and never written to. */
  forget(space: Space): void {
    space.isDropped = true;
    if (this.#spaces.get(space.name) === space) this.#spaces.delete(space.name);
    this.#handles.delete(space);
  }

  /** Has the log of another process create the namespaces that were asked for before they were there. */
  followLog(): void {
    this.#schema.onCreation((definition) => {
      const space = this.#spaces.get(definition.name);
      const isAwaited = space !== undefined && !space.isThere && !space.isDropped;
      return isAwaited && space.equals(definition) ? space : undefined;
    });
  }

  /** Notes that the log has created a space, or that its entries are others. A handle that was asked for with other encodings is dropped. */
  entered(space: Space): void {
    if (space.id === ROOT_ID) return;
    if (space.indexes?.list.some(({ isBuilding }) => isBuilding)) this.#build(this.#handles.get(space)!);
    const known = this.#spaces.get(space.name);
    if (known === space) return;
    if (known !== undefined) this.forget(known);
    this.#spaces.set(space.name, space);
  }

  /** Notes that the log has dropped a space. */
  left(space: Space): void {
    this.forget(space);
  }

  /**
   * Returns the codec of the values of a space of this store, which may be dropped. Throws KEELSON_ENCODING_MISMATCH for an
   * encoding of the program that it has not given in this life.
   */
  valueCodecOf(space: Space): ValueCodec<unknown> {
    const { name, valueEncodingName } = space;
    const known = this.#spaces.get(name);
    return this.#knownValueCodec(known?.valueEncodingName === valueEncodingName ? known : space);
  }

  #declare(definition: SpaceDefinition): Space {
    const space = this.#schema.declare(definition);
    this.#spaces.set(definition.name, space);
    return space;
  }

  #insideOf(argument: { toString(): string }, namespace: unknown): NamespaceInside {
    if (namespace instanceof Namespace) return Namespace.insideOf(namespace);
    const next = namespace instanceof SpaceCollection ? ROOT_STEP : undefined;
    throw misuse(argument, 'a namespace, as db.namespace(name) returns it', namespace, next);
  }

  #givenKeyCodec(option: unknown): KeyCodec<unknown> | undefined {
    if (option === undefined) return undefined;
    return resolveKeyEncoding("namespace option 'keyEncoding'", option) as KeyCodec<unknown>;
  }

  #givenValueCodec(option: unknown): ValueCodec<unknown> | undefined {
    if (option === undefined) return undefined;
    const argument = "namespace option 'valueEncoding'";
    return resolveValueEncoding(option as CustomValueEncoding<unknown>, argument, this.#schema.msgpack);
  }

  /** Returns the codec of the values of a namespace; for a new one, that of the default encoding. */
  #knownValueCodec(known: Space | undefined): ValueCodec<unknown> {
    const { msgpack } = this.#schema;
    if (known === undefined) return msgpack;
    const handle = this.#handles.get(known);
    if (handle !== undefined) return Namespace.insideOf(handle).codecs.value as ValueCodec<unknown>;
    const { valueEncodingName: name } = known;
    if (isBuiltInName(name)) return resolveValueEncoding(name, 'valueEncoding', msgpack);
    const listed = this.#listed.get(name);
    if (listed === undefined) throw unlistedEncoding(known);
    return listed;
  }
}

/** Returns true for an encoding, or a function of indexes, in the place of the options. */
function isMisplaced(given: unknown): boolean {
  if (typeof given === 'string' || typeof given === 'function') return true;
  return isObject(given) && Object.hasOwn(given, 'name');
}

function isObject(given: unknown): given is object {
  return typeof given === 'object' && given !== null;
}

function checkNamespaceName(name: unknown): asserts name is string {
  const expected = `a string of 1 to ${NAME_BYTES_MAX} bytes`;
  if (typeof name !== 'string' || name === '') {
    throw misuse('name', expected, name, isObject(name) ? NAME_STEP : undefined);
  }
  if (!name.isWellFormed()) throw misuse('name', 'a string without lone surrogates', name, WELL_FORMED);
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw misuse('name', expected, name);
}

/** Throws a TypeError for indexes that are declared a second time. Those that were given up may be. */
function assertMayDeclare(
  { name }: Space,
  declared: ReadonlyMap<string, SecondaryIndex>,
  specs: ReadonlyMap<string, IndexSpec>,
): void {
  if (declared.size === 0) return;
  const isNew = [...specs.keys()].some((index) => !declared.has(index));
  const isMended = [...specs.keys()].some((index) => declared.get(index)?.isOff);
  if (!isNew && isMended) return;
  throw new TypeError(
    `namespace option 'indexes': expected the indexes of ${JSON.stringify(name)} to be declared once, got another declaration. Declare all of them in the first call of db.namespace(), and leave indexes out in the others`,
  );
}

function otherEncodings(known: Space, { keyCodec, valueEncodingName }: SpaceDefinition): KeelsonError {
  const has = known.isThere ? 'has' : 'was first asked for with';
  const what = `The namespace ${JSON.stringify(known.name)} ${has} ${known.keyCodec.name} keys and ${known.valueEncodingName} values; it was asked for with ${keyCodec.name} keys and ${valueEncodingName} values`;
  const next = known.isThere
    ? 'Leave keyEncoding and valueEncoding out, or give those that it has'
    : 'Leave keyEncoding and valueEncoding out, or give the same; db.drop(name) forgets what was asked for';
  return new KeelsonError('KEELSON_ENCODING_MISMATCH', { what, next }, { namespace: known.name });
}

function unlistedEncoding({ name, valueEncodingName }: Space): KeelsonError {
  const what = `The namespace ${JSON.stringify(name)} has values in an encoding of your own that is named ${JSON.stringify(valueEncodingName)}`;
  const next = 'Give it as valueEncoding, or in the option encodings of open()';
  return new KeelsonError('KEELSON_ENCODING_MISMATCH', { what, next }, { namespace: name });
}
