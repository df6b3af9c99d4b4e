// What the tests of the journal share: directories of their own, records as text, and segments built from the codecs.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { KeelsonErrorCode } from '../../src/errors.js';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  encodeCommitHeader,
} from '../../src/journal/format/commit-format.js';
import { writeFrame } from '../../src/journal/format/frame.js';
import {
  encodeSegmentHeader,
  type SegmentHeader,
  segmentSeed,
} from '../../src/journal/format/segment-format.js';
import type { Journal } from '../../src/journal/journal.js';
import type { ReadRange } from '../../src/journal/journal-interface.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { type JournalOptions, resolveJournalOptions } from '../../src/journal/options.js';
import { type SegmentScan, SegmentScanner } from '../../src/journal/recovery/segment-scan.js';
import {
  checksumFrames,
  createFsStorage,
  FRAME_OVERHEAD_BYTES,
  type Storage,
} from '../../src/storage/index.js';

/** A directory for every test around it, removed with all that is in it. */
export function useDirectory(): { readonly path: string; at(...names: string[]): string } {
  let directory = '';
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-journal-'));
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));
  return {
    get path() {
      return directory;
    },
    at: (...names) => path.join(directory, ...names),
  };
}

/** Returns a function that opens journals in the directory of the test, which are closed after it. */
export function useJournals(here: { readonly path: string }) {
  const opened: Journal[] = [];
  afterEach(async () => {
    for (const journal of opened.splice(0)) await journal.close();
  });
  return async (
    options?: Partial<JournalOptions>,
    faulty?: { readonly storage: Storage },
  ): Promise<Journal> => {
    const journal = await open(here.path, options, faulty?.storage);
    opened.push(journal);
    return journal;
  };
}

/** Small enough that a few records go through several segments. */
export const TINY: Partial<JournalOptions> = {
  blockBytes: 512,
  segmentBytesMin: 4096,
  segmentBytesMax: 4096,
  commitBytesMax: 1024,
};

/** Opens on a storage of the test's, a plain one of the fs engine by default. */
export function open(
  directory: string,
  options: Partial<JournalOptions> = {},
  storage: Storage = createFsStorage(),
): Promise<Journal> {
  return openJournalOn(storage, directory, resolveJournalOptions('openJournal', options));
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export interface TextRecord {
  readonly lsn: number;
  readonly text: string;
}

export async function readAll(journal: Journal, range: ReadRange = {}): Promise<TextRecord[]> {
  const records: TextRecord[] = [];
  for await (const { lsn, record } of journal.read(range)) records.push({ lsn, text: textOf(record) });
  return records;
}

export async function textsOf(journal: Journal, range: ReadRange = {}): Promise<string[]> {
  return (await readAll(journal, range)).map(({ text }) => text);
}

/** Numbered records of a length of their own, so that each differs from every other. */
export function numbered(count: number, padTo = 0, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `record ${from + index}`.padEnd(padTo, '.'));
}

export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`expected a rejection, got ${String(value)}`),
    (error: unknown) => error,
  );
}

export function thrownBy(run: () => unknown): unknown {
  let value: unknown;
  try {
    value = run();
  } catch (error) {
    return error;
  }
  return expect.fail(`expected an error, got ${String(value)}`);
}

export function keelsonError(code: KeelsonErrorCode): object {
  return expect.objectContaining({ name: 'KeelsonError', code });
}

export function segmentNames(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith('.journal'))
    .sort();
}

/** Every name in a directory with its contents: equal listings mean that nothing was made or changed. */
export function listing(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory).sort();
  return Object.fromEntries(
    names.map((name) => [name, fs.readFileSync(path.join(directory, name)).toString('base64')]),
  );
}

