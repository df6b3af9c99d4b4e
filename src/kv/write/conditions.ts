// The conditions of a write: what must hold when it is committed. Nothing is written when one does not hold. Pure.

import { inspect } from 'node:util';
import { KeelsonError } from '../../errors.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { Space } from '../entries/space.js';
import { EXPIRE, type WriteSet } from './write-set.js';

/** The most characters of a key that a message shows. */
const SHOWN_KEY_CHARACTERS_MAX = 60;

/** Throws KEELSON_DROPPED when a write is in a dropped namespace. */
export function judgeSpaces({ isInNamespaces, count, spaces }: WriteSet): void {
  if (isInNamespaces) for (let at = 0; at < count; at++) assertNotDropped(spaces[at]!);
}

/**
 * Throws KEELSON_CONFLICT when a key has another version than the write expects, and KEELSON_DROPPED when its namespace was
 * dropped.
 */
export function judgeVersions({ checkCount, checkSpaces, checkKeys, checkVersions }: WriteSet): void {
  for (let at = 0; at < checkCount; at++) {
    const space = checkSpaces[at]!;
    assertNotDropped(space);
    const version = versionIn(space, checkKeys[at]!);
    if (version !== checkVersions[at]) throw otherVersion(space, checkKeys[at]!, version, checkVersions[at]!);
  }
}

/**
 * Throws a TypeError when an entry that a write removes first, because it has expired, has been written anew since the
 * record was built. Only hooks of the program can have done so.
 */
export function judgeRemovals({ count, kinds, spaces, keys }: WriteSet): void {
  for (let at = 0; at < count && kinds[at] === EXPIRE; at++) {
    if (spaces[at]!.entries.isDue(keys[at]!)) continue;
    const shown = shownKey(spaces[at]!, keys[at]!);
    throw new TypeError(
      `A hook has written ${shown} while the removal of its expired entry was on its way. Nothing was removed; write outside of hooks, or try again`,
    );
  }
}

/** Returns the version of a key; 0 for an absent key. */
export function versionIn({ entries }: Space, key: IndexKey): number {
  const handle = entries.find(key);
  return handle === undefined ? 0 : entries.versionOf(handle);
}

/** Throws KEELSON_DROPPED for a dropped namespace. */
export function assertNotDropped({ isDropped, name }: Space): void {
  if (!isDropped) return;
  const what = `The namespace ${JSON.stringify(name)} was dropped`;
  throw new KeelsonError('KEELSON_DROPPED', what, { namespace: name });
}

/** Returns a key as a message shows it, with the name of its namespace. */
export function shownKey({ name, keyCodec }: Space, key: IndexKey): string {
  const given: unknown = keyCodec.fromIndexKey(key);
  const text = typeof given === 'string' ? JSON.stringify(given) : inspect(given, { breakLength: Infinity });
  const shown = text.length > SHOWN_KEY_CHARACTERS_MAX ? `${text.slice(0, SHOWN_KEY_CHARACTERS_MAX)}…` : text;
  return name === '' ? `the key ${shown}` : `the key ${shown} of the namespace ${JSON.stringify(name)}`;
}

function otherVersion(space: Space, key: IndexKey, version: number, expected: number): KeelsonError {
  const found = version === 0 ? 'is absent' : `has version ${version}`;
  const wanted = expected === 0 ? 'that it is absent' : `version ${expected}`;
  const what = `Nothing was written: ${shownKey(space, key)} ${found}, and the write expects ${wanted}`;
  return new KeelsonError('KEELSON_CONFLICT', what, {
    namespace: space.name,
    key: space.keyCodec.fromIndexKey(key),
    ...(version > 0 && { lsn: version }),
  });
}
