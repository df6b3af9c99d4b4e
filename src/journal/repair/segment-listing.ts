// Lists of segments, and of the commits in a segment, for people who look at files. Recovery decides what counts.

import { basename } from 'node:path';
import { KeelsonError } from '../../errors.js';
import { FRAME_OVERHEAD_BYTES, type Storage } from '../../storage/index.js';
import { COMMIT_FLAGS } from '../format/commit-format.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../format/segment-format.js';
import { segmentPath } from '../format/segment-names.js';
import { type FoundSegment, provenIn } from '../recovery/log-geometry.js';
import { scanSegment } from '../recovery/recovery.js';
import { skimSegment } from '../recovery/segment-skim.js';
import { listSegments } from '../segments/segment-files.js';
import { scanLeniently } from './lenient-segment-scan.js';

/** A segment, as far as its headers tell. */
export interface ListedSegment {
  readonly file: string;
  readonly sequence: number;
  readonly bytes: number;
  /** The LSN at which its first commit starts, or null without one. */
  readonly startLsn: number | null;
  /** True if the session that wrote the segment ended well in it. */
  readonly isSealed: boolean;
  /** The reason why its header does not verify, or null. */
  readonly why: string | null;
}

/** The segments of a directory. */
export interface SegmentList {
  readonly segments: readonly ListedSegment[];
  /** The id of the journal in the newest header, or null without one. */
  readonly journalId: Uint8Array | null;
  /** The headers prove that the journal was durable up to this LSN. */
  readonly durableLsn: number;
}

/** Lists the segments of a directory by their headers. Reads only the newest segment that has commits to its end. */
export async function listSegmentHeaders(storage: Storage, directory: string): Promise<SegmentList> {
  const found: FoundSegment[] = [];
  let isScanned = false;
  for (const sequence of (await listSegments(storage, directory)).toReversed()) {
    const path = segmentPath(directory, sequence);
    const skimmed = await skimSegment(storage, path, sequence);
    const isNewest: boolean = !isScanned && (skimmed.scan?.commits.length ?? 0) > 0;
    found.unshift(isNewest ? await scanSegment(storage, path, sequence) : skimmed);
    isScanned ||= isNewest;
  }
  const headers = found.flatMap(({ verdict, scan }) =>
    verdict.ok && scan !== null ? [{ header: verdict.header, scan }] : [],
  );
  return {
    segments: found.map(listed),
    journalId: headers.at(-1)?.header.journalId ?? null,
    durableLsn: Math.max(0, ...headers.map(provenIn)),
  };
}

function listed({ path, sequence, fileBytes, verdict, scan, isClosedAtEnd }: FoundSegment): ListedSegment {
  return {
    file: basename(path),
    sequence,
    bytes: fileBytes,
    startLsn: scan?.commits[0]?.startLsn ?? null,
    isSealed: isClosedAtEnd,
    why: verdict.ok ? null : verdict.why,
  };
}

/** A commit of a segment, or a place in it that does not verify as one. */
export interface ListedCommit {
  readonly offset: number;
  readonly offsetEnd: number;
  /** `damaged` if no header verifies there, or records are missing; otherwise what the commit says. */
  readonly kind: 'records' | 'damaged' | keyof typeof COMMIT_FLAGS;
  /** The LSN at which its first frame starts, or null without a header that verifies. */
  readonly startLsn: number | null;
  /** The durable LSN that the commit claims, or null without a header that verifies. */
  readonly durableLsn: number | null;
  /** The records that verify. */
  readonly records: readonly ListedRecord[];
}

/** A record of a commit. */
export interface ListedRecord {
  readonly lsn: number;
  /** The bytes of the frame: its header and the record. */
  readonly frameBytes: number;
  /** The first bytes of the record, in hexadecimal digits. */
  readonly start: string;
}

/** The most bytes of a record that a list shows. */
const SHOWN_BYTES_MAX = 16;

/** Lists the commits of a segment. Throws KEELSON_NOT_FOUND without that segment, and what its header is refused with. */
export async function* listCommits(
  storage: Storage,
  directory: string,
  sequence: number,
): AsyncGenerator<ListedCommit, void, undefined> {
  const path = segmentPath(directory, sequence);
  const file = await storage.openFile(path, false);
  try {
    const fileBytes = await file.size();
    const header = await headerOf(file, path);
    const { durableLsn: logLsn } = header;
    // With 0, nothing is searched for records where the header of a commit is damaged.
    const plan = { file, fileBytes, header, logLsn, provenLsn: 0 };
    for await (const { offset, offsetEnd, commit, isWhole, bytes, records } of scanLeniently(plan)) {
      // Old bytes follow the last commit of a recycled segment.
      if (commit === null && header.isRecycled) continue;
      yield {
        offset,
        offsetEnd,
        kind: commit === null || !isWhole ? 'damaged' : kindOf(commit.flags),
        startLsn: commit?.startLsn ?? null,
        durableLsn: commit?.durableLsn ?? null,
        records: records.map(({ lsn, start, end }) => ({
          lsn,
          frameBytes: FRAME_OVERHEAD_BYTES + end - start,
          start: Buffer.from(bytes.subarray(start, Math.min(end, start + SHOWN_BYTES_MAX))).toString('hex'),
        })),
      };
    }
  } finally {
    await file.close();
  }
}

async function headerOf(
  file: { read(bytes: Uint8Array, offset: number): Promise<number> },
  path: string,
): Promise<SegmentHeader> {
  const head = new Uint8Array(SEGMENT_HEADER_BYTES);
  const verdict = decodeSegmentHeader(head.subarray(0, await file.read(head, 0)));
  if (verdict.ok) return verdict.header;
  throw new KeelsonError(verdict.code, `${path}: ${verdict.why}`, { path, offset: 0 });
}

function kindOf(flags: number): ListedCommit['kind'] {
  const names = Object.keys(COMMIT_FLAGS) as (keyof typeof COMMIT_FLAGS)[];
  return names.find((name) => (flags & COMMIT_FLAGS[name]) !== 0) ?? 'records';
}
