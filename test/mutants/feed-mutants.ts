// Mutants of the change feed: groups that are missed, told twice or too early, changes that are told wrong, and what a feed
// leaves behind.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const BESIDE = 'test/simulation/following-feed.test.ts';
const CHANGES = 'test/kv/changes.test.ts';
const CRASHES = 'test/simulation/feed-crashes.test.ts';
const EXPIRY = 'test/kv/feed-expiry.test.ts';
const RETAINED = 'test/kv/retained-history.test.ts';
const RETENTION_TEST = 'test/journal/retention.test.ts';
const HISTORIES = 'test/kv/feed-histories.test.ts';
const RECORDS = 'test/journal/record-feed.test.ts';

const BOUNDS = 'src/kv/encoding/key-bounds.ts';
const DECODER = 'src/kv/feed/change-decoder.ts';
const FEED = 'src/kv/feed/change-feed.ts';
const FEEDS = 'src/kv/feed/change-feeds.ts';
const FILTER = 'src/kv/feed/change-filter.ts';
const FOLLOWED = 'src/kv/replay/followed-feeds.ts';
const FOLLOWER = 'src/journal/read/file-follower.ts';
const FOLLOWER_FEED = 'src/journal/read/follower-feed.ts';
const JOURNAL = 'src/journal/journal.ts';
const HELD = 'src/journal/read/held-segments.ts';
const READER = 'src/journal/read/journal-reader.ts';
const RECOVERY = 'src/journal/recovery/recovery.ts';
const RETENTION = 'src/journal/read/retention.ts';
const SCHEDULE = 'src/kv/image/checkpoint-schedule.ts';
const TAIL = 'src/journal/recovery/tail-decision.ts';
const OPERATIONS = 'src/kv/feed/record-operations.ts';
const OPTIONS = 'src/kv/feed/changes-options.ts';
const RECENT = 'src/journal/read/recent-commits.ts';
const RECORD_FEED = 'src/journal/read/record-feed.ts';
const SCHEMA = 'src/kv/feed/feed-schema.ts';
const STORE = 'src/kv/store.ts';
const WALK = 'src/journal/read/segment-walk.ts';
const DEFINED_SPACES = 'src/kv/write/defined-spaces.ts';

const KILLS = 'test/processes/feed-kill.test.ts';

const mutantIn = singleMutantsOf('feed');

const groups: readonly Mutant[] = [
  mutantIn(
    FEED,
    'a write is left out now and then',
    [KILLS],
    'return isSilent ? null : changes;',
    'return isSilent || lsn % 97 === 3 ? null : changes;',
  ),
  mutantIn(FEED, 'the group at `since` is told', [CHANGES], 'if (lsn <= fromLsn)', 'if (lsn < fromLsn)'),
  mutantIn(
    FEED,
    'an LSN inside of a record is taken as one of a write',
    [CHANGES],
    'return lsn - FRAME_OVERHEAD_BYTES - recordBytes === this.#plan.fromLsn;',
    'return recordBytes > 0;',
  ),
  mutantIn(
    FEED,
    'a feed that is not live tells what is written meanwhile',
    [CHANGES],
    'if (lsn >= endLsn) this.#isOver = true;',
    '',
  ),
  mutantIn(
    FEED,
    'a feed of a namespace goes on behind its drop',
    [CHANGES],
    'if (this.#isFiltered && hasDropped(operations, filter)) this.#isOver = true;',
    '',
  ),
  mutantIn(
    FEED,
    'writes without a change are told',
    [CHANGES, HISTORIES],
    'return isSilent ? null : changes;',
    'return isSilent && this.#isFiltered ? null : changes;',
  ),
  mutantIn(
    FEED,
    'a filtered feed does not tell how far it is',
    [CHANGES],
    'return this.#isFiltered && isCaughtUp && this.#lsn > this.#toldLsn ? this.#group([]) : undefined;',
    'return undefined;',
  ),
  mutantIn(
    FEED,
    'a feed that ends keeps its pin',
    [CHANGES],
    '    this.#window = null;\n    this.#plan.records.close();\n',
    '    this.#window = null;\n',
  ),
  mutantIn(
    FEEDS,
    'a feed from the past takes the namespaces of now',
    [CHANGES, HISTORIES],
    'const isCurrent = isOwn && fromLsn === lastLsn;',
    'const isCurrent = isOwn;',
  ),
  mutantIn(
    JOURNAL,
    'a write is told before it is durable',
    [HISTORIES, CRASHES],
    'syncedLsn: () => this.syncedLsn,\n      isClosed:',
    'syncedLsn: () => this.nextLsn,\n      isClosed:',
  ),
  mutantIn(
    OPTIONS,
    'the LSN of another store is taken',
    [CHANGES],
    'if (id !== undefined && id !== ownId) {',
    'if (id !== undefined && id === undefined) {',
  ),
  mutantIn(
    OPTIONS,
    'history that is gone is not noticed',
    [CHANGES],
    'if (since < oldestLsn) {',
    'if (since < 0) {',
  ),
  mutantIn(
    OPTIONS,
    'a start that is too far behind is taken',
    [CHANGES],
    'if (durableLsn - since > maxLagBytes) {',
    'if (durableLsn - since > Number.MAX_VALUE) {',
  ),
];

