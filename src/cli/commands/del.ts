// keelson del: deletes a key.

import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { EXIT } from '../command-errors.js';
import { parseKey } from '../keys.js';
import { report } from '../output.js';
import { type SpaceOptions, spaceCommand, type WritingOptions, waitOption } from '../store-command.js';

export function delCommand(): Command {
  return spaceCommand('del', 'Delete a key. Ends when that is durable. Exit code 1 when it was not there.')
    .argument('<key>', 'the key')
    .addOption(waitOption())
    .action(del);
}

async function del(directory: string, text: string, options: SpaceOptions & WritingOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: false, wait: options.wait }, async (store) => {
    const { keyEncoding } = store.encodingsOf(options.namespace);
    const space = store.in(options.namespace);
    const key = parseKey(text, options, keyEncoding);
    const deleted = space.has(key);
    const lsn = await space.delete(key);
    if (!deleted) process.exitCode = EXIT.no;
    await report({ deleted, lsn }, options, () =>
      deleted ? `Deleted at LSN ${lsn}` : 'The key was not there',
    );
  });
}
