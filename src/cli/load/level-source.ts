// A directory of LevelDB, as the packages level and classic-level write it, as a source of load.

import type { ClassicLevel } from 'classic-level';
import type { Encodings } from '../any-store.js';
import { CommandError } from '../command-errors.js';
import { decoderOf } from './decoders.js';
import { BatchMaker, type LoadSource, type SourceBatch } from './load-source.js';
import { importPeer } from './peer-packages.js';

type BytesLevel = ClassicLevel<Uint8Array, Uint8Array>;

/** The most entries and bytes of one read. */
const READ_ENTRIES = 1000;
const READ_BYTES = 1024 * 1024;

/** Opens a database of LevelDB, which nobody else may have open. Its encodings become those of the store. */
export async function openLevel(path: string, encodings: Encodings): Promise<LoadSource> {
  if (encodings.keyEncoding === 'tuple')
    throw new CommandError('USAGE', 'Level has no tuple keys', 'Give --key-encoding utf8 or bytes');
  const peer = await importPeer('classic-level', () => import('classic-level'));
  const db: BytesLevel = new peer.ClassicLevel(path, { keyEncoding: 'view', valueEncoding: 'view' });
  try {
    await db.open({ createIfMissing: false });
  } catch (error) {
    const { message } = ((error as Error).cause ?? error) as Error;
    const next = 'Check the path, and close the program that has it open';
    throw new CommandError('SOURCE', `classic-level cannot open ${path}: ${message}`, next);
  }
  return {
    spaces: [{ ...encodings, name: '' }],
    isExact: false,
    noun: 'Entry',
    unit: 'entries',
    batches: () => batchesOf(db, encodings),
    close: () => db.close(),
  };
}

async function* batchesOf(
  db: BytesLevel,
  encodings: Encodings,
): AsyncGenerator<SourceBatch, void, undefined> {
  const decodeKey = await decoderOf(encodings.keyEncoding, 'key');
  const decodeValue = await decoderOf(encodings.valueEncoding, 'value');
  const batch = new BatchMaker(1);
  let found = 0;
  const iterator = db.iterator({ highWaterMarkBytes: READ_BYTES });
  try {
    for (;;) {
      const read = await iterator.nextv(READ_ENTRIES);
      if (read.length === 0) break;
      for (const [key, value] of read) {
        found++;
        const entry = { key: decodeKey(key, found), value: decodeValue(value, found) };
        if (batch.add(entry, key.length + value.length)) yield batch.take(found, found);
      }
    }
    yield batch.take(found, found);
  } finally {
    await iterator.close();
  }
}
