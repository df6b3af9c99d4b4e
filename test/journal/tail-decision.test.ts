// The recovery decision over its inputs: a table of what docs/DURABILITY.md says, and every small world there is,
// against an oracle that decides byte by byte.

import { describe, expect, test } from 'vitest';
import { COMMIT_FLAGS } from '../../src/journal/format/commit-format.js';
import type { FoundSegment } from '../../src/journal/recovery/log-geometry.js';
import {
  decideRecovery,
  type RecoveryAnchor,
  type RecoveryDecision,
} from '../../src/journal/recovery/tail-decision.js';
import { tries } from '../counts.js';
import { JOURNAL_ID } from './helpers.js';
import { CrashHistory, EVENTS, type HistoryEvent } from './recovery-histories.js';
import {
  type Body,
  expectedDecision,
  type HeaderState,
  makeWorld,
  OTHER_JOURNAL_ID,
  repaired,
  rows,
  SEGMENT_KINDS,
  type Seal,
  type SegmentKind,
  UNIT,
} from './recovery-model.js';

function kind(body: Body, seal: Seal = 'none', header: HeaderState = 'ok'): SegmentKind {
  return { header, body, seal };
}

function anchorAt(
  lsn: number,
  journalId: Uint8Array | null = JOURNAL_ID,
  provenLsn: number = lsn,
): RecoveryAnchor {
  return { lsn, journalId, provenLsn };
}

