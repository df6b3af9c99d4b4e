// Small worlds for the recovery decision, and an oracle that decides about them in another way: byte by byte, from the
// prose of docs/DURABILITY.md, without chains of segments.

import { COMMIT_FLAGS } from '../../src/journal/format/commit-format.js';
import type { FoundSegment } from '../../src/journal/recovery/log-geometry.js';
import type { ScannedCommit } from '../../src/journal/recovery/segment-scan.js';
import type { RecoveryAnchor } from '../../src/journal/recovery/tail-decision.js';
import { JOURNAL_ID, segmentHeader } from './helpers.js';

/** Bytes of frames in every commit with records: LSNs are multiples of it. */
export const UNIT = 10;
const BLOCK_BYTES = 512;
const SIZE_BYTES = 8192;
export const OTHER_JOURNAL_ID = JOURNAL_ID.map((byte) => byte ^ 0xff);

export type HeaderState = 'ok' | 'corrupt' | 'foreign' | 'newer' | 'other journal' | 'other name' | 'short';
/**
 * `gap`: starts above the end of the log, as its claims say. `leap`: the same, and claims nothing. `back`: starts below
 * the end, without a lineage that would allow it. `lineage`: recovery's, with a copy of the last commit. `robbery`:
 * recovery's, made before the last commit was there, by a robber whose victim wrote on.
 */
export type Body = 'none' | 'one' | 'two' | 'hole' | 'gap' | 'lineage' | 'leap' | 'back' | 'robbery';
export type Seal = 'none' | 'closed' | 'rotated' | 'recovered';

export interface SegmentKind {
  readonly header: HeaderState;
  readonly body: Body;
  readonly seal: Seal;
}

const BODIES: readonly Body[] = ['none', 'one', 'two', 'hole', 'gap', 'lineage'];
const SECOND_HISTORIES: readonly Body[] = ['leap', 'back', 'robbery'];
const SEALS: readonly Seal[] = ['none', 'closed', 'rotated', 'recovered'];

/** Every segment there can be, as far as the decision can tell them apart. */
export const SEGMENT_KINDS: readonly SegmentKind[] = [
  ...BODIES.flatMap((body) => SEALS.map((seal): SegmentKind => ({ header: 'ok', body, seal }))),
  ...SECOND_HISTORIES.flatMap((body) =>
    (['none', 'closed'] as const).map((seal): SegmentKind => ({ header: 'ok', body, seal })),
  ),
  ...(['corrupt', 'foreign', 'newer'] as const).map(
    (header): SegmentKind => ({ header, body: 'two', seal: 'none' }),
  ),
  ...(['other journal', 'other name', 'short'] as const).map(
    (header): SegmentKind => ({ header, body: 'one', seal: 'none' }),
  ),
];

const REFUSED_HEADERS = {
  corrupt: 'KEELSON_CORRUPT',
  foreign: 'KEELSON_FOREIGN',
  newer: 'KEELSON_FORMAT_VERSION',
} as const;

/** Facts of a file that make no difference here. */
export const AS_SCANNED = { isClosedAtEnd: false, modifiedMs: 0, isSkimmed: false } as const;

/**
 * The segments of these kinds in a row, the first starting at `startLsn`, which is what all commits say the journal
 * is held from unless `heldFromLsn` says otherwise.
 */
