// What one owner at a time can leave, whatever crashes: a model of lives, kills, power cuts and retirements that makes
// segments as docs/FORMAT.md says they are made. No such history may be refused, for a crash alone refuses nothing.

import { COMMIT_FLAGS } from '../../src/journal/format/commit-format.js';
import type { FoundSegment } from '../../src/journal/recovery/log-geometry.js';
import type { ScannedCommit } from '../../src/journal/recovery/segment-scan.js';
import {
  decideRecovery,
  type RecoveryAnchor,
  type RecoveryDecision,
} from '../../src/journal/recovery/tail-decision.js';
import { JOURNAL_ID, segmentHeader } from './helpers.js';
import { AS_SCANNED, UNIT } from './recovery-model.js';

/**
 * What may happen next. `put`: a commit becomes durable. `whole`: the owner is killed with a commit on the disk that
 * nobody was told of. `late`: the owner is killed with a commit in flight; it reaches the disk at the next `landing`.
 * `prepare`: the next segment gets its name. `rotate`: it is written to. `kill`: the owner is killed with nothing in
 * flight. `close`: it ends well. `image`: an image of all that is durable gets its name. `retire`: segments behind the
 * image are removed, and a power cut may bring some of their names back.
 *
 * After `whole`, `late`, `kill` and `close` the next owner opens and recovers.
 */
export const EVENTS = [
  'put',
  'whole',
  'late',
  'landing',
  'prepare',
  'rotate',
  'kill',
  'close',
  'image',
  'retire',
  'retire, the oldest stays',
  'retire, every second stays',
] as const;

export type HistoryEvent = (typeof EVENTS)[number];

interface ModelSegment {
  readonly sequence: number;
  readonly lineageStart: number | null;
  readonly durableLsn: number;
  readonly heldFromLsn: number;
  readonly commits: ScannedCommit[];
  /** What a dead owner had in flight. */
  late: ScannedCommit | null;
}

export class CrashHistory {
  #segments: ModelSegment[] = [];
  /** That this life writes to. */
  #current: ModelSegment | null = null;
  #prepared: ModelSegment | null = null;
  #nextSequence = 1;
  #endLsn = 0;
  #imageLsn = 0;
  #heldFromLsn = 0;

  /** The end of what was acknowledged or recovered. */
  get acknowledgedLsn(): number {
    return this.#endLsn;
  }