describe('the decision', () => {
  test.each<[string, readonly SegmentKind[], RecoveryAnchor | null, object]>([
    ['of an empty directory is a fresh start', [], null, { kind: 'fresh' }],
    ['of no segments and no image is a fresh start', [], anchorAt(0, null), { kind: 'fresh' }],
    // A backup of an empty store begins with an image at 0: a journal of another id must not go on behind it.
    ['of an image at 0 without its journal refuses', [], anchorAt(0), { kind: 'refuse' }],
    [
      'of an image without its journal refuses',
      [],
      anchorAt(10),
      { kind: 'refuse', facts: { lsn: 0, lsnEnd: 10 } },
    ],
    [
      'of a closed journal is clean',
      [kind('two', 'closed')],
      null,
      { kind: 'clean', startLsn: 0, endLsn: 20, provenLsn: 20, tornBytes: 0 },
    ],
    [
      'of a killed journal copies what nothing proves',
      [kind('two')],
      null,
      { kind: 'repair', endLsn: 20, provenLsn: 10, lineageStart: 10 },
    ],
    [
      'of a segment nobody wrote to repairs to nothing',
      [kind('none')],
      null,
      { kind: 'repair', startLsn: 0, endLsn: 0, live: [{ sequence: 1, endLsn: 0, commits: [] }] },
    ],
    [
      'of a hole below what is proven refuses with the place and the range',
      [kind('hole')],
      null,
      { kind: 'refuse', code: 'KEELSON_CORRUPT', facts: { segment: 1, offset: 1024, lsn: 10, lsnEnd: 20 } },
    ],
    [
      'of a journal that ends below its image refuses',
      [kind('one', 'closed')],
      anchorAt(20),
      { kind: 'refuse', facts: { lsn: 10, lsnEnd: 20 } },
    ],
    [
      'of a rotated segment whose successor is missing refuses',
      [kind('one', 'rotated')],
      null,
      { kind: 'refuse', code: 'KEELSON_CORRUPT', facts: { segment: 1, lsn: 10 } },
    ],
    [
      'of a rotated segment with its successor goes on there',
      [kind('one', 'rotated'), kind('one', 'closed')],
      null,
      { kind: 'clean', endLsn: 20, live: [{ sequence: 1 }, { sequence: 2 }] },
    ],
    [
      'of a commit that a later lineage replaced does not count it',
      [kind('two'), kind('lineage', 'recovered')],
      null,
      {
        kind: 'clean',
        endLsn: 20,
        live: [
          { sequence: 1, endLsn: 10 },
          { sequence: 2, startLsn: 10 },
        ],
      },
    ],
    [
      'of a damaged first segment with an empty one behind it refuses, and loses nothing',
      [kind('two', 'closed', 'corrupt'), kind('none')],
      null,
      { kind: 'refuse', code: 'KEELSON_CORRUPT', facts: { segment: 1 } },
    ],
    [
      'of a newer first segment with others behind it says that it is newer',
      [kind('two', 'closed', 'newer'), kind('one')],
      null,
      { kind: 'refuse', code: 'KEELSON_FORMAT_VERSION', facts: { segment: 1 } },
    ],
    [
      'of a damaged segment wholly below the image goes on without it',
      [kind('two', 'closed', 'corrupt'), kind('one', 'closed')],
      anchorAt(20),
      { kind: 'clean', startLsn: 20, endLsn: 30, stale: ['/journal/1'] },
    ],
    [
      'of a journal that ends below an image that cannot be read refuses',
      [kind('one', 'closed')],
      anchorAt(0, JOURNAL_ID, 20),
      { kind: 'refuse', code: 'KEELSON_CORRUPT', facts: { lsn: 10, lsnEnd: 20 } },
    ],
    [
      'of an image of another journal refuses',
      [kind('one', 'closed')],
      anchorAt(10, OTHER_JOURNAL_ID),
      { kind: 'refuse', code: 'KEELSON_FOREIGN' },
    ],
    [
      'of a closed segment that begins below the end of the log refuses with the place in the one before it',
      [kind('two'), kind('back', 'closed')],
      null,
      {
        kind: 'refuse',
        code: 'KEELSON_CORRUPT',
        advice: expect.stringContaining('salvage()'),
        facts: { path: '/journal/1', segment: 1, offset: 1024, lsn: 10, lsnEnd: 20 },
        mixed: [{ segment: 1, laterSegment: 2 }],
      },
    ],
    [
      'of a second history behind a lineage refuses with the segment that it contradicts',
      [kind('two'), kind('robbery'), kind('two'), kind('back', 'closed')],
      null,
      { kind: 'refuse', mixed: [{ segment: 3, lsn: 20, lsnEnd: 30, laterSegment: 4 }] },
    ],
    [
      'of an owner that wrote on when recovery had declared its commits dead refuses',
      [kind('two', 'closed'), kind('robbery'), kind('two'), kind('two', 'closed')],
      null,
      { kind: 'refuse', facts: { segment: 1, lsn: 10, lsnEnd: 20 }, mixed: [{ laterSegment: 2 }] },
    ],
    [
      'of one commit that a killed owner had in flight when recovery declared it dead goes on',
      [kind('two'), kind('robbery', 'recovered'), kind('two', 'closed')],
      null,
      { kind: 'clean', endLsn: 30 },
    ],
    [
      'of a segment that an image seems to replace, and that was durable above where the next begins, refuses',
      [kind('two', 'closed'), kind('back', 'closed')],
      anchorAt(10),
      { kind: 'refuse', mixed: [{ segment: 1, lsn: 10, lsnEnd: 20, laterSegment: 2 }] },
    ],
    [
      'of a torn tail below the image, whose lineage was retired before it, goes on',
      [kind('two'), kind('back', 'closed')],
      anchorAt(10),
      { kind: 'clean', startLsn: 10, endLsn: 20, stale: ['/journal/1'] },
    ],
    [
      'of a closed segment above the end of the log refuses, whatever its commits claim',
      [kind('one'), kind('leap', 'closed')],
      null,
      { kind: 'refuse', code: 'KEELSON_CORRUPT', facts: { segment: 1, lsn: 10, lsnEnd: 30 }, mixed: [] },
    ],
    [
      'of an empty newest segment behind a hole below what is proven refuses',
      [kind('hole'), kind('none')],
      null,
      { kind: 'refuse', code: 'KEELSON_CORRUPT', facts: { segment: 1, lsn: 10, lsnEnd: 20 } },
    ],
    // The write that its killed owner had in flight may still come, at the same LSN as the next life's first.
    [
      'of an empty newest segment behind a closed one repairs',
      [kind('one', 'closed'), kind('none')],
      null,
      { kind: 'repair', endLsn: 10, lineageStart: 10 },
    ],
    [
      'of an image in the middle of a commit copies that commit whole',
      [kind('two')],
      anchorAt(15),
      { kind: 'repair', provenLsn: 15, lineageStart: 10, endLsn: 20 },
    ],
  ])('%s', (_, kinds, anchor, expected) => {
    expect(decideRecovery(makeWorld(kinds), anchor)).toMatchObject(expected);
  });

  test('is not led astray by a segment of another journal that claims to be held from far above', () => {
    const ours = makeWorld([kind('two', 'closed')]);
    const theirs = makeWorld([kind('none'), kind('one', 'closed', 'other journal')], 5000)[1]!;
    expect(decideRecovery([...ours, theirs], null)).toMatchObject({
      kind: 'refuse',
      code: 'KEELSON_FOREIGN',
    });
  });

  test('does not take the place in the log of a segment under another name for that of another history', () => {
    const world = makeWorld([kind('two', 'closed', 'other name'), kind('back', 'closed')]);
    expect(decideRecovery(world, anchorAt(10))).toMatchObject({ kind: 'clean', stale: ['/journal/1'] });
  });

  test('names every segment of a second history, and where nothing of it is whole, the end of what is', () => {
    const world = makeWorld([kind('one', 'closed'), kind('hole'), kind('back', 'closed')]);
    expect(decideRecovery(world, null)).toMatchObject({
      kind: 'refuse',
      mixed: [{ segment: 2, offset: 512, lsn: 10, lsnEnd: 30, laterSegment: 3 }],
    });
    const two = makeWorld([kind('one', 'closed'), kind('one', 'closed'), kind('two'), kind('robbery')]);
    const lower = makeWorld([kind('robbery', 'closed')])[0]!;
    const last = { ...lower, sequence: 5, path: '/journal/5' };
    const { verdict } = last;
    const named = verdict.ok ? { ...verdict, header: { ...verdict.header, sequence: 5 } } : verdict;
    expect(decideRecovery([...two, { ...last, verdict: named }], null)).toMatchObject({
      kind: 'refuse',
      mixed: [{ segment: 1 }, { segment: 2 }, { segment: 3 }, { segment: 4 }],
    });
  });

  test('refuses when the oldest segments are missing, and not when they were retired', () => {
    const kinds = [kind('two', 'closed')];
    expect(decideRecovery(makeWorld(kinds, 30, 0), null)).toMatchObject({
      kind: 'refuse',
      facts: { lsn: 0, lsnEnd: 30 },
    });
    expect(decideRecovery(makeWorld(kinds, 30, 30), null)).toMatchObject({ kind: 'clean', startLsn: 30 });
  });

  test('refuses a segment under another name, and one that is shorter than it was made', () => {
    for (const header of ['other name', 'short'] as const) {
      expect(decideRecovery(makeWorld([kind('one', 'closed', header)]), null)).toMatchObject({
        kind: 'refuse',
        code: 'KEELSON_CORRUPT',
        facts: { segment: 1, path: '/journal/1' },
      });
    }
  });

  test('knows a successor by the low half of its sequence', () => {
    const [first, second] = makeWorld([kind('one', 'rotated'), kind('one', 'closed')]);
    const above = (segment: FoundSegment): FoundSegment => {
      const sequence = segment.sequence + 2 ** 32;
      const { verdict } = segment;
      return verdict.ok
        ? { ...segment, sequence, verdict: { ok: true, header: { ...verdict.header, sequence } } }
        : segment;
    };
    expect(decideRecovery([above(first!), above(second!)], null)).toMatchObject({
      kind: 'clean',
      endLsn: 20,
    });
  });
});

