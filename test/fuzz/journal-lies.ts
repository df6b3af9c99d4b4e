// Lies in the files of a journal: fields changed and the checksums over them made right again, so that nothing but
// what the bytes say is wrong. Pure.

import fc from 'fast-check';
import { CRC32C_START, crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../../src/crc32c.js';
import {
  COMMIT_HEADER_BYTES,
  commitBytesOnDisk,
  decodeCommitHeader,
} from '../../src/journal/format/commit-format.js';
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentSeed,
} from '../../src/journal/format/segment-format.js';
import { checksumFrames, FRAME_OVERHEAD_BYTES } from '../../src/storage/index.js';
import { fieldValue } from './fuzz-tools.js';

interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: 4 | 8;
}

/** Offsets as docs/FORMAT.md has them. */
const SEGMENT_FIELDS: readonly Field[] = [
  { name: 'magic', at: 0, bytes: 8 },
  { name: 'version', at: 8, bytes: 4 },
  { name: 'journalId', at: 16, bytes: 8 },
  { name: 'sequence', at: 32, bytes: 8 },
  { name: 'sizeBytes', at: 40, bytes: 8 },
  { name: 'blockBytes', at: 48, bytes: 4 },
  { name: 'flags', at: 52, bytes: 4 },
  { name: 'salt', at: 56, bytes: 8 },
  { name: 'lineageStart', at: 64, bytes: 8 },
  { name: 'durableLsn', at: 72, bytes: 8 },
  { name: 'reserved', at: 80, bytes: 8 },
];

const COMMIT_FIELDS: readonly Field[] = [
  { name: 'magic', at: 0, bytes: 4 },
  { name: 'startLsn', at: 8, bytes: 8 },
  { name: 'durableLsn', at: 16, bytes: 8 },
  { name: 'heldFromLsn', at: 24, bytes: 8 },
  { name: 'bodyBytes', at: 32, bytes: 4 },
  { name: 'recordCount', at: 36, bytes: 4 },
  { name: 'flags', at: 40, bytes: 4 },
  { name: 'nextSequence', at: 44, bytes: 4 },
];

const FRAME_FIELDS: readonly Field[] = [
  { name: 'length', at: 0, bytes: 4 },
  { name: 'lsnLow', at: 4, bytes: 4 },
];

interface LiePlace {
  /** Counted round, as is the commit. */
  readonly segment: number;
  readonly commit: number;
}

interface FieldLie extends LiePlace {
  readonly about: 'segment' | 'commit' | 'frame';
  readonly field: Field;
  readonly to: (now: bigint) => bigint;
}

interface MovedCommit extends LiePlace {
  readonly about: 'moved';
  /** The commit that gets into the other one's place, under that one's offset. */
  readonly from: number;
}

export type JournalLie = FieldLie | MovedCommit;

const place = { segment: fc.nat(20), commit: fc.nat(40) };

function lieAbout(about: FieldLie['about'], fields: readonly Field[]): fc.Arbitrary<FieldLie> {
  return fc.record({
    about: fc.constant(about),
    ...place,
    field: fc.constantFrom(...fields),
    to: fieldValue,
  });
}

export const journalLie: fc.Arbitrary<JournalLie> = fc.oneof(
  lieAbout('segment', SEGMENT_FIELDS),
  lieAbout('commit', COMMIT_FIELDS),
  lieAbout('frame', FRAME_FIELDS),
  fc.record({ about: fc.constant('moved' as const), ...place, from: fc.nat(40) }),
);

/** Tells the lie in a segment's bytes, in place. One about a commit that is not there says nothing. */
export function tellLie(bytes: Uint8Array, lie: JournalLie): void {
  if (lie.about === 'segment') {
    setField(bytes, 0, lie.field, lie.to);
    sealSegment(bytes);
    return;
  }
  const verdict = decodeSegmentHeader(bytes);
  if (!verdict.ok) return;
  const seed = segmentSeed(verdict.header);
  const commits = commitOffsets(bytes, verdict.header.blockBytes, seed);
  const offset = commits[lie.commit % commits.length];
  if (offset === undefined) return;
  const commit = decodeCommitHeader(bytes, offset, offset, seed)!;
  if (lie.about === 'moved') {
    const from = commits[lie.from % commits.length]!;
    bytes.copyWithin(offset, from, from + commitBytesOnDisk(commit.bodyBytes, verdict.header.blockBytes));
  } else if (lie.about === 'commit') setField(bytes, offset, lie.field, lie.to);
  else if (commit.recordCount > 0) {
    setField(bytes, offset + COMMIT_HEADER_BYTES, lie.field, lie.to);
    sealFirstFrame(bytes, offset, commit.startLsn, seed);
  }
  sealCommit(bytes, offset, seed);
}

/** Where commit headers verify. */
function commitOffsets(bytes: Uint8Array, blockBytes: number, seed: number): number[] {
  const offsets: number[] = [];
  for (let at = blockBytes; at < bytes.length; at += blockBytes) {
    if (decodeCommitHeader(bytes, at, at, seed) !== null) offsets.push(at);
  }
  return offsets;
}

function setField(bytes: Uint8Array, at: number, field: Field, to: (now: bigint) => bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + field.at, field.bytes);
  if (field.bytes === 8) view.setBigUint64(0, BigInt.asUintN(64, to(view.getBigUint64(0, true))), true);
  else view.setUint32(0, Number(BigInt.asUintN(32, to(BigInt(view.getUint32(0, true))))), true);
}

function sealSegment(bytes: Uint8Array): void {
  const magic = new TextEncoder().encode('KEELSONJ');
  let register = crc32cUpdate(CRC32C_START, magic, 0, 8);
  register = crc32cUpdate(register, bytes, 8, 12);
  register = crc32cUpdate(register, bytes, 16, SEGMENT_HEADER_BYTES);
  setUint32(bytes, 12, crc32cFinish(register));
}

function sealCommit(bytes: Uint8Array, offset: number, seed: number): void {
  const register = crc32cUpdateUint64(seed, offset);
  const end = offset + COMMIT_HEADER_BYTES;
  setUint32(bytes, offset + 4, crc32cFinish(crc32cUpdate(register, bytes, offset + 8, end)));
}

/** As long as the frame says it is, or as the file is. */
function sealFirstFrame(bytes: Uint8Array, offset: number, startLsn: number, seed: number): void {
  const at = offset + COMMIT_HEADER_BYTES;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
  const bodyLength = FRAME_OVERHEAD_BYTES + length;
  if (at + bodyLength > bytes.length) return;
  checksumFrames(bytes, { seed, startLsn, bodyOffset: at, bodyLength });
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, true);
}
