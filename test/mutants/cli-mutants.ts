// Mutants of the command: values that are not exact, batches that are not whole, and what readers must not write.

import type { Mutant } from './mutants.js';
import { mutantsOf } from './mutants-of.js';

const COMMANDS = 'test/cli/commands.test.ts';
const TAGGED = 'test/cli/tagged-json.test.ts';

const mutantIn = mutantsOf('the command');

export const cliMutants: readonly Mutant[] = [
  mutantIn('src/cli/tagged-json.ts', 'an object that looks like a tag is taken for one', [TAGGED], {
    find: "return names.length === 1 && names[0]!.startsWith('$') ? { $object: tagged } : tagged;",
    replace: 'return tagged;',
  }),
  mutantIn('src/cli/commands/load.ts', 'a dump that lacks lines is loaded', [COMMANDS], {
    find: 'if (this.#line - 1 !== entries) {',
    replace: 'if (this.#line - 1 > entries) {',
  }),
  mutantIn('src/cli/commands/load.ts', 'each entry is a batch', [COMMANDS], {
    find: 'const BATCH_ENTRIES_MAX = 1000;',
    replace: 'const BATCH_ENTRIES_MAX = 1;',
  }),
];
