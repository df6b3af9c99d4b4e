// A JSON file as a source of load: an object of values, or an array of pairs or of entries as a dump has them.

import type { Encodings } from '../any-store.js';
import { CommandError } from '../command-errors.js';
import { type DumpEntry, entryOf } from '../dump-format.js';
import { taggedText } from '../tagged-json.js';
import { readText } from '../text-files.js';
import { BatchMaker, type LoadSource, type SourceBatch } from './load-source.js';

/** Reads a whole JSON file. */
export async function openJson(path: string, encodings: Encodings): Promise<LoadSource> {
  const items = itemsOf(await readText(path));
  const names = new Set(items.map((item) => (item as { namespace?: unknown } | null)?.namespace ?? ''));
  names.delete('');
  return {
    spaces: ['', ...names].map((name) => ({ ...encodings, name: String(name) })),
    isExact: false,
    noun: 'Entry',
    unit: 'entries',
    batches: () => batchesOf(items),
    close: async () => {},
  };
}

function itemsOf(text: string): readonly unknown[] {
  if (text.startsWith('{"keelson":"dump"'))
    throw new CommandError('USAGE', 'The file is a dump', 'Give --from dump, or another name than .json');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw malformed(`The file is no JSON: ${(error as Error).message}`);
  }
  if (Array.isArray(json)) return json;
  if (typeof json === 'object' && json !== null) return Object.entries(json);
  throw malformed('The file holds no entries');
}

async function* batchesOf(items: readonly unknown[]): AsyncGenerator<SourceBatch, void, undefined> {
  const batch = new BatchMaker(1);
  for (const [at, item] of items.entries()) {
    const entry = entryFrom(item, `Entry ${at + 1}`);
    if (batch.add(entry, taggedText(entry.value).length)) yield batch.take(at + 1, items.length);
  }
  yield batch.take(items.length, items.length);
}

function entryFrom(item: unknown, place: string): DumpEntry {
  if (typeof item !== 'object' || item === null) throw malformed(`${place} is no entry`);
  if (!Array.isArray(item)) return entryOf(item, place, true);
  if (item.length !== 2) throw malformed(`${place} is no pair of a key and a value`);
  const [key, value] = item;
  return entryOf({ key, value }, place, true);
}

function malformed(what: string): CommandError {
  const next = 'Give an object, or an array of [key, value] or of {"key":…,"value":…}';
  return new CommandError('MALFORMED', what, next);
}
