// The options of writes: their types, and the checks of what callers give.

import { misuse } from '../../errors.js';
import { EXPIRY_NAMES, type ExpiryOptions } from './expiry-options.js';

/**
 * The moment at which the promise of a write resolves. With `'disk'` it resolves when the write is durable. With
 * `'memory'` it does not wait for the disk, and never rejects. The write goes to the disk with the next commit all the same. A
 * crash of the process or a power cut before the end of that commit may take it back, together with all later writes.
 */
export type Durability = 'disk' | 'memory';

/**
 * The options of a write.
 *
 * @example
 * db.put('visits', 7, { durability: 'memory' });
 */
export interface WriteOptions {
  /**
   * The moment at which the promise resolves. It changes nothing about how the write goes to the disk. Default `'disk'`.
   */
  readonly durability?: Durability | undefined;
}

/**
 * The options of a write that may have a condition.
 *
 * @example
 * const entry = db.getEntry('stock');
 * if (entry !== undefined) db.put('stock', entry.value - 1, { ifVersion: entry.version });
 */
export interface ConditionalOptions extends WriteOptions {
  /**
   * The version that the key must have when the call is made, as getEntry() returns it; 0 when the key must be absent.
   * With another version the write throws KEELSON_CONFLICT, and nothing is written. `undefined` is a TypeError, so that
   * `getEntry(key)?.version` of an absent key does not become a write without a condition.
   */
  readonly ifVersion?: number;
}

/**
 * The options of a put.
 *
 * @example
 * await db.put('lock', 'me', { ifVersion: 0 });
 */
export interface PutOptions extends ConditionalOptions, ExpiryOptions {}

/**
 * The options of a touch.
 *
 * @example
 * await db.touch('session:7', { ttl: 30 * 60_000 });
 */
export interface TouchOptions extends WriteOptions, ExpiryOptions {}

/** The names of the options of each kind of write. */
export const WRITE_OPTIONS = ['durability'] as const;
export const CONDITIONAL_OPTIONS = ['durability', 'ifVersion'] as const;
export const PUT_OPTIONS = [...CONDITIONAL_OPTIONS, ...EXPIRY_NAMES] as const;
export const TOUCH_OPTIONS = [...WRITE_OPTIONS, ...EXPIRY_NAMES] as const;

/** Checks the names of the options and returns the durability. Throws a TypeError for a wrong or unknown option. */
export function resolveDurability(options: WriteOptions | undefined, names: readonly string[]): Durability {
  if (options === undefined) return 'disk';
  if (typeof options !== 'object' || options === null) throw misuse('options', 'an object', options);
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw new TypeError(`options: unknown option '${name}'; known are ${names.join(', ')}`);
  }
  const { durability } = options;
  if (durability === undefined) return 'disk';
  if (durability !== 'disk' && durability !== 'memory') {
    throw misuse('options.durability', "'disk' or 'memory'", durability);
  }
  return durability;
}

/** Returns the option `ifVersion`, or undefined when it is not given. Throws a TypeError for a wrong version. */
export function resolveIfVersion(options: ConditionalOptions | undefined): number | undefined {
  if (options === undefined || !('ifVersion' in options)) return undefined;
  const { ifVersion } = options;
  checkVersion('options.ifVersion', ifVersion, 'For a key that must be absent, give 0');
  return ifVersion;
}

/** Throws a TypeError for what is no version. */
export function checkVersion(
  argument: { toString(): string },
  version: unknown,
  next = 'Give the version of getEntry(), or 0 for an absent key',
): asserts version is number {
  if (!Number.isSafeInteger(version) || (version as number) < 0) {
    throw misuse(argument, 'a version, which is an integer of 0 or more', version, next);
  }
}