export function makeWorld(
  kinds: readonly SegmentKind[],
  startLsn = 0,
  heldFromLsn = startLsn,
): FoundSegment[] {
  let endLsn = startLsn;
  return kinds.map((kind, index) => {
    const sequence = index + 1;
    const isRecovery = kind.body === 'lineage' || kind.body === 'robbery';
    const lineageStart = isRecovery ? Math.max(startLsn, endLsn - UNIT) : null;
    const copiedLsn = kind.body === 'lineage' ? endLsn : lineageStart;
    const commits: ScannedCommit[] = [];
    const add = (from: number, records: number, flags = 0, nextSequence = 0) => {
      const offset = BLOCK_BYTES * (commits.length + 1);
      const to = from + records * UNIT;
      commits.push({ offset, startLsn: from, endLsn: to, recordCount: records, flags, nextSequence });
      endLsn = to;
    };
    if (kind.body === 'gap' || kind.body === 'leap') endLsn += UNIT;
    if (kind.body === 'back') endLsn = Math.max(startLsn, endLsn - UNIT);
    if (kind.body === 'lineage' && lineageStart! < endLsn) add(lineageStart!, 1);
    if (kind.body === 'robbery') endLsn = lineageStart!;
    if (['one', 'two', 'hole', 'gap', 'leap', 'back'].includes(kind.body)) add(endLsn, 1);
    if (kind.body === 'two') add(endLsn, 1);
    let claimed = Math.max(-1, ...commits.map((commit) => commit.startLsn));
    if (kind.body === 'hole') claimed = endLsn + UNIT;
    // Behind a hole the seal is not part of the run; elsewhere it is the last commit of it.
    if (kind.seal !== 'none' && kind.body !== 'hole') {
      const flags = COMMIT_FLAGS[kind.seal];
      add(endLsn, 0, flags, kind.seal === 'rotated' ? sequence + 1 : 0);
      claimed = endLsn;
    }
    if (kind.body === 'leap') claimed = startLsn;
    const path = `/journal/${sequence}`;
    const fileBytes = kind.header === 'short' ? SIZE_BYTES - 1 : SIZE_BYTES;
    if (kind.header === 'corrupt' || kind.header === 'foreign' || kind.header === 'newer') {
      const verdict = { ok: false, code: REFUSED_HEADERS[kind.header], why: kind.header } as const;
      return {
        path,
        sequence,
        fileBytes,
        ...AS_SCANNED,
        verdict,
        scan: null,
      };
    }
    const header = segmentHeader({
      sequence: kind.header === 'other name' ? sequence + 100 : sequence,
      journalId: kind.header === 'other journal' ? OTHER_JOURNAL_ID : JOURNAL_ID,
      sizeBytes: SIZE_BYTES,
      lineageStart,
      durableLsn: copiedLsn ?? 0,
    });
    const scan = {
      commits,
      endOffset: BLOCK_BYTES * (commits.length + 1),
      endsBecause: 'header' as const,
      hasBytesAfterEnd: kind.body === 'hole',
      durableLsnClaimed: claimed,
      heldFromLsnClaimed: claimed < 0 ? -1 : heldFromLsn,
    };
    return {
      path,
      sequence,
      fileBytes,
      ...AS_SCANNED,
      verdict: { ok: true, header },
      scan,
    };
  });
}

/** All rows of `length` elements of `of`. */
export function* rows<T>(of: readonly T[], length: number): Generator<readonly T[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const rest of rows(of, length - 1)) for (const last of of) yield [...rest, last];
}

/** What the prose says of a world. */
export interface Expected {
  readonly kind: 'fresh' | 'clean' | 'repair' | 'refuse';
  /** Where what is whole ends; of a refused world, undefined when something else than a loss refuses it. */
  readonly endLsn?: number;
  /** It is refused because it holds two histories. */
  readonly isMixed?: boolean;
}

