// keelson get: the value of a key.

import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { EXIT } from '../command-errors.js';
import { parseKey } from '../keys.js';
import { report } from '../output.js';
import { type SpaceOptions, spaceCommand } from '../store-command.js';
import { taggedText, toTagged } from '../tagged-json.js';

export function getCommand(): Command {
  return spaceCommand('get', 'Print the value of a key, as JSON. Exit code 1 when it is not there.')
    .argument('<key>', 'the key')
    .action(get);
}

async function get(directory: string, text: string, options: SpaceOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async (store) => {
    const { namespace } = options;
    const { keyEncoding } = store.encodingsOf(namespace);
    const entry = store.in(namespace).getEntry(parseKey(text, options, keyEncoding));
    if (entry === undefined) {
      process.exitCode = EXIT.no;
      store.hintAtNamespaces(namespace);
      if (options.json) await report({ found: false }, options, () => '');
      return;
    }
    const facts = { found: true, ...entry, value: toTagged(entry.value) };
    await report(facts, options, () => taggedText(entry.value));
  });
}
