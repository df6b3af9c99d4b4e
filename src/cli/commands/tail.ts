// keelson tail: the changes of a store that another process writes.

import { type Command, Option } from 'commander';
import type { Change } from '../../kv/index.js';
import { AnyStore } from '../any-store.js';
import { parseCount, shownKey } from '../keys.js';
import { LineWriter } from '../output.js';
import { type CommonOptions, storeCommand } from '../store-command.js';
import { taggedText } from '../tagged-json.js';

interface TailOptions extends CommonOptions {
  readonly since?: number;
  readonly follow: boolean;
}

export function tailCommand(): Command {
  return storeCommand(
    'tail',
    'Print the durable changes of a store, a line each, while its owner writes them.',
  )
    .addOption(
      new Option(
        '--since <lsn>',
        'begin behind this LSN; 0 is the start (default: the last write)',
      ).argParser(parseCount),
    )
    .option('--no-follow', 'end behind the last write as of now')
    .action(tail);
}

async function tail(directory: string, { since, follow, json }: TailOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async ({ db }) => {
    const lines = new LineWriter();
    for await (const { lsn, changes } of db.changes({ since, live: follow })) {
      if (json) await lines.line(`{"lsn":${lsn},"changes":${taggedText(changes)}}`);
      else for (const change of changes) await lines.line(`${lsn}\t${shown(change)}`);
      // A reader wants a change when it is there.
      if (follow) await lines.flush();
    }
    await lines.flush();
  });
}

function shown(change: Change): string {
  const { type } = change;
  const place = change.namespace === '' ? '' : `[${shownKey(change.namespace)}] `;
  if (type === 'put') return `put\t${place}${shownKey(change.key)}\t${taggedText(change.value)}`;
  if (type === 'touch')
    return `touch\t${place}${shownKey(change.key)}\t${change.expiresAt ?? 'never expires'}`;
  if (type === 'delete') return `${change.cause}\t${place}${shownKey(change.key)}`;
  if (type === 'clear') return `clear\t${place}${taggedText(change.range)}`;
  if (type === 'create') return `create\t${place}${change.keyEncoding} keys, ${change.valueEncoding} values`;
  return `drop\t${place}`.trimEnd();
}
