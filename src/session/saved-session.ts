// A session as the store keeps it: as JSON would, with the time at which it expires beside it. Pure.

import type { ExpiryOptions, VersionedValue } from '../kv/index.js';

/** The cookie of a session after JSON. Sessions have it, and tests sometimes leave out parts. */
interface SavedCookie {
  expires?: string | null;
  readonly maxAge?: number | null;
  readonly originalMaxAge?: number | null;
}

/** A session after JSON. */
export interface SavedSession {
  readonly cookie?: SavedCookie;
  readonly [name: string]: unknown;
}

/** Returns a copy of a session without methods and getters: cookies say by toJSON() what they are. */
export function savedSession(session: unknown): SavedSession {
  return JSON.parse(JSON.stringify(session)) as SavedSession;
}

/** Returns when the session expires: with its cookie, or after `ttl` milliseconds when the cookie does not say. */
export function expiryOf({ cookie }: SavedSession, ttl: number): ExpiryOptions {
  const expiresAt = Date.parse(cookie?.expires ?? '');
  if (!Number.isNaN(expiresAt)) return { expiresAt };
  const livesMs = cookie?.maxAge ?? cookie?.originalMaxAge ?? ttl;
  if (livesMs === Number.POSITIVE_INFINITY) return { expiresAt: livesMs };
  return livesMs > 0 ? { ttl: livesMs } : { expiresAt: 0 };
}

/** Returns the session of an entry. A touch has moved the deadline of the entry, and not the one in the cookie. */
export function restoredSession({ value, expiresAt }: VersionedValue<SavedSession>): SavedSession {
  if (expiresAt !== undefined && value.cookie?.expires) {
    value.cookie.expires = new Date(expiresAt).toISOString();
  }
  return value;
}
