// keelson scan: the entries of a range, one a line.

import { type Command, Option } from 'commander';
import { AnyStore } from '../any-store.js';
import { BOUND_OPTIONS, parseCount, type RangeGiven, rangeOf, shownKey } from '../keys.js';
import { LineWriter } from '../output.js';
import { type SpaceOptions, spaceCommand } from '../store-command.js';
import { taggedText } from '../tagged-json.js';

interface ScanOptions extends SpaceOptions, Omit<RangeGiven, 'keyJson'> {
  readonly keys?: true;
}

export function scanCommand(): Command {
  const command = spaceCommand('scan', 'Print keys and values in key order, an entry a line.');
  for (const option of BOUND_OPTIONS) command.addOption(option);
  return command
    .option('--reverse', 'from high keys to low keys')
    .addOption(new Option('--offset <count>', 'leave out so many keys first').argParser(parseCount))
    .addOption(new Option('--limit <count>', 'at most so many keys').argParser(parseCount))
    .option('--keys', 'keys only')
    .action(scan);
}

async function scan(directory: string, options: ScanOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async (store) => {
    const { namespace, json, keys } = options;
    const range = rangeOf(options, store.encodingsOf(namespace).keyEncoding);
    const space = store.in(namespace);
    const lines = new LineWriter();
    store.hintAtNamespaces(namespace);
    if (keys) {
      for (const key of space.keys(range)) {
        const wait = lines.line(json ? taggedText(key) : shownKey(key));
        if (wait !== undefined) await wait;
      }
    } else {
      for (const { key, value, version, expiresAt } of space.getEntries(range)) {
        const line = json
          ? `{"key":${taggedText(key)},"value":${taggedText(value)},"version":${version}${expiresAt === undefined ? '' : `,"expiresAt":${expiresAt}`}}`
          : `${shownKey(key)}\t${taggedText(value)}`;
        const wait = lines.line(line);
        if (wait !== undefined) await wait;
      }
    }
    await lines.flush();
  });
}