/** The files as a process that was killed now would leave them: without the lock, whose owner here is alive. */
export function copyAsKilled(from: string, to: string): void {
  fs.mkdirSync(to, { recursive: true });
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const { name } = entry;
    if (!entry.isFile() || name.startsWith('LOCK')) continue;
    try {
      fs.copyFileSync(path.join(from, name), path.join(to, name));
    } catch (error) {
      // A segment that is being prepared loses its temporary name at any moment: the copy is of the moment after.
      if (!name.endsWith('.tmp') || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** How many descriptors this process has open on files below `directory`; null where the system cannot tell. */
export function openDescriptors(directory: string): number | null {
  const table = '/proc/self/fd';
  if (!fs.existsSync(table)) return null;
  return fs.readdirSync(table).filter((fd) => {
    try {
      return fs.readlinkSync(`${table}/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  }).length;
}

export const JOURNAL_ID = Uint8Array.from({ length: 16 }, (_, index) => index);
export const SALT = Uint8Array.from({ length: 8 }, (_, index) => 0xa0 + index);

export function segmentHeader(changes: Partial<SegmentHeader> = {}): SegmentHeader {
  return {
    journalId: JOURNAL_ID,
    sequence: 1,
    sizeBytes: 8192,
    blockBytes: 512,
    salt: SALT,
    lineageStart: null,
    isRecycled: false,
    durableLsn: 0,
    wallMs: 0,
    ...changes,
  };
}

/** Scans the bytes of a segment file, in windows of so many bytes; in one by default. */
export function scanSegment(
  bytes: Uint8Array,
  header: SegmentHeader,
  windowBytes: number = bytes.length,
): SegmentScan {
  const scanner = new SegmentScanner(header, bytes.length);
  for (let at = 0; at < bytes.length; at += windowBytes) {
    // A buffer of its own, gone with the next one, as the windows of a file are.
    const window = bytes.slice(at, at + windowBytes);
    scanner.push(window);
  }
  return scanner.finish();
}

/** Builds the bytes of one segment with the codecs that the journal writes with. */
export class SegmentBuilder {
  readonly header: SegmentHeader;
  readonly bytes: Uint8Array;
  readonly seed: number;
  offset: number;
  lsn: number;

  constructor(header: SegmentHeader = segmentHeader(), startLsn = 0) {
    this.header = header;
    this.bytes = new Uint8Array(header.sizeBytes);
    this.bytes.set(encodeSegmentHeader(header));
    this.seed = segmentSeed(header);
    this.offset = header.blockBytes;
    this.lsn = startLsn;
  }

  /** Appends a commit; `claims` replaces fields of its header. Returns where it stands. */
  commit(records: readonly (string | Uint8Array)[], claims: Partial<CommitHeader> = {}): number {
    const payloads = records.map((record) => (typeof record === 'string' ? bytesOf(record) : record));
    const bodyBytes = payloads.reduce((total, { length }) => total + FRAME_OVERHEAD_BYTES + length, 0);
    const block = this.bytes.subarray(
      this.offset,
      this.offset + commitBytesOnDisk(bodyBytes, this.header.blockBytes),
    );
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    const startLsn = claims.startLsn ?? this.lsn;
    let at = COMMIT_HEADER_BYTES;
    for (const payload of payloads) {
      const end = at + FRAME_OVERHEAD_BYTES + payload.length;
      writeFrame(block, view, at, payload, startLsn + end - COMMIT_HEADER_BYTES);
      at = end;
    }
    const { seed } = this;
    checksumFrames(block, { seed, startLsn, bodyOffset: COMMIT_HEADER_BYTES, bodyLength: bodyBytes });
    const header: CommitHeader = {
      startLsn,
      durableLsn: startLsn,
      heldFromLsn: 0,
      bodyBytes,
      recordCount: payloads.length,
      flags: 0,
      nextSequence: 0,
      ...claims,
    };
    encodeCommitHeader(block, header, this.offset, seed);
    const { offset } = this;
    this.offset += block.length;
    this.lsn = startLsn + bodyBytes;
    return offset;
  }
}