/** What holds of every decision, whatever the world. */
function checkDecision(
  world: readonly FoundSegment[],
  anchor: RecoveryAnchor | null,
  decision: RecoveryDecision,
): string | null {
  const expected = expectedDecision(world, anchor);
  if (decision.kind !== expected.kind) return `expected ${expected.kind}`;
  if (decision.kind === 'fresh') return null;
  if (decision.kind === 'refuse') {
    const { code, why, facts, mixed, advice } = decision;
    if (mixed.length > 0 !== (expected.isMixed ?? false))
      return `expected two histories: ${expected.isMixed}`;
    if (mixed.length > 0 !== (advice !== null)) return 'two histories are for a person to tell apart';
    if (why === '') return 'a refusal says why';
    const namesPlace = facts.path !== undefined && facts.segment !== undefined && facts.offset !== undefined;
    const namesRange = facts.lsn !== undefined && facts.lsnEnd !== undefined && facts.lsn < facts.lsnEnd;
    // Behind an image at 0 all of the journal is missing, and nobody knows how far it went.
    const isAllGone = world.length === 0 && facts.lsn === 0;
    if (!namesPlace && !namesRange && !isAllGone) return 'a refusal names place or range';
    if (mixed.length > 0 && !(namesPlace && namesRange)) return 'two histories have place and range';
    const isLoss = code === 'KEELSON_CORRUPT' && expected.endLsn !== undefined;
    return isLoss && !(namesPlace && namesRange && facts.lsn === expected.endLsn)
      ? 'a loss names place and range'
      : null;
  }
  const { live, startLsn, endLsn, provenLsn, lineageStart } = decision;
  if (endLsn !== expected.endLsn) return `expected the end at ${expected.endLsn}`;
  if (endLsn < provenLsn) return 'never less than is proven';
  if (lineageStart > provenLsn) return 'nothing above what is proven is left where it is';
  if (provenLsn - lineageStart >= UNIT) return 'no whole commit that is proven is copied';
  let at = startLsn;
  for (const segment of live) {
    for (const commit of segment.commits) {
      if (commit.startLsn !== at) return 'what lives is contiguous';
      at = commit.endLsn;
      for (const { sequence, verdict } of world) {
        const from = verdict.ok ? verdict.header.lineageStart : null;
        if (sequence > segment.sequence && from !== null && commit.startLsn >= from) {
          return 'no commit that a later lineage replaced lives';
        }
      }
    }
    if (segment.endLsn !== at) return 'a live segment ends where its last commit ends';
  }
  if (at !== endLsn) return 'what lives ends at the end';
  if (live.some(({ path }) => decision.stale.includes(path))) return 'what lives is not stale';
  return null;
}

