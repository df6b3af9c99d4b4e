// keelson salvage: writes all that is whole in a store into a new one.

import { type Command, Option } from 'commander';
import { type SalvageOptions, type SalvageReport, salvage } from '../../kv/index.js';
import { EXIT } from '../command-errors.js';
import { entriesAre, report } from '../output.js';
import { startProgress } from '../progress.js';
import { type CommonOptions, storeCommand } from '../store-command.js';
import { damageTable } from './verify.js';

interface SalvageCommandOptions extends CommonOptions {
  readonly keyEncoding?: SalvageOptions['keyEncoding'];
  readonly valueEncoding?: string;
}

export function salvageCommand(): Command {
  return storeCommand(
    'salvage',
    'Write all that is whole in a store that nobody has open into a new store. Exit code 1 when writes are missing.',
  )
    .argument('<out>', 'the directory of the new store, absent or empty')
    .addOption(
      new Option('--key-encoding <name>', 'the keys, when no file names them any more').choices([
        'utf8',
        'bytes',
        'tuple',
      ]),
    )
    .option('--value-encoding <name>', 'the values, when no file names them any more')
    .action(run);
}

async function run(directory: string, out: string, options: SalvageCommandOptions): Promise<void> {
  const { keyEncoding, valueEncoding } = options;
  const progress = startProgress('bytes');
  const found = await salvage(directory, out, {
    keyEncoding,
    valueEncoding,
    onProgress: ({ done, total }) => progress.update(done, total),
  }).finally(() => progress.stop());
  await report(found, options, () => shown(found));
  if (found.missing.length > 0) process.exitCode = EXIT.no;
}

function shown({ directory, entries, damages, missing }: SalvageReport): string {
  const lost =
    missing.length === 0
      ? 'Nothing that was acknowledged is missing, as far as the files show'
      : `Writes are missing in these ranges of LSNs: ${missing.map(({ lsn, lsnEnd }) => `${lsn} to ${lsnEnd}`).join(', ')}. What they put is not there: restore it from a backup, or from where it came`;
  const written = `${entriesAre(entries)} in ${directory}`;
  return [written, lost, ...(damages.length === 0 ? [] : [damageTable(damages)])].join('\n');
}
