// keelson verify: reads all files of a store that nobody has open, and names each damaged place.

import type { Command } from 'commander';
import { type Damage, type VerifyReport, verify } from '../../kv/index.js';
import { EXIT } from '../command-errors.js';
import { counted, grouped, report } from '../output.js';
import { startProgress } from '../progress.js';
import { type CommonOptions, storeCommand } from '../store-command.js';
import { table } from '../table.js';

export function verifyCommand(): Command {
  return storeCommand(
    'verify',
    'Read and check all files of a store that nobody has open. Exit code 1 when there is damage.',
  ).action(run);
}

async function run(directory: string, options: CommonOptions): Promise<void> {
  const progress = startProgress('bytes');
  const found = await verify(directory, {
    onProgress: ({ done, total }) => progress.update(done, total),
  }).finally(() => progress.stop());
  if (!found.ok) process.exitCode = EXIT.no;
  await report(found, options, () => shown(found));
}

function shown({
  directory,
  ok,
  damages,
  entries,
  records,
  lastLsn,
  tornBytes,
  otherNames,
}: VerifyReport): string {
  const verdict = ok
    ? `${directory} is whole`
    : `${directory} is damaged. Delete nothing; \`keelson salvage DIR OUT\` writes all that is whole into a new store`;
  const torn =
    tornBytes === 0 ? [] : [`${grouped(tornBytes)} bytes at the end were never acknowledged: no damage`];
  const others = otherNames.length === 0 ? [] : [`Other names: ${otherNames.join(', ')}`];
  const counts = `${counted(entries, 'entry', 'entries')}, ${counted(records, 'record', 'records')} in the journal, last LSN ${grouped(lastLsn)}`;
  return [verdict, counts, ...torn, ...others, ...(ok ? [] : [damageTable(damages)])].join('\n');
}

/** Returns the table of damaged places. */
export function damageTable(damages: readonly Damage[]): string {
  return table(
    ['file', 'from', 'to', 'open() needs it', 'what'],
    damages.map(({ file, offset, offsetEnd, isNeeded, what }) => [
      file ?? '(missing)',
      offset,
      offsetEnd ?? null,
      isNeeded ? 'yes' : 'no',
      what,
    ]),
  );
}
