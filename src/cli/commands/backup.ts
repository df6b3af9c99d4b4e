// keelson backup: a copy of a store, beside a live owner too.

import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { entriesAre, grouped, report } from '../output.js';
import { type CommonOptions, storeCommand } from '../store-command.js';

interface BackupCommandOptions extends CommonOptions {
  readonly incremental: boolean;
}

export function backupCommand(): Command {
  return storeCommand('backup', 'Write the store as it is now into another directory.')
    .argument(
      '<out>',
      'the directory of the copy, absent or empty; with --incremental, of a backup of this store',
    )
    .option('--incremental', 'bring the backup in <out> up to date', false)
    .action(backup);
}

async function backup(directory: string, out: string, options: BackupCommandOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async ({ db }) => {
    const made = await db.backup(out, { incremental: options.incremental });
    await report(
      made,
      options,
      () => `${entriesAre(made.entries)} in ${made.directory}, as of LSN ${grouped(made.lsn)}`,
    );
  });
}