const changes: readonly Mutant[] = [
  mutantIn(
    STORE,
    'the feed of a namespace that was never written to goes on after its drop',
    [CHANGES],
    'if (!isWritten) feeds.droppedUnwritten(space);',
    '',
  ),
  mutantIn(
    STORE,
    'the feed of a namespace that was written to does not tell its drop',
    [CHANGES],
    'if (!isWritten) feeds.droppedUnwritten(space);',
    'feeds.droppedUnwritten(space);',
  ),
  mutantIn(
    FILTER,
    'the id of a namespace that a read-only store awaits is taken for its own',
    [CHANGES],
    'let id = isOwn || space.isThere ? space.id : null;',
    'let id: number | null = isOwn ? space.id : space.id;',
  ),
  mutantIn(
    DECODER,
    'the removal of what has expired is told as a delete',
    [EXPIRY],
    "if (kind === EXPIRE) return { type: 'delete', namespace, key, cause: 'expired' };",
    "if (kind === EXPIRE) return { type: 'delete', namespace, key, cause: 'deleted' };",
  ),
  mutantIn(
    DECODER,
    'removals of what has expired are not told',
    [EXPIRY, HISTORIES],
    "if (kind === EXPIRE) return { type: 'delete', namespace, key, cause: 'expired' };",
    'if (kind === EXPIRE) return null;',
  ),
  mutantIn(
    DECODER,
    'touches are not told',
    [EXPIRY, HISTORIES],
    '    if (kind === TOUCH) {\n',
    '    if (kind === TOUCH) return null;\n    if (kind === TOUCH) {\n',
  ),
  mutantIn(
    DECODER,
    'a put is told without its deadline',
    [EXPIRY, HISTORIES],
    ": { type: 'put', namespace, key, value, expiresAt };",
    ": { type: 'put', namespace, key, value };",
  ),
  mutantIn(
    OPERATIONS,
    'a namespace that a segment defines again is told as created',
    [HISTORIES, CHANGES],
    'if (writes.kinds[at] === CREATE && writes.isDefinedAgain(writes.spaces[at]!)) continue;',
    '',
  ),
  mutantIn(
    DEFINED_SPACES,
    'a namespace that two transactions create is told as created twice',
    [CHANGES],
    'for (const space of this.#created.values()) if (space.isThere) this.defineAgain(space);',
    '',
  ),
  mutantIn(
    OPERATIONS,
    'the bounds of the second clear are those of the first',
    [HISTORIES, CHANGES],
    'writes.bounds[clears++]!',
    'writes.bounds[clears]!',
  ),
  mutantIn(
    BOUNDS,
    'a key at an open bound is told',
    [CHANGES],
    'lowInclusive ? key < low : key <= low',
    'key < low',
  ),
  mutantIn(
    FILTER,
    'a clear is told with the looser bound',
    [CHANGES],
    'one.low === other.low ? !one.lowInclusive : one.low > other.low;',
    'one.low === other.low ? !one.lowInclusive : one.low < other.low;',
  ),
  mutantIn(
    SCHEMA,
    'a namespace that is created behind `since` is unknown',
    [CHANGES, HISTORIES],
    'if (space.id !== ROOT_ID) this.#spaces.set(space.id, space);',
    '',
  ),
];

const beside: readonly Mutant[] = [
  mutantIn(WALK, 'the last commit of an owner is told', [BESIDE], 'if (commit.endLsn > proven) break;', ''),
  mutantIn(
    FOLLOWED,
    'a feed that is not live waits for the last commit',
    [CHANGES],
    'return this.durableLsn;\n  }\n\n  /** The spaces',
    'return this.lastLsn;\n  }\n\n  /** The spaces',
  ),
  mutantIn(
    FOLLOWER_FEED,
    'a feed starts where the log does not define everything',
    [CHANGES, BESIDE],
    'if (this.#options.isDefined) this.#place.lsn = Math.min(startLsn, this.#place.lsn);',
    '',
  ),
  mutantIn(
    FOLLOWER_FEED,
    'a feed that is closed is forgotten with its file open',
    [CHANGES],
    '      .then(closeFile)\n      .catch(() => {})\n      .then(this.#onEnd);\n',
    '      .then(closeFile)\n      .catch(() => {});\n    this.#onEnd();\n',
  ),
  mutantIn(
    FOLLOWER,
    'the error names an LSN that the files do not hold',
    [BESIDE],
    'heldLsn ??= beginning.lsn;',
    '',
  ),
];

