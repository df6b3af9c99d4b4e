// The history of a key: what the journal that is still there tells about it, newest first.

import { isKeelsonError } from '../../errors.js';
import type { Change, ChangeGroup } from '../../kv/index.js';
import type { AnyStore } from '../any-store.js';
import { countOf, givenKey } from './api.js';
import { changeForPage, type ShownChange, type ShownValue, valueForPage } from './shown.js';

const VERSIONS_MAX = 100;
const VALUE_CHARACTERS_MAX = 64 * 1024;

/** A change of the key, with the value if it is not long. */
export type Version = ShownChange & { readonly value?: ShownValue };

/** The history of a key. */
export interface HistoryAnswer {
  /** The history begins at this LSN: the one that was asked for, or where the journal that is there begins. */
  readonly sinceLsn: number;
  /** It ends at this LSN, which a later request can give as `since`. */
  readonly untilLsn: number;
  /** The number of changes since. */
  readonly count: number;
  /** The newest of them, newest first. */
  readonly versions: readonly Version[];
}

/** Answers `space`, `key` and `since` with the history of the key, up to what the files prove durable. */
export async function answerHistory(
  store: AnyStore,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<HistoryAnswer> {
  const name = query.get('space') ?? '';
  const key = givenKey(query);
  const newest: { readonly lsn: number; readonly change: Change }[] = [];
  let count = 0;
  const note = ({ lsn, changes }: ChangeGroup) => {
    for (const change of changes) {
      // A key is not there before its namespace, and gone behind it.
      if (change.type === 'create') continue;
      count++;
      newest.push({ lsn, change });
      if (newest.length > VERSIONS_MAX) newest.shift();
    }
  };
  const range = { gte: key, lte: key };
  const open = (since: number) => store.changesIn(name, { since, range, live: false, signal });
  const untilLsn = store.db.durableLsn;
  const sinceLsn = await readFrom(countOf(query, 'since', 0), open, note);
  const versions = newest.reverse().map(({ lsn, change }) => versionOf(lsn, change));
  return { sinceLsn, untilLsn, count, versions };
}

function versionOf(lsn: number, change: Change): Version {
  const shown = changeForPage(lsn, change);
  return change.type === 'put'
    ? { ...shown, value: valueForPage(change.value, VALUE_CHARACTERS_MAX) }
    : shown;
}

/** Gives `note` all groups from an LSN, or from the oldest that are there. Returns the LSN behind which they begin. */
async function readFrom(
  start: number,
  open: (since: number) => AsyncIterable<ChangeGroup>,
  note: (group: ChangeGroup) => void,
): Promise<number> {
  // A live owner retires files: what was the oldest LSN may be gone when it is asked for.
  for (let since = start, isRead = false; ; ) {
    try {
      for await (const group of open(since)) {
        isRead = true;
        note(group);
      }
      return since;
    } catch (error) {
      const oldest = isKeelsonError(error, 'KEELSON_HISTORY_GONE') ? error.facts.oldestLsn : undefined;
      if (isRead || oldest === undefined || oldest <= since) throw error;
      since = oldest;
    }
  }
}
