// The declaration of indexes: what makes their definitions, and the check of what the option `indexes` returns.
// read/index-interface.ts documents it for callers.

import { misuse } from '../../errors.js';
import type { IndexSpec } from '../entries/secondary-index.js';
import type { IndexFactory } from '../read/index-interface.js';

/** The definition of an index. Only the factory makes one. */
class Definition {
  readonly #spec: IndexSpec;

  constructor(spec: IndexSpec) {
    this.#spec = spec;
  }

  /** Returns the spec of a definition, or undefined for anything else. */
  static specOf(given: unknown): IndexSpec | undefined {
    return typeof given === 'object' && given !== null && #spec in given ? given.#spec : undefined;
  }
}

const one = (fn: unknown) => define('the function of index()', fn, { isUnique: false, isMany: false });
const unique = (fn: unknown) =>
  define('the function of index.unique()', fn, { isUnique: true, isMany: false });
const many = (fn: unknown) => define('the function of index.many()', fn, { isUnique: false, isMany: true });

/** Makes definitions of indexes. All stores share it. */
const FACTORY = Object.freeze(Object.assign(one, { unique, many })) as unknown as IndexFactory<
  unknown,
  unknown
>;

function define(argument: string, fn: unknown, kind: Omit<IndexSpec, 'fn'>): Definition {
  if (typeof fn !== 'function') throw misuse(argument, 'a function of a value and its key', fn);
  return new Definition({ ...kind, fn: fn as IndexSpec['fn'] });
}

const OPTION = "namespace option 'indexes'";

/** Returns the specs that the option `indexes` returns, by name. Runs foreign code. Throws a TypeError for a wrong option. */
export function readDeclaration(option: unknown): ReadonlyMap<string, IndexSpec> {
  if (typeof option !== 'function')
    throw misuse(
      OPTION,
      'a function',
      option,
      'For example (index) => ({ byAge: index((user) => user.age) })',
    );
  const definitions: unknown = option(FACTORY);
  if (typeof definitions !== 'object' || definitions === null || Array.isArray(definitions))
    throw misuse(`the result of ${OPTION}`, 'an object of definitions by their names', definitions);
  const specs = new Map<string, IndexSpec>();
  for (const [name, definition] of Object.entries(definitions)) {
    const spec = Definition.specOf(definition);
    if (spec === undefined)
      throw misuse(
        `the index ${JSON.stringify(name)} of ${OPTION}`,
        'what index(), index.unique() or index.many() returns',
        definition,
      );
    specs.set(name, spec);
  }
  return specs;
}
