// keelson count: the number of keys in a range.

import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { BOUND_OPTIONS, type RangeGiven, rangeOf } from '../keys.js';
import { report } from '../output.js';
import { type SpaceOptions, spaceCommand } from '../store-command.js';

export function countCommand(): Command {
  const command = spaceCommand('count', 'Print the number of keys.');
  for (const option of BOUND_OPTIONS) command.addOption(option);
  return command.action(count);
}

async function count(directory: string, options: SpaceOptions & RangeGiven): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async (store) => {
    const range = rangeOf(options, store.encodingsOf(options.namespace).keyEncoding);
    const found = store.in(options.namespace).count(range);
    store.hintAtNamespaces(options.namespace);
    await report({ count: found }, options, () => String(found));
  });
}
