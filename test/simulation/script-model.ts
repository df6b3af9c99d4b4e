// The model of a script: what the store and its namespaces hold, as plain maps, what a write makes of that, and what a read
// must find in it.

import type { Namespace } from '../../src/kv/index.js';
import type { Reads } from '../../src/kv/read/reads.js';
import type { Store } from '../../src/kv/store.js';
import { hold, holdEqual } from './invariants.js';
import {
  encodingsOf,
  KEYS,
  NAMESPACES,
  putValue,
  type ReadPart,
  type Script,
  type ScriptEncodings,
  scriptKey,
  storeKey,
  type TouchStep,
  type WriteStep,
} from './script.js';
import { checkIndexes, haveDoubles, SCRIPT_INDEXES } from './script-indexes.js';
import { type StoreState, stateEntry, stateOf } from './store-workload.js';

export type ScriptStore = Store<unknown, unknown>;
export type ScriptReads = Reads<unknown, unknown>;

/** The entries of the store itself, which is named '', and of each namespace that is there, in the order of names. */
export type ScriptState = readonly (readonly [namespace: string, entries: StoreState])[];

export const EMPTY_STATE: ScriptState = [['', []]];

export interface ModelEntry {
  readonly value: unknown;
  /** The LSN of the write, or 0 while it is not committed. */
  readonly version: number;
  readonly expiresAt?: number | undefined;
}

type SpaceContents = ReadonlyMap<string, ModelEntry>;

/** What the store itself, which is named '', and each namespace that is there hold. */
export type Contents = ReadonlyMap<string, SpaceContents>;

export const NO_CONTENTS: Contents = new Map([['', new Map()]]);
const NO_ENTRIES: SpaceContents = new Map();

/** A write of the model: a put has the value itself. */
export type ModelWrite =
  | ({ readonly do: 'put'; readonly key: string; readonly value: unknown } & WithDeadline)
  | ({ readonly do: 'touch'; readonly key: string } & WithDeadline)
  | Exclude<WriteStep, { do: 'put' }>;

interface WithDeadline {
  readonly in?: string;
  readonly expiresAt?: number | undefined;
}

export function modelWrite(
  script: Script,
  step: (WriteStep | TouchStep) & { readonly ttl?: number },
  now = 0,
): ModelWrite {
  const expiresAt = step.ttl === undefined ? undefined : now + step.ttl;
  if (step.do === 'touch') return { ...step, expiresAt };
  if (step.do !== 'put') return step;
  return { ...step, value: putValue(encodingsOf(script, step.in), step.value), expiresAt };
}

/** Returns the contents without entries that are due. */
export function withoutDue(contents: Contents, now: number): Contents {
  return new Map(
    [...contents].map(([name, entries]) => [
      name,
      new Map([...entries].filter(([, { expiresAt }]) => expiresAt === undefined || expiresAt > now)),
    ]),
  );
}

/**
 * Returns what a write makes of the contents. It creates its namespace, unless it would write nothing: a delete of an absent
 * key, a clear of a number of keys or one that is a write of its own (`isAlone`), when there are no keys.
 */
export function written(contents: Contents, write: ModelWrite, version: number, isAlone = false): Contents {
  const name = write.in ?? '';
  const before = contents.get(name) ?? NO_ENTRIES;
  const after = new Map(before);
  if (write.do === 'put') after.set(write.key, { value: write.value, version, expiresAt: write.expiresAt });
  else if (write.do === 'touch') {
    const touched = before.get(write.key);
    if (touched === undefined) return contents;
    after.set(write.key, { value: touched.value, version, expiresAt: write.expiresAt });
  } else if (write.do === 'delete') {
    if (!after.delete(write.key)) return contents;
  } else {
    const { from, to, limit, reverse = false } = write;
    const keys = keysBetween(before, from, to, reverse).slice(0, limit);
    if (keys.length === 0 && (isAlone || limit !== undefined)) return contents;
    for (const key of keys) after.delete(key);
  }
  return new Map(contents).set(name, after);
}

/** Returns the contents without a namespace. */
export function withoutNamespace(contents: Contents, name: string): Contents {
  return new Map([...contents].filter(([other]) => other !== name));
}

/** Returns the contents in which what was not committed has a version. */
export function committed(contents: Contents, version: number): Contents {
  const stamped = ([key, entry]: [string, ModelEntry]) =>
    [key, entry.version === 0 ? { ...entry, version } : entry] as const;
  return new Map([...contents].map(([name, entries]) => [name, new Map([...entries].map(stamped))]));
}

export function versionIn(contents: Contents, name: string | undefined, key: string): number {
  return contents.get(name ?? '')?.get(key)?.version ?? 0;
}

export function stateIn(contents: Contents): ScriptState {
  return [...contents]
    .map(([name, entries]) => [name, entriesIn(entries)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

export function contentsOf(state: ScriptState): Contents {
  return new Map(
    state.map(([name, entries]) => [
      name,
      new Map(entries.map(([key, value, version, expiresAt]) => [key, { value, version, expiresAt }])),
    ]),
  );
}

function entriesIn(entries: SpaceContents): StoreState {
  return [...entries]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, { value, version, expiresAt }]) => stateEntry(key, value, version, expiresAt));
}

