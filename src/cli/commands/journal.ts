// keelson journal: the commits and frames of a segment, for people who debug.

import { type Command, Option } from 'commander';
import { listStoreCommits, readStoreHeaders } from '../../kv/internal.js';
import { CommandError } from '../command-errors.js';
import { parseCount } from '../keys.js';
import { counted, LineWriter } from '../output.js';
import { type CommonOptions, storeCommand } from '../store-command.js';

interface JournalOptions extends CommonOptions {
  readonly segment?: number;
  readonly frames?: true;
}

export function journalCommand(): Command {
  return storeCommand('journal', 'Print the commits of a segment, a line each, as far as they verify.')
    .addOption(
      new Option(
        '--segment <sequence>',
        'the number in the name of the segment; default the newest with commits',
      ).argParser(parseCount),
    )
    .option('--frames', 'print the frames of each commit, too')
    .action(journal);
}

async function journal(directory: string, { segment, frames, json }: JournalOptions): Promise<void> {
  const { segments } = await readStoreHeaders(directory);
  const newest = segments.findLast(({ startLsn }) => startLsn !== null) ?? segments.at(-1);
  const found = segment === undefined ? newest : segments.find(({ sequence }) => sequence === segment);
  if (found === undefined) {
    const known = segments.map(({ sequence }) => sequence).join(', ');
    throw new CommandError(
      'USAGE',
      `${directory} has no segment ${segment ?? ''}`.trim(),
      `Segments are ${known || 'none'}`,
    );
  }
  const lines = new LineWriter();
  if (!json) await lines.line(`Segment ${found.sequence}: ${found.file}`);
  for await (const { records, ...commit } of listStoreCommits(directory, found.sequence)) {
    const { offset, offsetEnd, kind, startLsn, durableLsn } = commit;
    const line = json
      ? JSON.stringify({ ...commit, recordCount: records.length, ...(frames && { records }) })
      : `${offset}–${offsetEnd} ${kind}: LSN ${startLsn ?? '?'}, ${counted(records.length, 'record', 'records')}, durable to ${durableLsn ?? '?'}`;
    await lines.line(line);
    if (json || !frames) continue;
    for (const { lsn, frameBytes, start } of records)
      await lines.line(`  LSN ${lsn}: ${frameBytes} bytes, ${start}…`);
  }
  await lines.flush();
}
