// The protocols in every order of their steps: see the head of each .pml file, and run.js.

import { describe, expect, test } from 'vitest';

interface Variant {
  readonly name: string;
}

interface Models {
  readonly VARIANTS: readonly Variant[];
  whyNot(): string | null;
  check(variant: Variant): { readonly failed: string | null; readonly states: number };
  isAsItMust(variant: Variant, result: object): boolean;
}

const path: string = './run.js';
const { VARIANTS, whyNot, check, isAsItMust }: Models = await import(path);

const reason = whyNot();

describe.skipIf(reason !== null)(`Spin${reason === null ? '' : ` (skipped: ${reason})`} says of`, () => {
  test.each(VARIANTS.map((variant) => [variant.name, variant] as const))(
    '%s: what it must',
    (_, variant) => {
      const result = check(variant);
      expect(isAsItMust(variant, result), JSON.stringify(result)).toBe(true);
    },
    120_000,
  );
});
