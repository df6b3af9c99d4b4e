// An editor shows a docstring beside every public symbol, and it says what a caller needs: parameters, units, limits, errors,
// when a write is durable. The symbols are those of the last build.

import { describe, expect, test } from 'vitest';
import { type PublicSymbol, publicSymbols, symbolsIn } from './declarations.js';
import { EXAMPLE_OF_ALL, NEVER_FAILS, WITHOUT_DOCSTRING, WRITE_NOTHING } from './docstring-exemptions.js';

const symbols = publicSymbols();
/** Programs only pass a storage on, and never call one. */
const calls = symbols.filter(
  ({ kind, file }) => (kind === 'function' || kind === 'method') && !file.startsWith('storage/'),
);
/** Methods that `using` calls do what close() does. */
const named = calls.filter(({ name }) => !name.includes('Symbol.'));

/** An overload that leaves parameters and errors to the first one. */
const leansOnFirst = ({ docs }: PublicSymbol) => /first overload|second overload/.test(docs ?? '');

/** True when the docstring, or what is said of the whole, names the parameter or property. */
function isNamed(docs: string | null, name: string): boolean {
  return new RegExp(`\\b${name.replace('$', '\\$')}\\b`).test(docs ?? '');
}

const ownerOf = (name: string) => name.split('.')[0] as string;

const names = (list: readonly PublicSymbol[]) => list.map(({ file, name }) => `${file}: ${name}`);

/** The symbols that lack something, without those in the table. Tells also which lines of the table are of no use. */
function lacking(list: readonly PublicSymbol[], table: readonly string[]): string[] {
  const lacks = new Set(list.map(({ name }) => name));
  return [
    ...names(list.filter(({ name }) => !table.includes(name))),
    ...table.filter((name) => !lacks.has(name)).map((name) => `exempted without need: ${name}`),
  ];
}

describe('every public symbol', () => {
  test('is found', () => {
    const found = new Set(symbols.map(({ name }) => name));
    const some = [
      'open',
      'Collection.put',
      'Journal.append',
      'KeyvKeelson.set',
      'SimulatedDisk.life',
      'CheckpointEvent.lsn',
    ];
    expect(some.filter((name) => !found.has(name))).toEqual([]);
  });

  test('is one that programs may use', () => {
    const inside = symbols.filter(({ name, docs }) => /\._(?!_)/.test(name) || docs?.includes('@internal'));
    expect(names(inside)).toEqual([]);
  });

  test('has a docstring', () => {
    const silent = symbols.filter(({ docs, name, ownerDocs }) => {
      const [, member] = name.split('.');
      // The members of a union may be told about together.
      return docs === null && !(member !== undefined && isNamed(ownerDocs, member));
    });
    expect(lacking(silent, WITHOUT_DOCSTRING)).toEqual([]);
  });

  test('can be understood alone', () => {
    const leaning = /^(?:What|Of|The same|Likewise|Also|See|As)\b/;
    expect(names(symbols.filter(({ docs }) => leaning.test(docs ?? '')))).toEqual([]);
  });

  test('is described in whole sentences', () => {
    const ends = (docs: string) => (docs.split(/^@/m)[0] as string).trim();
    expect(names(symbols.filter(({ docs }) => docs !== null && !/[.:)]$|^$/.test(ends(docs))))).toEqual([]);
  });
});