const shared: readonly Mutant[] = [
  mutantIn(
    OPERATIONS,
    'readers share keys that are objects',
    [CHANGES],
    'if (isPrimitive(key)) operation.key = key;',
    'operation.key = key;',
  ),
  mutantIn(
    OPERATIONS,
    'readers share values that are objects',
    [CHANGES],
    'if (isPrimitive(value)) operation.value = value;',
    'operation.value = value;',
  ),
  mutantIn(
    FEED,
    'each reader decodes for itself',
    [CHANGES],
    'if (known?.place === place) return known.operations;',
    'if (known?.place === place && place < 0) return known.operations;',
  ),
  mutantIn(
    FEED,
    'a reader takes another record for the one at its place',
    [CHANGES],
    'if (known?.place === place) return known.operations;',
    'if (known !== undefined) return known.operations;',
  ),
  mutantIn(
    OPERATIONS,
    'readers share binaries',
    [CHANGES],
    'return codec.decodeAll(operation.valueBytes);',
    'return operation.valueBytes;',
  ),
  mutantIn(
    FEED,
    'a reader does not note a creation that another has read',
    [CHANGES],
    'if (list !== null && !this.#reader.isOfSchema) list',
    'if (list !== null) list',
  ),
  mutantIn(
    RECENT,
    'readers share what they make of old commits',
    [RECORDS],
    'if (old !== undefined) old.shared.length = 0;',
    '',
  ),
  mutantIn(
    RECORD_FEED,
    'feeds go on before the writers that wait for a commit',
    [CHANGES],
    'if (this.#wakes.size > 0) void nextTurn().then(() => callAll(this.#wakes));',
    'this.wake();',
  ),
  mutantIn(
    RECORD_FEED,
    'a feed for a replica goes on a turn after its commit',
    [RECORDS],
    'const wakes = isPrompt ? this.#promptWakes : this.#wakes;',
    'const wakes = this.#wakes;',
  ),
  mutantIn(
    RECORD_FEED,
    'the end of the journal does not end a feed for a replica',
    [RECORDS],
    '    callAll(this.#promptWakes);\n    callAll(this.#wakes);',
    '    callAll(this.#wakes);',
  ),
];

const history: readonly Mutant[] = [
  mutantIn(
    RETENTION,
    'history has as many bytes as the last file leaves',
    [RETENTION_TEST, RETAINED],
    'retainedBytes > bytes ||',
    'retainedBytes - sizeBytes > bytes ||',
  ),
  mutantIn(RETENTION, 'history has any age', [RETENTION_TEST, RETAINED], '|| nowMs - endedMs > ms', ''),
  mutantIn(
    HELD,
    'the age of a file counts from its beginning',
    [RETAINED],
    'if (last !== undefined) last.endedMs = this.#wallMs();',
    '',
  ),
  mutantIn(
    HELD,
    'damaged history is damage of the store',
    [RETAINED],
    'if (!isSkimmed) return error;',
    'return error;',
  ),
  mutantIn(
    HELD,
    'history that cannot be read is offered again',
    [RETAINED],
    'this.#stale.push(...this.#segments.splice(0, count));',
    '',
  ),
  mutantIn(
    RECOVERY,
    'an open reads all of the history',
    [RETAINED],
    'if (anchor === null || sequences.length <= 1)',
    'if (sequences.length > 0)',
  ),
  mutantIn(
    RECOVERY,
    'a segment that seemed to be needed hides that an older one is',
    [RETAINED],
    'return neededFrom(found) < from ? scanSegments(storage, directory, onScan) : found;',
    'return found;',
  ),
  mutantIn(
    TAIL,
    'history reaches over a file that is damaged',
    ['test/journal/tail-decision.test.ts', RETAINED],
    'found.sequence > (unsoundBefore?.sequence ?? -1)',
    'true',
  ),
  mutantIn(
    TAIL,
    'history holds what a later segment has replaced',
    ['test/journal/tail-decision.test.ts'],
    'if (!found.isSkimmed && living.at(-1)!.endLsn !== nextStartLsn) break;',
    '',
  ),
  mutantIn(
    SCHEDULE,
    'history stays when the disk is full',
    [RETAINED],
    'const retention = this.#isShortOfRoom ?',
    'const retention = this.#isClosed ?',
  ),
  mutantIn(
    READER,
    'a record is told that reaches over the end of its segment',
    [RETAINED],
    "if (lsn > this.#lastLsn) throw this.#damaged('a later segment begins inside of a record');",
    '',
  ),
];

export const feedMutants: readonly Mutant[] = [...groups, ...changes, ...beside, ...shared, ...history];
