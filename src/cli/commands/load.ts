// keelson load: puts the entries of a dump, or of another database, into a store, in batches.

import { type Command, Option } from 'commander';
import type { Encodings } from '../any-store.js';
import { CommandError } from '../command-errors.js';
import { openDump } from '../load/dump-source.js';
import type { LoadSource } from '../load/load-source.js';
import { Loading } from '../load/loading.js';
import { entriesAre, report } from '../output.js';
import { startProgress } from '../progress.js';
import {
  type CommonOptions,
  encodingOptions,
  storeCommand,
  type WritingOptions,
  waitOption,
} from '../store-command.js';
import { namesIn } from '../text-files.js';

interface LoadOptions extends CommonOptions, WritingOptions, Partial<Encodings> {
  readonly from?: Kind;
  readonly database?: string;
}

type Kind = (typeof KINDS)[number];

const KINDS = ['dump', 'json', 'level', 'lmdb'] as const;

/** The encodings that are usual in each source. A dump names its own. */
const USUAL: Readonly<Record<Exclude<Kind, 'dump'>, Encodings>> = {
  json: { keyEncoding: 'utf8', valueEncoding: 'msgpack' },
  level: { keyEncoding: 'utf8', valueEncoding: 'utf8' },
  lmdb: { keyEncoding: 'utf8', valueEncoding: 'msgpack' },
};

export function loadCommand(): Command {
  const command = storeCommand(
    'load',
    'Put the entries of a dump, a JSON file, or a Level or lmdb database into a store, which is made when it is not there.',
  )
    .argument('[source]', 'a file, or the directory of a database; - is standard input', '-')
    .addOption(
      new Option('--from <kind>', 'the kind of the source, when its path does not tell').choices(KINDS),
    );
  for (const option of encodingOptions('a source that is no dump, and of the store that is made'))
    command.addOption(option);
  return command
    .option('--database <name>', "one named database of lmdb, or '' for its root; default all")
    .addOption(waitOption())
    .action(load);
}

async function load(directory: string, path: string, options: LoadOptions): Promise<void> {
  const source = await openSource(path, options);
  try {
    await loadFrom(source, directory, options);
  } finally {
    await source.close();
  }
}

async function loadFrom(source: LoadSource, directory: string, options: LoadOptions): Promise<void> {
  const loading = await Loading.into(directory, source, options.wait);
  const progress = startProgress(source.unit);
  try {
    await loading.run(({ done, total }) => progress.update(done, total));
  } finally {
    progress.stop();
    await loading.close();
  }
  const { loaded: entries } = loading;
  await report({ entries }, options, () => `${entriesAre(entries)} in ${directory}, durably`);
}

async function openSource(path: string, options: LoadOptions): Promise<LoadSource> {
  const names = namesIn(path);
  const kind = options.from ?? kindOf(path, names);
  const { keyEncoding, valueEncoding, database } = options;
  if (database !== undefined && kind !== 'lmdb')
    throw new CommandError('USAGE', 'Only lmdb has named databases', 'Leave --database out');
  if (kind === 'dump') {
    if (keyEncoding === undefined && valueEncoding === undefined) return openDump(path);
    throw new CommandError('USAGE', 'A dump names its encodings', 'Leave them out, or give --from');
  }
  const usual = USUAL[kind];
  const encodings = {
    keyEncoding: keyEncoding ?? usual.keyEncoding,
    valueEncoding: valueEncoding ?? usual.valueEncoding,
  };
  // Each brings what only it needs.
  if (kind === 'json') return (await import('../load/json-source.js')).openJson(path, encodings);
  if (kind === 'level') return (await import('../load/level-source.js')).openLevel(path, encodings);
  const { openLmdb } = await import('../load/lmdb-source.js');
  return openLmdb(path, names !== null, encodings, database);
}

/** Returns the kind of a source by its path and, for a directory, the names in it. */
function kindOf(path: string, names: readonly string[] | null): Kind {
  if (names === null) return path.endsWith('.json') ? 'json' : 'dump';
  if (names.includes('data.mdb')) return 'lmdb';
  if (names.includes('CURRENT')) return 'level';
  const next = names.some((name) => /\.(journal|image)$/.test(name))
    ? '`keelson backup` copies a store, and `keelson dump` writes one as a file that load reads'
    : 'Check the path';
  throw new CommandError('USAGE', `${path} is a directory without a Level or lmdb database`, next);
}