/** What a repair leads to: the next decision is clean, ends and starts where the first one said. */
function checkRepaired(
  world: readonly FoundSegment[],
  anchor: RecoveryAnchor | null,
  decision: RecoveryDecision,
): string | null {
  if (decision.kind !== 'repair') return null;
  const after = decideRecovery(repaired(world, decision), anchor);
  if (after.kind !== 'clean') return `after the repair: ${JSON.stringify(after)}`;
  if (after.endLsn !== decision.endLsn) return 'repairing moves the end';
  // Older segments than the lineage may turn out to be ones that nobody needs; never the other way round.
  if (after.startLsn < decision.startLsn) return 'repairing brings something back';
  if (after.startLsn > Math.max(decision.startLsn, anchor?.lsn ?? 0)) return 'repairing moves the start';
  const last = after.live.at(-1)!;
  return last.commits.at(-1)!.flags === COMMIT_FLAGS.recovered ? null : 'a repair ends as recovered';
}

function checkAllWorlds(length: number, startLsn: number, heldFromLsn: number): Record<string, number> {
  const counts: Record<string, number> = { fresh: 0, clean: 0, repair: 0, refuse: 0 };
  const at = [0, UNIT / 2, UNIT, 2 * UNIT, 100 * UNIT].map((lsn) => anchorAt(startLsn + lsn));
  const anchors = [null, ...at, anchorAt(startLsn, JOURNAL_ID, startLsn + 2 * UNIT)];
  for (const kinds of rows(SEGMENT_KINDS, length)) {
    const world = makeWorld(kinds, startLsn, heldFromLsn);
    for (const anchor of anchors) {
      const decision = decideRecovery(world, anchor);
      counts[decision.kind]!++;
      const wrong = checkDecision(world, anchor, decision) ?? checkRepaired(world, anchor, decision);
      if (wrong !== null) {
        const shown = kinds.map(({ header, body, seal }) => `${header}/${body}/${seal}`).join(' ');
        expect.fail(
          `${wrong}: [${shown}] from ${startLsn}, held from ${heldFromLsn}, anchor ${anchor?.lsn}: ${JSON.stringify(decision)}`,
        );
      }
    }
  }
  return counts;
}

