// Mutants of what a refusal says.

import type { Mutant } from './mutants.js';

export const refusalMutants: readonly Mutant[] = [
  {
    name: 'a conflict does not say of which key it is',
    edits: [
      {
        file: 'src/kv/write/conditions.ts',
        find: '    key: space.keyCodec.fromIndexKey(key),\n',
        replace: '',
      },
    ],
    tests: ['test/kv/conditions.test.ts'],
  },
  {
    name: 'a search for crashes of no known kind passes without one',
    edits: [
      {
        file: 'src/testing/simulate-crashes.ts',
        find: "if (wrong !== undefined) throw misuse('kinds'",
        replace: "if (wrong === null) throw misuse('kinds'",
      },
    ],
    tests: ['test/simulation/simulate-crashes.test.ts'],
  },
];
