// Every damage that is tried on a world, counted: case number i of a world is always the same. Pure: from the files of
// a world to files that were damaged in one place.

import { COMMIT_HEADER_BYTES, encodeCommitHeader } from '../../src/journal/format/commit-format.js';
import { writeFrame } from '../../src/journal/format/frame.js';
import {
  encodeSegmentHeader,
  type SegmentHeader,
  segmentSeed,
} from '../../src/journal/format/segment-format.js';
import { checksumFrames, FRAME_OVERHEAD_BYTES } from '../../src/storage/index.js';
import { Random } from '../../src/testing/random.js';
import type { Files, World } from './worlds.js';

const SECTOR_BYTES = 512;

/** What is to stand under a name instead; null: nothing. */
export type Changes = ReadonlyMap<string, Uint8Array | 'directory' | null>;

export interface DamageCase {
  readonly number: number;
  readonly kind: string;
  readonly what: string;
  readonly changes: Changes;
}

/** Cases that are made alike. The large groups are sampled, all of the structural ones are always run. */
interface DamageGroup {
  readonly kind: string;
  readonly isStructural: boolean;
  readonly count: number;
  at(index: number): Damage;
}

type Damage = Omit<DamageCase, 'number' | 'kind'>;

/** All damage there is to a world. */
export class DamageCases {
  readonly #groups: readonly DamageGroup[];
  readonly count: number;
  readonly structuralCount: number;

  /** `stranger` is another store, whose files get in among those of the world. */
  constructor(world: World, stranger: World) {
    const groups: DamageGroup[] = [];
    for (const [name, bytes] of world.files) {
      groups.push(...bitsOf(name, bytes, world.blockBytes), ...lengthsOf(name, bytes));
      groups.push(blocksOf(name, bytes, SECTOR_BYTES));
      if (world.blockBytes !== SECTOR_BYTES) groups.push(blocksOf(name, bytes, world.blockBytes));
    }
    groups.push(...misplacedBlocks(world), staleBlocks(world));
    groups.push(...wholeFiles(world), addedFiles(world, stranger), otherNames(world));
    this.#groups = groups
      .filter(({ count }) => count > 0)
      .sort((one, other) => Number(other.isStructural) - Number(one.isStructural));
    this.count = countOf(groups);
    this.structuralCount = countOf(groups.filter(({ isStructural }) => isStructural));
  }

  /** Case number `number`; the first `structuralCount` are the structural ones. */
  at(number: number): DamageCase {
    let index = number;
    for (const group of this.#groups) {
      if (index < group.count) return { number, kind: group.kind, ...group.at(index) };
      index -= group.count;
    }
    throw new RangeError(`There are ${this.count} cases, none has the number ${number}`);
  }

  /** The number of a case that is not structural; each kind as often as the others, however many cases it has. */
  sample(random: Random): number {
    const sampled = this.#groups.filter(({ isStructural }) => !isStructural);
    const kind = random.pick([...new Set(sampled.map((group) => group.kind))]);
    let index = random.below(countOf(sampled.filter((group) => group.kind === kind)));
    let number = this.structuralCount;
    for (const group of sampled) {
      if (group.kind === kind && index < group.count) return number + index;
      if (group.kind === kind) index -= group.count;
      number += group.count;
    }
    throw new RangeError('a kind without cases was picked');
  }
}

function countOf(groups: readonly DamageGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}

function change(what: string, name: string, bytes: Uint8Array | null): Damage {
  return { what: `${name}: ${what}`, changes: new Map([[name, bytes]]) };
}

function changed(bytes: Uint8Array, damage: (copy: Uint8Array) => void): Uint8Array {
  const copy = new Uint8Array(bytes);
  damage(copy);
  return copy;
}

/** Every bit of every byte up to the end of the last block that has been written, and one bit of each byte behind it. */
function bitsOf(name: string, bytes: Uint8Array, blockBytes: number): DamageGroup[] {
  const lastAt = bytes.findLastIndex((byte) => byte !== 0);
  const occupied = Math.min(bytes.length, Math.ceil((lastAt + 1) / blockBytes) * blockBytes);
  const flip = (at: number, bit: number) =>
    change(
      `bit ${bit} of byte ${at} is flipped`,
      name,
      changed(bytes, (copy) => {
        copy[at]! ^= 1 << bit;
      }),
    );
  return [
    {
      kind: 'flipped bit',
      isStructural: false,
      count: occupied * 8,
      at: (index) => flip(index >>> 3, index & 7),
    },
    {
      kind: 'flipped bit behind the end',
      isStructural: false,
      count: bytes.length - occupied,
      at: (index) => flip(occupied + index, index & 7),
    },
  ];
}

