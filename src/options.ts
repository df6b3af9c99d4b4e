// Checks options. Each function with options has a table, which gives each option a name, a default and a check of its
// value. One function resolves all tables. Imports only errors.ts.

import { describeValue, misuse } from './errors.js';

/** One option: its default, and the check of a given value. */
export interface OptionSpec<T> {
  readonly default: T;
  /** Returns undefined for a valid value, and otherwise the words after "expected". */
  readonly check: (value: unknown) => string | undefined;
}

/** Table of the options of `T`. */
export type OptionTable<T> = { readonly [K in keyof T]: OptionSpec<T[K]> };

/**
 * Returns the given options, with defaults for the missing ones. An option that is `undefined` counts as missing.
 * Throws a TypeError if `given` is not an object, for an unknown option, and for an invalid value.
 */
export function resolveOptions<T extends object>(where: string, table: OptionTable<T>, given: unknown): T {
  const names = Object.keys(table) as (keyof T & string)[];
  const values = (given === undefined ? {} : given) as Record<string, unknown>;
  checkNames(where, values, names);
  const resolved: Partial<T> = {};
  for (const name of names) {
    const spec = table[name];
    const value = values[name];
    if (value === undefined) {
      resolved[name] = spec.default;
      continue;
    }
    const expected = spec.check(value);
    if (expected !== undefined) {
      throw new TypeError(`${where} option '${name}': expected ${expected}, got ${describeValue(value)}`);
    }
    resolved[name] = value as T[typeof name];
  }
  return resolved as T;
}

/** Throws a TypeError if `given` is not an object or has a property that is not in `known`. */
export function checkNames(where: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw misuse(`${where} options`, 'an object', given);
  }
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw new TypeError(`${where}: unknown option '${name}'; known are ${known.join(', ')}`);
  }
}

/** Returns an option for an integer from `min` to `max`, inclusive. */
export function integerOption(fallback: number, min: number, max: number): OptionSpec<number> {
  return {
    default: fallback,
    check: (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? undefined
        : `an integer from ${min} to ${max}`,
  };
}

/** Returns an option for a number from `min` to `max`, inclusive. */
export function numberOption(fallback: number, min: number, max: number): OptionSpec<number> {
  return {
    default: fallback,
    check: (value) =>
      typeof value === 'number' && value >= min && value <= max
        ? undefined
        : `a number from ${min} to ${max}`,
  };
}

/** Returns an option for a boolean. */
export function booleanOption(fallback: boolean): OptionSpec<boolean> {
  return { default: fallback, check: (value) => (typeof value === 'boolean' ? undefined : 'a boolean') };
}

/** Returns an option for one of the strings in `choices`. */
export function choiceOption<T extends string>(fallback: T, choices: readonly T[]): OptionSpec<T> {
  return {
    default: fallback,
    check: (value) =>
      choices.includes(value as T)
        ? undefined
        : `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`,
  };
}

/** Returns an option for a function. Its default is undefined. */
export function functionOption<T>(): OptionSpec<T | undefined> {
  return { default: undefined, check: (value) => (typeof value === 'function' ? undefined : 'a function') };
}
