// What the writer of the msgpack profile throws for a value it does not hold, and the checks that are shared. Pure.
// A refusal travels outwards as an Unencodable, to which every level adds its step, and becomes a TypeError at the top.

import { misuse } from '../errors.js';

/** A cycle makes a path of very many steps; no one needs to read all of them. */
const PATH_CHARACTERS_MAX = 200;

const { getOwnPropertyNames, getOwnPropertySymbols } = Object;

/** A place in a value that the profile does not hold, and the steps to it, innermost first. */
export class Unencodable extends Error {
  readonly #expected: string;
  readonly #value: unknown;
  readonly steps: string[] = [];

  constructor(expected: string, value: unknown) {
    super(expected);
    this.#expected = expected;
    this.#value = value;
  }

  toTypeError(argument: string): TypeError {
    const path = argument + this.steps.reverse().join('');
    const shown = path.length > PATH_CHARACTERS_MAX ? `${path.slice(0, PATH_CHARACTERS_MAX)}…` : path;
    return misuse(shown, this.#expected, this.#value);
  }
}

/** Adds a step to an Unencodable on its way out. Anything else that was thrown passes as it is. */
export function stepOut(error: unknown, step: () => string): unknown {
  if (error instanceof Unencodable) error.steps.push(step());
  return error;
}

export function propertyStep(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

export function refuseSymbolKeys(value: object): void {
  if (getOwnPropertySymbols(value).length > 0) throw new Unencodable('no symbol keys', value);
}

export function refuseExtras(value: object): void {
  refuseSymbolKeys(value);
  if (getOwnPropertyNames(value).length > 0) throw new Unencodable('no properties of its own', value);
}

/** The refusal of an array that has a hole, by its place, or else a property that is not an element. */
export function irregularArray(value: readonly unknown[]): Unencodable {
  for (let index = 0; index < value.length; index++) {
    if (Object.hasOwn(value, index)) continue;
    const refusal = hole();
    refusal.steps.push(`[${index}]`);
    return refusal;
  }
  return new Unencodable('an array without named properties', value);
}

export function hole(): Unencodable {
  return new Unencodable('an element, and no hole', undefined);
}