export function expectedDecision(segments: readonly FoundSegment[], anchor: RecoveryAnchor | null): Expected {
  if (segments.length === 0) {
    const isFresh = anchor === null || (anchor.provenLsn === 0 && anchor.journalId === null);
    return { kind: isFresh ? 'fresh' : 'refuse' };
  }
  const readable = segments.flatMap((segment) =>
    segment.verdict.ok ? [{ ...segment, header: segment.verdict.header, scan: segment.scan! }] : [],
  );
  const alive = (segment: FoundSegment) =>
    (segment.scan?.commits ?? []).filter(
      (commit) =>
        !readable.some(
          ({ sequence, header }) =>
            sequence > segment.sequence &&
            header.lineageStart !== null &&
            commit.startLsn >= header.lineageStart,
        ),
    );
  const claimOf = ({ scan, header }: (typeof readable)[number]) =>
    Math.max(
      scan.durableLsnClaimed,
      header.durableLsn,
      ...scan.commits.map(({ flags, endLsn }) => (isEndOfLife(flags) ? endLsn : 0)),
    );
  const provenLsn = Math.max(anchor?.provenLsn ?? 0, ...readable.map(claimOf));
  const baseLsn = anchor?.lsn ?? Math.max(0, ...readable.map(({ scan }) => scan.heldFromLsnClaimed));

  // Nobody needs what is older than a segment that starts early enough.
  const needed = segments.filter(
    ({ sequence }) =>
      !readable.some(
        (later) => later.sequence > sequence && (alive(later)[0]?.startLsn ?? Infinity) <= baseLsn,
      ),
  );
  const sound = (segment: FoundSegment) =>
    segment.verdict.ok &&
    segment.verdict.header.sequence === segment.sequence &&
    segment.fileBytes >= segment.verdict.header.sizeBytes;
  if (!needed.every(sound)) return { kind: 'refuse' };
  const ids = [anchor?.journalId ?? null, ...readable.map(({ header }) => header.journalId)];
  if (new Set(ids.filter((id) => id !== null).map(String)).size > 1) return { kind: 'refuse' };

  // One history never goes back. No segment begins where an earlier one says that more had been durable: recovery's
  // begins, for this, where its copies end. And no byte that is alive has another one in its place.
  const wellNamed = readable.filter(({ sequence, header }) => sequence === header.sequence);
  for (const later of wellNamed) {
    const { header, scan } = later;
    const begin = header.lineageStart === null ? scan.commits[0]?.startLsn : header.durableLsn;
    const firstAlive = alive(later)[0]?.startLsn;
    for (const earlier of wellNamed.filter(({ sequence }) => sequence < later.sequence)) {
      if (begin !== undefined && claimOf(earlier) > begin) return { kind: 'refuse', isMixed: true };
      const isNeeded = needed.some(({ sequence }) => sequence === earlier.sequence);
      const bytes = alive(earlier).flatMap(bytesOf);
      if (isNeeded && firstAlive !== undefined && bytes.some((lsn) => lsn >= firstAlive))
        return { kind: 'refuse', isMixed: true };
    }
  }

  // Byte by byte: a position is there when a commit that is alive holds it. The first missing one ends the log.
  const commits = needed.flatMap(alive);
  const startLsn = commits[0]?.startLsn ?? 0;
  if (startLsn > baseLsn) return { kind: 'refuse' };
  let endLsn = startLsn;
  while (commits.some((commit) => commit.startLsn <= endLsn && endLsn < commit.endLsn)) endLsn++;
  if (endLsn < provenLsn) return { kind: 'refuse', endLsn };
  for (const segment of needed) {
    const last = alive(segment).at(-1);
    const goesOn = last !== undefined && (last.flags & COMMIT_FLAGS.rotated) !== 0;
    if (goesOn && !needed.some(({ sequence }) => sequence === last.nextSequence)) return { kind: 'refuse' };
  }
  const lastCommit = alive(segments.at(-1)!).at(-1);
  // The log reaches it, and goes no further.
  const endedWell = lastCommit !== undefined && isEndOfLife(lastCommit.flags) && lastCommit.endLsn === endLsn;
  return { kind: endedWell ? 'clean' : 'repair', endLsn };
}

function isEndOfLife(flags: number): boolean {
  return (flags & (COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered)) !== 0;
}

function bytesOf({ startLsn, endLsn }: ScannedCommit): number[] {
  return Array.from({ length: endLsn - startLsn }, (_, at) => startLsn + at);
}

/** The world after a repair was carried out: the same files, and the segment that recovery makes. */
export function repaired(
  segments: readonly FoundSegment[],
  decision: {
    readonly journalId: Uint8Array;
    readonly lineageStart: number;
    readonly endLsn: number;
    readonly heldFromLsn: number;
  },
): FoundSegment[] {
  const { journalId, lineageStart, endLsn, heldFromLsn } = decision;
  const sequence = segments.at(-1)!.sequence + 1;
  const copied = (endLsn - lineageStart) / UNIT;
  const commits: ScannedCommit[] = [];
  const add = (startLsn: number, to: number, recordCount: number, flags: number) =>
    commits.push({
      offset: BLOCK_BYTES * (commits.length + 1),
      startLsn,
      endLsn: to,
      recordCount,
      flags,
      nextSequence: 0,
    });
  if (copied > 0) add(lineageStart, endLsn, copied, 0);
  add(endLsn, endLsn, 0, COMMIT_FLAGS.recovered);
  const header = segmentHeader({
    journalId,
    sequence,
    sizeBytes: SIZE_BYTES,
    lineageStart,
    durableLsn: endLsn,
  });
  const scan = {
    commits,
    endOffset: BLOCK_BYTES * (commits.length + 1),
    endsBecause: 'full' as const,
    hasBytesAfterEnd: false,
    durableLsnClaimed: endLsn,
    heldFromLsnClaimed: heldFromLsn,
  };
  const path = `/journal/${sequence}`;
  return [
    ...segments,
    {
      path,
      sequence,
      fileBytes: SIZE_BYTES,
      ...AS_SCANNED,
      verdict: { ok: true, header },
      scan,
    },
  ];
}