describe('every function and method', () => {
  test('says what its parameters are', () => {
    const silent = calls.filter(
      (call) =>
        call.docs !== null &&
        !leansOnFirst(call) &&
        call.parameters.some((name) => !isNamed(call.docs, name)),
    );
    expect(names(silent)).toEqual([]);
  });

  test('says when a write is durable, or reads only', () => {
    const isLate = ({ type }: PublicSymbol) => type.startsWith('Promise<');
    const says = /durab|power cut|survive/;
    const silent = named.filter((call) => isLate(call) && !leansOnFirst(call) && !says.test(call.docs ?? ''));
    expect(lacking(silent, WRITE_NOTHING)).toEqual([]);
  });

  test('says what it throws or rejects with', () => {
    const says = /@throws|[Tt]hrows|[Rr]ejects/;
    const silent = named.filter((call) => !leansOnFirst(call) && !says.test(call.docs ?? ''));
    expect(lacking(silent, NEVER_FAILS)).toEqual([]);
  });

  test('has an example', () => {
    const isShown = ({ name }: PublicSymbol) =>
      !name.endsWith('.constructor') && EXAMPLE_OF_ALL.includes(ownerOf(name));
    const silent = named.filter(
      (call) => call.examples.length === 0 && !leansOnFirst(call) && !isShown(call),
    );
    expect(names(silent)).toEqual([]);
    const shown = symbols.filter(
      ({ name, examples }) => EXAMPLE_OF_ALL.includes(name) && examples.length > 0,
    );
    expect(EXAMPLE_OF_ALL.filter((owner) => !shown.some(({ name }) => name === owner))).toEqual([]);
  });
});

describe('every property', () => {
  const properties = symbols.filter(({ kind, docs }) => kind === 'property' && docs !== null);

  test('has a unit when it is a number', () => {
    const unit =
      /\bLSNs?\b|bytes?\b|[KMG]iB|milliseconds|\bms\b|seconds|number|count|entries|records|[Ss]egments|[Cc]ommits|[Tt]imes\b|[Cc]rashes|[Tt]urns|[Bb]oundaries|[Ii]ndex\b|[Vv]ersion|keys|[Ss]eed|[Kk]ills|[Cc]uts|[Ll]evels|[Aa]ppends|[Rr]eaders|multiple/i;
    const isNumber = ({ type }: PublicSymbol) => /\bnumber\b/.test(type) && !/=>|\bin\b/.test(type);
    expect(
      names(
        properties.filter(
          (one) => isNumber(one) && !one.file.startsWith('storage/') && !unit.test(one.docs ?? ''),
        ),
      ),
    ).toEqual([]);
  });

  test('has a default or says why it is left out, when it is optional', () => {
    const says =
      /[Dd]efault|without|when |[Ii]f |[Ww]ith |[Nn]ot there|[Oo]nly set|[Ee]nds|[Gg]ive|undefined/;
    const silent = properties.filter(
      ({ isOptional, docs, name }) =>
        isOptional && !says.test(docs ?? '') && ownerOf(name) !== 'KeelsonErrorFacts',
    );
    expect(names(silent)).toEqual([]);
  });

  test('has a limit or a default when it is an option that is a number', () => {
    const isOption = ({ name, type }: PublicSymbol) =>
      /Options\.|Search\.|Retain\.|CrashSimulation\.|CrashExploration\./.test(name) &&
      /^(?:number|number \| undefined)$/.test(type);
    const says = /\d|Infinity|[Dd]efault|LSN|[Ss]eed/;
    expect(names(properties.filter((one) => isOption(one) && !says.test(one.docs ?? '')))).toEqual([]);
  });
});

describe('a docstring that lacks something', () => {
  test('is seen', () => {
    const text = `/** Puts. */ export interface Box { size: number; put(key: string): Promise<void>; }
      export type Kind = { readonly type: 'a'; /** The size. */ size: number };
      /**
       * Opens.
       *
       * @example
       * open();
       */
      export declare function open(): void;`;
    expect(
      symbolsIn(text, 'box').map(({ name, kind, docs, parameters, type }) => [
        name,
        kind,
        docs,
        parameters,
        type,
      ]),
    ).toEqual([
      ['Box', 'type', 'Puts.', [], ''],
      ['Box.size', 'property', null, [], 'number'],
      ['Box.put', 'method', null, ['key'], 'Promise<void>'],
      ['Kind', 'type', null, [], expect.anything()],
      ['Kind.type', 'property', null, [], "'a'"],
      ['Kind.size', 'property', 'The size.', [], 'number'],
      ['open', 'function', 'Opens.\n\n@example\nopen();', [], 'void'],
    ]);
    expect(symbolsIn(text, 'box').flatMap(({ examples }) => examples)).toEqual([
      { symbol: 'open', file: 'box', text: 'open();' },
    ]);
  });
});