const GROWTHS = [1, 511, 512, 4096, 70_000];

function lengthsOf(name: string, bytes: Uint8Array): DamageGroup[] {
  const fillings: readonly [string, (length: number) => Uint8Array][] = [
    ['zeros', (length) => new Uint8Array(length)],
    ['garbage', (length) => new Random(length).bytes(length)],
    ['its own bytes', (length) => Uint8Array.from({ length }, (_, at) => bytes[at % bytes.length]!)],
  ];
  return [
    {
      kind: 'truncation',
      isStructural: false,
      count: bytes.length,
      at: (length) => change(`cut to ${length} bytes`, name, bytes.slice(0, length)),
    },
    {
      kind: 'growth',
      isStructural: true,
      count: GROWTHS.length * fillings.length,
      at(index) {
        const length = GROWTHS[index % GROWTHS.length]!;
        const [filling, make] = fillings[Math.floor(index / GROWTHS.length)]!;
        const grown = Buffer.concat([bytes, make(length)]);
        return change(`${length} bytes longer by ${filling}`, name, new Uint8Array(grown));
      },
    },
  ];
}

/** Each block of a file zeroed, filled with ones, and with garbage. */
function blocksOf(name: string, bytes: Uint8Array, blockBytes: number): DamageGroup {
  const fillings: readonly [string, (block: Uint8Array, at: number) => void][] = [
    ['zeroed', (block) => block.fill(0)],
    ['all ones', (block) => block.fill(0xff)],
    ['garbage', (block, at) => block.set(new Random(at).bytes(block.length))],
  ];
  return {
    kind: 'lost block',
    isStructural: false,
    count: Math.ceil(bytes.length / blockBytes) * fillings.length,
    at(index) {
      const at = Math.floor(index / fillings.length) * blockBytes;
      const [filling, fill] = fillings[index % fillings.length]!;
      const what = `the ${blockBytes} bytes at ${at} are ${filling}`;
      return change(
        what,
        name,
        changed(bytes, (copy) => fill(copy.subarray(at, at + blockBytes), at)),
      );
    },
  };
}

interface Block {
  readonly name: string;
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Equal for equal bytes. */
  readonly content: string;
}

function wholeBlocks(files: Files, blockBytes: number): Block[] {
  const blocks: Block[] = [];
  for (const [name, bytes] of files) {
    for (let at = 0; at + blockBytes <= bytes.length; at += blockBytes) {
      const block = bytes.subarray(at, at + blockBytes);
      blocks.push({ name, at, bytes: block, content: Buffer.from(block).toString('latin1') });
    }
  }
  return blocks;
}

/** Blocks put into each other's places, and a block written over another one, in one file or in two. */
function misplacedBlocks(world: World): DamageGroup[] {
  const blocks = wholeBlocks(world.files, world.blockBytes);
  const pairs: [Block, Block][] = [];
  for (const [index, one] of blocks.entries()) {
    for (const other of blocks.slice(index + 1)) if (one.content !== other.content) pairs.push([one, other]);
  }
  // Where the end of the log is, a swap hits both the last commit and the seal that says that it was there.
  const newest = [...world.files.keys()].filter((name) => name.endsWith('.journal')).at(-1);
  const isAtEnd = ([one, other]: [Block, Block]) => one.name === newest && other.name === newest;
  return [
    swappedBlocks(world, pairs.filter(isAtEnd), true),
    swappedBlocks(
      world,
      pairs.filter((pair) => !isAtEnd(pair)),
      false,
    ),
    misdirectedWrites(world, pairs),
  ];
}

function swappedBlocks(
  { files }: World,
  pairs: readonly [Block, Block][],
  isStructural: boolean,
): DamageGroup {
  return {
    kind: 'swapped blocks',
    isStructural,
    count: pairs.length,
    at(index) {
      const [one, other] = pairs[index]!;
      const changes = new Map<string, Uint8Array>();
      putBlock(files, changes, one, other.bytes);
      putBlock(files, changes, other, one.bytes);
      return {
        what: `${one.name} at ${one.at} and ${other.name} at ${other.at} have each other's block`,
        changes,
      };
    },
  };
}

function misdirectedWrites({ files }: World, pairs: readonly [Block, Block][]): DamageGroup {
  return {
    kind: 'misdirected write',
    isStructural: false,
    count: pairs.length * 2,
    at(index) {
      const pair = pairs[index >>> 1]!;
      const [from, to] = (index % 2 === 0 ? pair : pair.toReversed()) as [Block, Block];
      const changes = new Map<string, Uint8Array>();
      putBlock(files, changes, to, from.bytes);
      return { what: `${to.name} at ${to.at} has the block of ${from.name} at ${from.at}`, changes };
    },
  };
}

