// The protocols in every order of their steps: see the head of each .pml file, and run.js.

import { describe, expect, test } from 'vitest';
import { tries } from '../counts.js';

interface Variant {
  readonly name: string;
  readonly isLong?: boolean;
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
/** The code has no part in a model, so what takes long is left to `npm run test:all` and `npm run models`. */
const TRIED = VARIANTS.filter(({ isLong }) => tries(0, 1) === 1 || isLong !== true);

describe.skipIf(reason !== null)(`Spin${reason === null ? '' : ` (skipped: ${reason})`} says of`, () => {
  test.each(TRIED.map((variant) => [variant.name, variant] as const))(
    '%s: what it must',
    (_, variant) => {
      const result = check(variant);
      expect(isAsItMust(variant, result), JSON.stringify(result)).toBe(true);
    },
    120_000,
  );
});
