// keelson dump: all entries of a store as lines of JSON.

import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { entryLine, headerLine } from '../dump-format.js';
import { startProgress } from '../progress.js';
import { type CommonOptions, storeCommand } from '../store-command.js';
import { writeLines } from '../text-files.js';

/** The entries between two updates of the progress. */
const PROGRESS_ENTRIES = 4096;

interface DumpOptions extends CommonOptions {
  readonly output: string;
}

export function dumpCommand(): Command {
  return storeCommand('dump', 'Write all entries as lines of JSON, which `keelson load` reads.')
    .option('-o, --output <file>', 'the file to write; - is standard output', '-')
    .action(dump);
}

async function dump(directory: string, { output }: DumpOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async (store) => {
    const { db, spaces, highestId } = store;
    const entries = spaces.reduce((sum, space) => sum + space.entries, 0);
    const namespaces = spaces.map(({ bytes: _, ...space }) => space);
    const progress = startProgress('entries');
    let done = 0;
    await writeLines(output, async (lines) => {
      await lines.line(headerLine({ id: db.id, lsn: db.lastLsn, highestId, entries, namespaces }));
      for (const { name: namespace } of spaces) {
        for (const { key, value, expiresAt } of store.in(namespace).getEntries()) {
          const wait = lines.line(entryLine({ namespace, key, value, expiresAt }));
          if (wait !== undefined) await wait;
          if (++done % PROGRESS_ENTRIES === 0) progress.update(done, entries);
        }
      }
    }).finally(() => progress.stop());
  });
}