function keysBetween(entries: SpaceContents, from: string, to: string, reverse: boolean): string[] {
  const keys = [...entries.keys()].filter((key) => key >= from && key < to).sort();
  return reverse ? keys.reverse() : keys;
}

// ── What is found ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Returns the handle of a namespace, whose indexes are declared once, or the store itself. */
export function handleOf(
  store: ScriptStore,
  script: Script,
  name = '',
): ScriptStore | Namespace<unknown, unknown> {
  if (name === '') return store;
  const { keyEncoding, valueEncoding } = encodingsOf(script, name);
  const handle = store.namespace(name, { keyEncoding, valueEncoding }) as Namespace<unknown, unknown>;
  if (script.isIndexed && !('byMark' in handle.indexes)) store.namespace(name, { indexes: SCRIPT_INDEXES });
  return handle;
}

/** Returns what a store shows, namespaces included. */
export function scriptStateOf(store: ScriptStore, script: Script): ScriptState {
  return ['', ...store.namespaces().sort()].map((name) => [name, stateOf(handleOf(store, script, name))]);
}

/** Checks rank, nth, count, offset and limit against the keys of a state. */
export function checkOrder(reads: ScriptReads, encodings: ScriptEncodings, entries: StoreState): void {
  const keys = entries.map(([key]) => key);
  const { size } = reads;
  hold(11, size === keys.length, `the size is ${size}, and ${keys.length} keys are there`);
  const nth = (at: number) => scriptKey(reads.nth(at)?.[0]);
  holdEqual(
    11,
    Array.from({ length: size + 1 }, (_, at) => nth(at)),
    [...keys, undefined],
    'nth',
  );
  holdEqual(
    11,
    keys.map((_, at) => nth(-1 - at)),
    keys.toReversed(),
    'nth from the end',
  );
  for (const key of KEYS) {
    const below = keys.filter((other) => other < key).length;
    const bound = storeKey(encodings, key);
    hold(11, reads.rank(bound) === below, `the rank of ${key} is ${reads.rank(bound)}, not ${below}`);
    const rest = reads.count({ gte: bound });
    hold(11, rest === size - below, `the count from ${key} on is ${rest}, not ${size - below}`);
  }
  const [offset, limit] = [size >> 2, size >> 1];
  const some = [...reads.keys({ reverse: true, offset, limit })].map(scriptKey);
  holdEqual(11, some, keys.toReversed().slice(offset, offset + limit), 'an offset and a limit');
}

/** Checks rank, nth, count, offset and limit of a store and of all its namespaces, and their indexes. */
export function checkOrders(store: ScriptStore, script: Script, state: ScriptState): void {
  for (const [name, entries] of state) {
    const reads = handleOf(store, script, name);
    checkOrder(reads, encodingsOf(script, name), entries);
    if (script.isIndexed && name !== '') checkIndexes(reads as Namespace<unknown, unknown>, entries);
  }
}

/** Returns true when a unique index forbids contents. */
export function isDoubled(script: Script, contents: Contents): boolean {
  if (!script.isIndexed) return false;
  return [...contents].some(
    ([name, entries]) => name !== '' && haveDoubles([...entries.values()].map(({ value }) => value)),
  );
}

/** Returns what a read of a transaction finds, as plain data. */
export function readOf(part: ReadPart, reads: ScriptReads, encodings: ScriptEncodings): unknown {
  const keyOf = (key: string) => storeKey(encodings, key);
  switch (part.do) {
    case 'get': {
      const entry = reads.getEntry(keyOf(part.key));
      return entry === undefined ? null : [entry.value, entry.version];
    }
    case 'rank':
      return reads.rank(keyOf(part.key));
    case 'count':
      return reads.count({ gte: keyOf(part.from), lt: keyOf(part.to) });
    case 'size':
      return reads.size;
    case 'nth': {
      const found = reads.nth(part.at);
      return found === undefined ? null : [scriptKey(found[0]), found[1]];
    }
    case 'scan': {
      const { from, to, reverse, count } = part;
      const seen: unknown[] = [];
      for (const [key, value] of reads.entries({ gte: keyOf(from), lt: keyOf(to), reverse })) {
        seen.push([scriptKey(key), value]);
        if (seen.length >= count) break;
      }
      return seen;
    }
  }
}

/** Returns what a read of a transaction must find. */
export function expectedOf(part: ReadPart, contents: Contents): unknown {
  const entries = contents.get(part.in ?? '') ?? NO_ENTRIES;
  const pairOf = (key: string) => [key, entries.get(key)!.value];
  switch (part.do) {
    case 'get': {
      const entry = entries.get(part.key);
      return entry === undefined ? null : [entry.value, entry.version];
    }
    case 'rank':
      return [...entries.keys()].filter((key) => key < part.key).length;
    case 'count':
      return keysBetween(entries, part.from, part.to, false).length;
    case 'size':
      return entries.size;
    case 'nth': {
      const key = [...entries.keys()].sort().at(part.at);
      return key === undefined ? null : pairOf(key);
    }
    case 'scan':
      return keysBetween(entries, part.from, part.to, part.reverse).slice(0, part.count).map(pairOf);
  }
}

/** The names of all spaces that a script may use: that of the store itself first. */
export const SPACE_NAMES: readonly string[] = ['', ...NAMESPACES.keys()];