function putBlock(
  files: Files,
  changes: Map<string, Uint8Array>,
  { name, at }: Block,
  bytes: Uint8Array,
): void {
  const copy = changes.get(name) ?? new Uint8Array(files.get(name)!);
  copy.set(bytes, at);
  changes.set(name, copy);
}

/** A block as it was before, in this file or in an older one that had its place: what a write that was lost leaves. */
function staleBlocks(world: World): DamageGroup {
  const { blockBytes } = world;
  const olderAt = new Map<number, Block[]>();
  for (const files of world.older) {
    for (const block of wholeBlocks(files, blockBytes)) {
      olderAt.set(block.at, [...(olderAt.get(block.at) ?? []), block]);
    }
  }
  const pairs: { readonly now: Block; readonly older: Block }[] = [];
  for (const now of wholeBlocks(world.files, blockBytes)) {
    const seen = new Set([now.content]);
    for (const older of olderAt.get(now.at) ?? []) {
      if (seen.has(older.content)) continue;
      seen.add(older.content);
      pairs.push({ now, older });
    }
  }
  return {
    kind: 'stale block',
    isStructural: false,
    count: pairs.length,
    at(index) {
      const { now, older } = pairs[index]!;
      const bytes = changed(world.files.get(now.name)!, (copy) => copy.set(older.bytes, now.at));
      return change(`the block at ${now.at} is an older one of ${older.name}`, now.name, bytes);
    },
  };
}

/** Files removed, exchanged, and written over by another one. */
function wholeFiles({ files }: World): DamageGroup[] {
  const names = [...files.keys()];
  const pairs = names.flatMap((one) => names.filter((other) => other !== one).map((other) => [one, other]));
  return [
    {
      kind: 'removed file',
      isStructural: true,
      count: names.length,
      at: (index) => change('is removed', names[index]!, null),
    },
    {
      kind: 'exchanged files',
      isStructural: true,
      count: pairs.length,
      at(index) {
        const [one, other] = pairs[index] as [string, string];
        if (one > other) return change(`has the contents of ${other}`, one, files.get(other)!);
        const changes = new Map([
          [one, files.get(other)!],
          [other, files.get(one)!],
        ]);
        return { what: `${one} and ${other} have each other's contents`, changes };
      },
    },
  ];
}

/** Files under names like ours that are not ours, or no longer. */
function addedFiles(world: World, stranger: World): DamageGroup {
  const { files, older } = world;
  const names = namesLikeOurs(files);
  const contents = foreignContents(files, stranger);
  const resurrected = new Map(older.flatMap((each) => [...each]).filter(([name]) => !files.has(name)));
  const cases: Damage[] = [...resurrected].map(([name, bytes]) => change('is there again', name, bytes));
  for (const name of names) {
    for (const [what, bytes] of contents)
      cases.push({ what: `${name}: is ${what}`, changes: new Map([[name, bytes]]) });
  }
  const [name, bytes] = fittingStranger(world);
  cases.push(change('is a segment of another journal that goes on where ours ends', name, bytes));
  return { kind: 'added file', isStructural: true, count: cases.length, at: (index) => cases[index]! };
}

function namesLikeOurs(files: Files): string[] {
  const sequences = [...files.keys()].filter((name) => name.endsWith('.journal')).map(Number.parseFloat);
  const lsns = [...files.keys()].filter((name) => name.endsWith('.image')).map(Number.parseFloat);
  const segment = (sequence: number) => `${String(sequence).padStart(12, '0')}.journal`;
  const image = (lsn: number | string) => `${String(lsn).padStart(16, '0')}.image`;
  const names = [
    ...[0, Math.min(...sequences) - 1, Math.max(...sequences) + 1, Math.max(...sequences) + 7].map(segment),
    segment(10 ** 12 - 1),
    `${segment(Math.max(...sequences) + 1)}.tmp`,
    ...[0, 1, ...lsns.flatMap((lsn) => [lsn - 1, lsn + 1]), 10 ** 9].map(image),
    image('9007199254740991'),
    image('9007199254740993'),
    image('9999999999999999'),
    `${image(10 ** 9)}.tmp`,
    'LOCK.0',
    'LOCK.3',
    'LOCK.99',
    'LOCK.999999999999999',
    'LOCK.tmp.0123456789abcdef',
    'INCOMPLETE',
  ];
  return [...new Set(names)].filter((name) => !files.has(name));
}

