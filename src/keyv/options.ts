// The options of an adapter for Keyv.

import type { Durability } from '../kv/index.js';
import { choiceOption, type OptionTable, resolveOptions } from '../options.js';

/**
 * The options of KeyvKeelson.
 *
 * @example
 * const options: KeyvKeelsonOptions = { durability: 'memory' };
 */
export interface KeyvKeelsonOptions {
  /**
   * The moment at which the promise of a write resolves. With `'disk'` it resolves when the write survives a power cut. With
   * `'memory'` it resolves at once, and the write goes to the disk soon after. Default `'disk'`.
   */
  readonly durability?: Durability | undefined;
}

const KEYV_OPTIONS: OptionTable<{ durability: Durability }> = {
  durability: choiceOption('disk', ['disk', 'memory']),
};

/** Returns the options with their defaults. Throws a TypeError for a wrong or unknown option. */
export function resolveKeyvOptions(given: unknown): { readonly durability: Durability } {
  return resolveOptions('KeyvKeelson', KEYV_OPTIONS, given);
}
