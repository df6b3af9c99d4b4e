// Options: one table per door, one resolver for all of them. A leaf besides errors.ts.
// The table is the documentation: a name, its default, and the check that a given value must pass.

import { describeValue, misuse } from './errors.js';

/** One option: its default, and a check that returns what was expected when a value is not acceptable. */
export interface OptionSpec<T> {
  readonly default: T;
  /** Undefined when `value` is good; otherwise the words after "expected". */
  readonly check: (value: unknown) => string | undefined;
}

export type OptionTable<T> = { readonly [K in keyof T]: OptionSpec<T[K]> };

/**
 * The given options over the table's defaults.
 * Throws a TypeError for anything but an object, for an unknown name, and for a value its check refuses.
 * An option given as `undefined` counts as not given.
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

/** Throws a TypeError for anything but an object whose properties have names that are known. */
export function checkNames(where: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw misuse(`${where} options`, 'an object', given);
  }
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw new TypeError(`${where}: unknown option '${name}'; known are ${known.join(', ')}`);
  }
}

/** An integer from `min` to `max`, both included. */
export function integerOption(fallback: number, min: number, max: number): OptionSpec<number> {
  return {
    default: fallback,
    check: (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? undefined
        : `an integer from ${min} to ${max}`,
  };
}

/** A number from `min` to `max`, both included. */
export function numberOption(fallback: number, min: number, max: number): OptionSpec<number> {
  return {
    default: fallback,
    check: (value) =>
      typeof value === 'number' && value >= min && value <= max
        ? undefined
        : `a number from ${min} to ${max}`,
  };
}

export function booleanOption(fallback: boolean): OptionSpec<boolean> {
  return { default: fallback, check: (value) => (typeof value === 'boolean' ? undefined : 'a boolean') };
}

/** One of a few strings. */
export function choiceOption<T extends string>(fallback: T, choices: readonly T[]): OptionSpec<T> {
  return {
    default: fallback,
    check: (value) =>
      choices.includes(value as T)
        ? undefined
        : `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`,
  };
}

/** A function, or nothing. */
export function functionOption<T>(): OptionSpec<T | undefined> {
  return { default: undefined, check: (value) => (typeof value === 'function' ? undefined : 'a function') };
}