describe('in every world of segments that can be told apart the decision agrees with the prose', () => {
  test.each([0, 1, 2])('%d segments', (length) => {
    const counts = checkAllWorlds(length, 0, 0);
    if (length > 0) for (const seen of ['clean', 'repair', 'refuse']) expect(counts[seen]).toBeGreaterThan(0);
  });

  test('3 segments', () => {
    const counts = checkAllWorlds(3, 0, 0);
    for (const seen of ['clean', 'repair', 'refuse']) expect(counts[seen]).toBeGreaterThan(1000);
  });

  test('2 segments of a journal whose start was retired', () => {
    const counts = checkAllWorlds(2, 3 * UNIT, 3 * UNIT);
    for (const seen of ['clean', 'repair', 'refuse']) expect(counts[seen]).toBeGreaterThan(0);
  });

  test('2 segments of a journal whose start is lost', () => {
    const counts = checkAllWorlds(2, 3 * UNIT, 0);
    expect(counts['refuse']).toBeGreaterThan(0);
  });
});

/** Plays the events, and says what recovery makes of a crash behind the last of them. */
function checkHistory(events: readonly HistoryEvent[]): RecoveryDecision {
  const history = new CrashHistory();
  for (const event of events) history.happen(event);
  const decision = history.decide();
  const shown = events.join(', ');
  if (decision.kind === 'refuse') expect.fail(`refused after ${shown}: ${JSON.stringify(decision)}`);
  const endLsn = decision.kind === 'fresh' ? 0 : decision.endLsn;
  if (endLsn < history.acknowledgedLsn) expect.fail(`acknowledged writes are lost after ${shown}`);
  return decision;
}

describe('a crash alone refuses nothing', () => {
  // Each is the start of others, so every moment of every one of them is crashed in.
  const LENGTH = tries(4, 5);

  test(`in any history of ${LENGTH} events`, () => {
    let count = 0;
    for (const events of rows(EVENTS, LENGTH)) {
      checkHistory(events);
      count++;
    }
    expect(count).toBe(EVENTS.length ** LENGTH);
  });

  test('in long histories, taken at random', () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const kinds = new Set<string>();
    for (let round = 0; round < tries(2000, 5000); round++) {
      const events: HistoryEvent[] = [];
      for (let at = 0; at < 24; at++) events.push(EVENTS[random(EVENTS.length)]!);
      for (let length = 6; length <= events.length; length += 6) {
        kinds.add(checkHistory(events.slice(0, length)).kind);
      }
    }
    expect([...kinds].sort()).toEqual(['clean', 'fresh', 'repair']);
  });

  // The tail of a killed owner lands late; the lineage that declared it dead is retired, and its own segment stays.
  test('not the late tail of a segment whose lineage was retired before it', () => {
    const events: HistoryEvent[] = ['put', 'late', 'put', 'image', 'landing'];
    expect(checkHistory([...events, 'retire, the oldest stays'])).toMatchObject({ kind: 'repair' });
  });
});
