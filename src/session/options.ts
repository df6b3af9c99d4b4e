// The options of a session store.

import { numberOption, type OptionTable, resolveOptions } from '../options.js';

/**
 * The options of KeelsonSessionStore.
 *
 * @example
 * const options: SessionStoreOptions = { ttl: 7 * 86_400_000 };
 */
export interface SessionStoreOptions {
  /**
   * The time to live of a session whose cookie has no time at which it expires, in milliseconds since it was last saved or
   * touched: 1 or more, or Infinity. Default 86,400,000, which is a day.
   */
  readonly ttl?: number | undefined;
}

const DAY_MS = 86_400_000;

const SESSION_OPTIONS: OptionTable<{ ttl: number }> = {
  ttl: numberOption(DAY_MS, 1, Number.POSITIVE_INFINITY),
};

/** Returns the options with their defaults. Throws a TypeError for a wrong or unknown option. */
export function resolveSessionOptions(given: unknown): { readonly ttl: number } {
  return resolveOptions('KeelsonSessionStore', SESSION_OPTIONS, given);
}
