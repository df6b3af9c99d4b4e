// A dump as a source of load.

import { CommandError } from '../command-errors.js';
import { type DumpHeader, readEntry, readHeader } from '../dump-format.js';
import { type LinePiece, LineReader } from '../text-files.js';
import { BatchMaker, type LoadSource, type SourceBatch } from './load-source.js';

/** Opens a dump: reads its first piece, which has the header. */
export async function openDump(path: string): Promise<LoadSource> {
  const reader = new LineReader(path);
  const pieces = reader.pieces();
  const { value: start } = await pieces.next();
  if (start === undefined) throw new CommandError('CUT_OFF', 'The dump is empty', 'Make the dump again');
  const header = readHeader(start.lines[0]!);
  return {
    spaces: header.namespaces,
    highestId: header.highestId,
    isExact: true,
    noun: 'Line',
    unit: 'bytes',
    batches: () => batchesOf(allOf(start, pieces), header, reader.bytes),
    close: async () => void (await pieces.return()),
  };
}

async function* allOf(start: LinePiece, rest: AsyncIterable<LinePiece>): AsyncGenerator<LinePiece> {
  yield start;
  yield* rest;
}

async function* batchesOf(
  pieces: AsyncIterable<LinePiece>,
  { entries }: DumpHeader,
  bytes: number | null,
): AsyncGenerator<SourceBatch, void, undefined> {
  const batch = new BatchMaker(2);
  let [found, done] = [0, 0];
  for await (const { lines, first, bytesRead } of pieces) {
    done = bytesRead;
    for (let at = first === 1 ? 1 : 0; at < lines.length; at++) {
      const line = lines[at]!;
      found++;
      if (batch.add(readEntry(line, first + at), line.length)) yield batch.take(done, bytes ?? done);
    }
  }
  if (found !== entries) {
    const what = `The dump has ${found} of the ${entries} entries that its header tells`;
    throw new CommandError('CUT_OFF', what, 'Make the dump again');
  }
  yield batch.take(done, bytes ?? done);
}
