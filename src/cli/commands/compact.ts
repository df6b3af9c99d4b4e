// keelson compact: writes an image, and retires the files that it replaces.

import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { entriesAre, report, shownBytes } from '../output.js';
import { type CommonOptions, storeCommand, type WritingOptions, waitOption } from '../store-command.js';

export function compactCommand(): Command {
  return storeCommand('compact', 'Write an image of the store, and remove the files that it replaces.')
    .addOption(waitOption())
    .action(compact);
}

async function compact(directory: string, options: CommonOptions & WritingOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: false, wait: options.wait }, async ({ db }) => {
    const made = await db.checkpoint();
    const { entries, bytesWritten } = made;
    await report(made, options, () =>
      bytesWritten === 0
        ? 'The last image is still current'
        : `${entriesAre(entries)} in an image of ${shownBytes(bytesWritten)}`,
    );
  });
}
