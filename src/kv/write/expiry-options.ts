// The options `ttl` and `expiresAt`: their types, and the checks of what callers give. Pure.

import { type ArgumentName, misuse } from '../../errors.js';
import { NO_DEADLINE } from '../entries/slab.js';

/** The earliest and the latest deadline that an entry has, in milliseconds since 1970. An image adds 1 to a deadline. */
const DEADLINE_MIN = 1;
const DEADLINE_MAX = Number.MAX_SAFE_INTEGER - 1;

/**
 * When an entry expires: after a time to live, or at a time. No read sees an entry that has expired, and its removal from the
 * disk follows in the background. Give one of the two at most.
 *
 * @example
 * db.put('session:7', { user: 'ann' }, { ttl: 30 * 60_000 });
 */
export interface ExpiryOptions {
  /**
   * The milliseconds for which the entry lives from now on. A finite number above 0; a fraction is rounded up.
   * By default, the entry does not expire.
   */
  readonly ttl?: number | undefined;
  /**
   * The time at which the entry expires, in milliseconds since 1970. A time that is past is accepted, and nobody sees the
   * entry. `Infinity`, which is the default, stands for never.
   */
  readonly expiresAt?: number | undefined;
}

/** The next step for a touch without a deadline. */
export const FOR_NEVER = 'For an entry that never expires, give expiresAt: Infinity';

/** The names of the options. */
export const EXPIRY_NAMES = ['ttl', 'expiresAt'] as const;

/** The expiry that a caller gave, after its checks. */
export interface GivenExpiry {
  /** Milliseconds from now, or null when `expiresAt` was given. */
  readonly ttl: number | null;
  readonly expiresAt: number;
}

/**
 * Returns the expiry that was given, or null when none was. `argument` names the options in errors, as in `options.ttl`.
 *
 * @throws A TypeError for another `ttl` than a finite number above 0, for an `expiresAt` that is no time, and for both.
 */
export function resolveExpiry(
  argument: ArgumentName,
  { ttl, expiresAt }: { readonly ttl?: unknown; readonly expiresAt?: unknown },
): GivenExpiry | null {
  if (ttl === undefined && expiresAt === undefined) return null;
  if (ttl !== undefined && expiresAt !== undefined) {
    throw new TypeError(`${argument}: expected ttl or expiresAt, got both. Leave one of them out`);
  }
  if (ttl === undefined) {
    const isTime = typeof expiresAt === 'number' && expiresAt > Number.NEGATIVE_INFINITY;
    if (!isTime) {
      const next = 'Give milliseconds since 1970, or Infinity for never';
      throw misuse(`${argument}.expiresAt`, 'a time, which is a number', expiresAt, next);
    }
    return { ttl: null, expiresAt };
  }
  if (typeof ttl !== 'number' || !(ttl > 0) || ttl === Number.POSITIVE_INFINITY) {
    const next = 'For an entry that never expires, leave it out, or give expiresAt: Infinity';
    throw misuse(`${argument}.ttl`, 'a finite number of milliseconds above 0', ttl, next);
  }
  return { ttl, expiresAt: 0 };
}

/** Returns the deadline of an entry that is written at `now`; NO_DEADLINE for one that never expires. */
export function deadlineOf({ ttl, expiresAt }: GivenExpiry, now: number): number {
  const time = ttl === null ? expiresAt : now + Math.ceil(ttl);
  if (time === Number.POSITIVE_INFINITY && ttl === null) return NO_DEADLINE;
  return Math.min(Math.max(Math.ceil(time), DEADLINE_MIN), DEADLINE_MAX);
}

/** Returns true when an entry with this expiry is due at once, when it is written at `now`. */
export function isPast({ ttl, expiresAt }: GivenExpiry, now: number): boolean {
  return ttl === null && Math.ceil(expiresAt) <= now;
}
