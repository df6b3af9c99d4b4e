// Mutants of what follows a store: read-only stores beside their owner, and replicas in other threads.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const FILES = 'test/journal/file-follower.test.ts';
const PARTS = 'test/replica/inbox.test.ts';
const BESIDE = 'test/simulation/following.test.ts';
const REPLICAS = 'test/simulation/replicas.test.ts';
const APPLYING = 'test/replica/applying.test.ts';
const THREAD = 'test/replica/replica.test.ts';

const FOLLOWER = 'src/journal/read/file-follower.ts';
const FOLLOWING = 'src/kv/replay/following.ts';
const INBOX = 'src/replica/inbox.ts';
const REPLICA = 'src/replica/replica.ts';
const REPLICATION = 'src/kv/replication/replication.ts';
const SCHEMA = 'src/kv/entries/schema.ts';
const SPACES = 'src/kv/namespaces.ts';
const WAITS = 'src/replica/waits.ts';
const WALK = 'src/journal/read/segment-walk.ts';

const mutantIn = singleMutantsOf('followers');

export const followerMutants: readonly Mutant[] = [
  mutantIn(WALK, 'the last commit counts as proven', [FILES], 'if (commit.endLsn > proven) break;', ''),
  mutantIn(
    FOLLOWER,
    'the last commit is used before it is verified',
    [FILES],
    '      await read(() => {});\n',
    '',
  ),
  mutantIn(
    FOLLOWER,
    'a follower that is left behind waits for ever',
    [FILES],
    "if (look === 'gone' && wasGone) return 'left behind';",
    "if (look === 'gone' && wasGone) return 'at the end';",
  ),
  mutantIn(
    FOLLOWER,
    'an image does not prove the last commit',
    [FILES],
    "return this.#proveByImage() ? 'changed' : 'nothing';",
    "return 'nothing';",
  ),
  mutantIn(
    FOLLOWER,
    'an image proves a commit behind it',
    [FILES],
    'if (tail === null || tail.endLsn > this.#durableLsn) return false;',
    'if (tail === null || this.#durableLsn === 0) return false;',
  ),
  mutantIn(
    FOLLOWER,
    'a lineage segment does not prove the commit before it',
    [FILES],
    '      header.lineageStart !== null && tail !== null',
    '      header.lineageStart === null && tail !== null',
  ),
  mutantIn(
    FOLLOWING,
    'the last commit is not shown',
    [FILES, BESIDE],
    'await follower.replayTail(this.#visit(repeated, null));',
    '',
  ),
  mutantIn(
    FOLLOWING,
    'a call joins a refresh that has begun before it',
    [FILES],
    'this.#next ??= running.catch(() => {}).then(() => this.#start());',
    'this.#next ??= running;',
  ),
  mutantIn(
    FOLLOWING,
    'the last commit may become another one',
    [FILES],
    ' && this.#checksum === this.#expected',
    '',
  ),
  mutantIn(
    FOLLOWING,
    'a replica shows what is not durable',
    [REPLICAS],
    'lsn <= this.#tailLsnMax',
    'lsn <= Number.MAX_SAFE_INTEGER',
  ),
  mutantIn(
    SPACES,
    'a namespace that was asked for before it was there stays empty',
    [THREAD, BESIDE],
    'const isAwaited = space !== undefined && !space.isThere && !space.isDropped;',
    'const isAwaited = space !== undefined && space.isDropped;',
  ),
  mutantIn(
    SCHEMA,
    'namespaces that are gone stay when a store is loaded anew',
    [BESIDE, REPLICAS],
    'for (const { id } of gone) this.drop(id);',
    '',
  ),
  mutantIn(
    REPLICATION,
    'a replica that is too far behind is given up',
    [REPLICAS, THREAD],
    "if (!isKeelsonError(error, 'KEELSON_HISTORY_GONE')) throw error;",
    'throw error;',
  ),
  mutantIn(
    REPLICATION,
    'a replica that is gone keeps its feed',
    [REPLICAS],
    '    this.#isEnded = true;\n    this.#feed.close();\n',
    '    this.#isEnded = true;\n',
  ),
  mutantIn(
    INBOX,
    'messages that come early are lost',
    [PARTS],
    'this.#waiting.push(message)',
    'void message',
  ),
  mutantIn(
    REPLICA,
    'whenAt() is not told of what is shown',
    [THREAD, REPLICAS],
    '    this.#store.received();\n    this.#waits.reached(this.lsn);\n',
    '    this.#store.received();\n',
  ),
  mutantIn(
    REPLICATION,
    'the memory of messages is not used again',
    [REPLICAS],
    'packRecords(window, fromLsn, this.#memory.pop())',
    'packRecords(window, fromLsn)',
  ),
  mutantIn(
    REPLICATION,
    'a port that is gone stays with the store',
    [REPLICAS],
    "port.on('close', () => this.#finish());",
    '',
  ),
  mutantIn(
    REPLICATION,
    'a store does not tell its replicas why they end',
    [REPLICAS],
    "this.#send({ kind: 'ended', error: sentError(error) });",
    ';',
  ),
  mutantIn(
    REPLICA,
    'the event loop has no turn while a replica applies records',
    [APPLYING],
    'if (this.#store.nowMs() < this.#sliceEndMs) continue;',
    'continue;',
  ),
  mutantIn(
    REPLICA,
    'the store does not hear what a replica has applied',
    [APPLYING],
    'this.#memory.length >= TOLD_MESSAGES || ',
    '',
  ),
  mutantIn(
    REPLICA,
    'the end of a port comes before the messages',
    [APPLYING],
    "() => this.#received({ kind: 'ended', error: sentError(portClosed()) }),",
    '() => this.#end(portClosed()),',
  ),
  mutantIn(
    REPLICA,
    'records are applied behind one that could not be',
    [APPLYING],
    '      // A record could not be applied, so no later one may be: `#isApplying` stays.\n',
    '      this.#isApplying = false;\n',
  ),
  mutantIn(WAITS, 'a wait ends early', [PARTS], 'wait.lsn <= lsn', 'wait.lsn > 0'),
];