  /** What recovery makes of a crash at this moment. */
  decide(): RecoveryDecision {
    const anchor: RecoveryAnchor | null =
      this.#imageLsn === 0 ? null : { lsn: this.#imageLsn, provenLsn: this.#imageLsn, journalId: JOURNAL_ID };
    return decideRecovery(this.#segments.map(found), anchor);
  }

  happen(event: HistoryEvent): void {
    switch (event) {
      case 'put':
        this.#commit(this.#writable(), UNIT);
        this.#endLsn += UNIT;
        return;
      case 'whole':
        this.#commit(this.#writable(), UNIT);
        this.#open();
        return;
      case 'late': {
        const segment = this.#writable();
        segment.late = commitAt(segment, this.#endLsn, UNIT, 0, 0);
        this.#open();
        return;
      }
      case 'landing':
        this.#land();
        return;
      case 'prepare':
        this.#prepared ??= this.#make(null, this.#endLsn);
        return;
      case 'rotate':
        this.#rotate();
        return;
      case 'kill':
        this.#open();
        return;
      case 'close':
        if (this.#current !== null) this.#commit(this.#current, 0, COMMIT_FLAGS.closed);
        if (this.#prepared !== null) this.#segments = this.#segments.filter((one) => one !== this.#prepared);
        this.#open();
        return;
      case 'image':
        this.#imageLsn = this.#endLsn;
        return;
      default:
        this.#retire(event);
        return;
    }
  }

  #make(lineageStart: number | null, durableLsn: number): ModelSegment {
    const sequence = this.#nextSequence++;
    const heldFromLsn = this.#heldFromLsn;
    const segment = { sequence, lineageStart, durableLsn, heldFromLsn, commits: [], late: null };
    this.#segments.push(segment);
    return segment;
  }

  #writable(): ModelSegment {
    this.#current ??= this.#prepared ?? this.#make(null, this.#endLsn);
    if (this.#prepared === this.#current) this.#prepared = null;
    return this.#current;
  }

  #commit(segment: ModelSegment, bytes: number, flags = 0, nextSequence = 0): void {
    segment.commits.push(commitAt(segment, this.#endLsn, bytes, flags, nextSequence));
  }

  #rotate(): void {
    if (this.#current === null) return;
    const next = this.#prepared ?? this.#make(null, this.#endLsn);
    this.#commit(this.#current, 0, COMMIT_FLAGS.rotated, next.sequence);
    this.#prepared = null;
    this.#current = next;
  }

  #land(): void {
    for (const segment of this.#segments) {
      if (segment.late !== null) segment.commits.push(segment.late);
      segment.late = null;
    }
  }

  /** The next owner recovers as the decision says. */
  #open(): void {
    this.#current = null;
    this.#prepared = null;
    const decision = this.decide();
    this.#nextSequence = (this.#segments.at(-1)?.sequence ?? 0) + 1;
    if (decision.kind === 'refuse' || decision.kind === 'fresh') return;
    this.#heldFromLsn = decision.heldFromLsn;
    this.#endLsn = decision.endLsn;
    if (decision.kind === 'clean') return;
    const { lineageStart, endLsn } = decision;
    const lineage = this.#make(lineageStart, endLsn);
    if (endLsn > lineageStart)
      lineage.commits.push(commitAt(lineage, lineageStart, endLsn - lineageStart, 0, 0));
    this.#commit(lineage, 0, COMMIT_FLAGS.recovered);
  }

  /** Removes the segments below the image, but never the newest one with commits. */
  #retire(event: HistoryEvent): void {
    const kept = this.#firstKept();
    const gone = this.#segments.filter(({ sequence }) => kept !== null && sequence < kept);
    const stays = (at: number) =>
      (event === 'retire, the oldest stays' && at === 0) ||
      (event === 'retire, every second stays' && at % 2 === 0);
    const removed = new Set(gone.filter((_, at) => !stays(at)));
    this.#segments = this.#segments.filter((segment) => !removed.has(segment));
  }

  /** The segment from which the log goes on above the image. */
  #firstKept(): number | null {
    const decision = this.decide();
    if (decision.kind !== 'clean' && decision.kind !== 'repair') return null;
    const held = decision.live.filter(({ commits }) => commits.length > 0);
    const first = held.find(({ endLsn }) => endLsn > this.#imageLsn) ?? held.at(-1);
    return first?.sequence ?? null;
  }
}

function commitAt(
  { commits }: ModelSegment,
  startLsn: number,
  bytes: number,
  flags: number,
  nextSequence: number,
): ScannedCommit {
  const offset = 512 * (commits.length + 1);
  return { offset, startLsn, endLsn: startLsn + bytes, recordCount: bytes / UNIT, flags, nextSequence };
}

function found(segment: ModelSegment): FoundSegment {
  const { sequence, lineageStart, durableLsn, heldFromLsn, commits } = segment;
  const header = segmentHeader({ sequence, lineageStart, durableLsn });
  const scan = {
    commits: [...commits],
    endOffset: 512 * (commits.length + 1),
    endsBecause: 'header' as const,
    hasBytesAfterEnd: false,
    // One write is in flight: a commit is submitted when all before it is durable.
    durableLsnClaimed: Math.max(-1, ...commits.map(({ startLsn }) => startLsn)),
    heldFromLsnClaimed: commits.length === 0 ? -1 : heldFromLsn,
  };
  const { sizeBytes: fileBytes } = header;
  return {
    path: `/journal/${sequence}`,
    sequence,
    fileBytes,
    ...AS_SCANNED,
    verdict: { ok: true, header },
    scan,
  };
}