function foreignContents(files: Files, stranger: World): [string, Uint8Array | 'directory'][] {
  const own = [...files].filter(([name]) => !/^(LOCK|LIVE)\./.test(name));
  const text = (string: string) => new TextEncoder().encode(string);
  const owner = (pidNamespace: string, flock: unknown) =>
    text(`held ${JSON.stringify({ bootId: 'x', pidNamespace, pid: 1, startTime: '1', flock })}\n`);
  return [
    ['empty', new Uint8Array(0)],
    ['one byte', new Uint8Array(1)],
    ['zeros', new Uint8Array(8192)],
    ['garbage', new Random(1).bytes(8192)],
    ['a text', text('#!/bin/sh\n'.repeat(500))],
    ['a directory', 'directory'],
    ['a lock of nobody', text('held nobody')],
    ['a free lock', text('free ')],
    ['a lock of a dead owner', owner('simulated', false)],
    ['a lock of an owner that nobody can know', owner('elsewhere', false)],
    ...firstOfEachKind([...stranger.files]).map(named((name) => `${name} of another store`)),
    ...firstOfEachKind(own).map(named((name) => `a copy of ${name}`)),
    ...firstOfEachKind(own.toReversed()).map(named((name) => `a copy of ${name}`)),
  ];
}

/** A segment with the next sequence, a commit that starts where the log ends, and the id of another journal. */
function fittingStranger({ files, blockBytes, now }: World): [string, Uint8Array] {
  const names = [...files.keys()].filter((name) => name.endsWith('.journal'));
  const sequence = Math.max(...names.map(Number.parseFloat)) + 1;
  const header: SegmentHeader = {
    journalId: new Random(3).bytes(16),
    sequence,
    sizeBytes: 3 * blockBytes,
    blockBytes,
    salt: new Random(4).bytes(8),
    lineageStart: null,
    isRecycled: false,
    durableLsn: now.lsn,
    wallMs: 0,
  };
  const seed = segmentSeed(header);
  // A write record without an operation is as good as any.
  const record = Uint8Array.of(2);
  const bodyBytes = FRAME_OVERHEAD_BYTES + record.length;
  const startLsn = now.lsn;
  const bytes = new Uint8Array(header.sizeBytes);
  const commit = bytes.subarray(blockBytes);
  bytes.set(encodeSegmentHeader(header));
  const frameAt = COMMIT_HEADER_BYTES;
  writeFrame(commit, new DataView(bytes.buffer, blockBytes), frameAt, record, startLsn + bodyBytes);
  checksumFrames(commit, { seed, startLsn, bodyOffset: frameAt, bodyLength: bodyBytes });
  const nothing = { durableLsn: startLsn, heldFromLsn: 0, flags: 0, nextSequence: 0 };
  encodeCommitHeader(commit, { ...nothing, startLsn, bodyBytes, recordCount: 1 }, blockBytes, seed);
  return [`${String(sequence).padStart(12, '0')}.journal`, bytes];
}

function firstOfEachKind(
  files: readonly (readonly [string, Uint8Array])[],
): (readonly [string, Uint8Array])[] {
  const isKind = [/journal$/, /image$/, /^LOCK/];
  return isKind.flatMap((kind) => files.filter(([name]) => kind.test(name)).slice(0, 1));
}

function named(what: (name: string) => string) {
  return ([name, bytes]: readonly [string, Uint8Array]): [string, Uint8Array] => [what(name), bytes];
}

const OTHER_NAMES = [
  'notes.txt',
  '1.journal',
  '0000000000001.journal',
  '000000000001.journal.bak',
  '00000000000a.journal',
  '123.image',
  '0000000000000001.image.old',
  'LOCK',
  'LOCK.',
  'LOCK.one',
  'LOCK.1234567890123456',
  '.journal',
  'incomplete',
];

function otherNames({ files }: World): DamageGroup {
  const contents: (Uint8Array | 'directory')[] = [
    new Uint8Array(0),
    new Random(2).bytes(1000),
    [...files.values()][0]!,
    'directory',
  ];
  return {
    kind: 'other name',
    isStructural: true,
    count: OTHER_NAMES.length * contents.length,
    at(index) {
      const name = OTHER_NAMES[index % OTHER_NAMES.length]!;
      const bytes = contents[Math.floor(index / OTHER_NAMES.length)]!;
      return { what: `${name}: is there`, changes: new Map([[name, bytes]]) };
    },
  };
}
