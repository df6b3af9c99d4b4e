// keelson stat: what a store holds, from the headers of its files, or with --deep from all of them.

import type { Command } from 'commander';
import { readStoreHeaders, type SpaceFacts, type StoreHeaders } from '../../kv/internal.js';
import { grouped, report, shownBytes } from '../output.js';
import { type CommonOptions, storeCommand } from '../store-command.js';
import { table } from '../table.js';

interface StatOptions extends CommonOptions {
  readonly deep?: true;
}

/** The namespaces as of an LSN, or null when only --deep can tell. */
interface Spaces {
  readonly lsn: number;
  readonly rows: readonly SpaceFacts[];
}

export function statCommand(): Command {
  return storeCommand('stat', 'Print what a store holds, from the headers of its files.')
    .option('--deep', 'read all entries, and tell them as they are now')
    .action(stat);
}

async function stat(directory: string, options: StatOptions): Promise<void> {
  const headers = await readStoreHeaders(directory);
  const spaces = options.deep ? await allSpaces(directory) : spacesOfImage(headers);
  const { id, images, segments, durableLsn, owner } = headers;
  const facts = {
    directory: headers.directory,
    id,
    durableLsn,
    owner: owner === null ? null : { pid: owner.pid },
    namespacesAtLsn: spaces?.lsn ?? null,
    namespaces: spaces?.rows ?? null,
    images: images.map(({ namespaces: _, ...image }) => image),
    segments,
  };
  await report(facts, options, () => shown(headers, spaces, options));
}

/** Returns the namespaces as the newest image with a whole table has them. */
function spacesOfImage({ images }: StoreHeaders): Spaces | null {
  const image = images.find(({ namespaces }) => namespaces !== null);
  return image === undefined ? null : { lsn: image.lsn, rows: image.namespaces! };
}

async function allSpaces(directory: string): Promise<Spaces> {
  // Headers need no store.
  const { AnyStore } = await import('../any-store.js');
  return AnyStore.using({ directory, readOnly: true }, async ({ db, spaces }) => ({
    lsn: db.lastLsn,
    rows: spaces,
  }));
}

function shown(
  { directory, id, owner, durableLsn, images, segments }: StoreHeaders,
  spaces: Spaces | null,
  { deep }: StatOptions,
): string {
  const ofSpaces =
    spaces === null
      ? 'Namespaces: no image tells them yet; --deep reads them from the journal'
      : `Namespaces${deep ? '' : `, as of the image of LSN ${grouped(spaces.lsn)} (--deep tells them as of now)`}:\n${spaceTable(spaces.rows)}`;
  return [
    `Store:       ${directory}`,
    `Id:          ${id ?? '?'}`,
    `Owner:       ${owner === null ? 'none' : owner.pid === null ? owner.what : `process ${owner.pid}`}`,
    `Durable LSN: ${grouped(durableLsn)}`,
    '',
    ofSpaces,
    '',
    `Images: ${images.length === 0 ? 'none' : shownBytes(sumOf(images))}`,
    ...(images.length === 0 ? [] : [imageTable(images)]),
    '',
    `Segments of the journal: ${shownBytes(sumOf(segments))}`,
    segmentTable(segments),
  ].join('\n');
}

function sumOf(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function spaceTable(rows: readonly SpaceFacts[]): string {
  return table(
    ['namespace', 'keys', 'values', 'entries', 'bytes in memory'],
    rows.map(({ name, keyEncoding, valueEncoding, entries, bytes }) => [
      name === '' ? '(the store itself)' : JSON.stringify(name).slice(1, -1),
      keyEncoding,
      valueEncoding,
      entries,
      bytes,
    ]),
  );
}

function imageTable(images: StoreHeaders['images']): string {
  return table(
    ['file', 'LSN', 'entries', 'bytes', 'state'],
    images.map(({ file, lsn, entries, bytes, why }) => [file, lsn, entries, bytes, why ?? 'header is whole']),
  );
}

function segmentTable(segments: StoreHeaders['segments']): string {
  return table(
    ['file', 'starts at LSN', 'bytes', 'state'],
    segments.map(({ file, startLsn, bytes, isSealed, why }) => [
      file,
      startLsn ?? (why === null ? 'empty' : '?'),
      bytes,
      why ?? (isSealed ? 'sealed' : 'not sealed'),
    ]),
  );
}
