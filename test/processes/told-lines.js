// @ts-check
// What the owner of a store and its follower say in feed-kill.test.ts: one JSON array per line.
//
//   ["opened", lsn]                 the store is open, at that LSN
//   ["clock", now]                  the clock of the owner shows that time from now on
//   ["wrote", lsn]                  a write was made
//   ["durable", lsn]                its promise has resolved
//   ["told", group]                 the feed of the store has told a group
//   ["told one", group]             the feed of the namespace `one` has told a group
//   ["gone", lsn]                   the feed has ended with KEELSON_HISTORY_GONE, and another one follows from that LSN
//   ["shown", lsn, durableLsn, rows] a follower shows that state

const CHARACTERS_MAX = 24;
const CHARACTERS_KEPT = 12;

/**
 * What a JSON text holds, with long strings cut, so that lines stay short. Strings that were cut stay as they are.
 *
 * @param {string} json
 */
export function brief(json) {
  return JSON.parse(json, (_, value) => {
    const isLong = typeof value === 'string' && value.length > CHARACTERS_MAX;
    return isLong ? `${value.slice(0, CHARACTERS_KEPT)}… ${value.length}` : value;
  });
}

/**
 * All that a store shows: its collections by name, and their rows with versions and deadlines.
 *
 * @param {import('keelson').Store<any, any>} db
 */
export function rowsOf(db) {
  return ['', ...db.namespaces()].toSorted().map((name) => {
    const reads = name === '' ? db : db.namespace(name);
    const entries = [...reads.getEntries()];
    return [
      name,
      entries.map(({ key, value, version, expiresAt }) => [key, value, version, expiresAt ?? null]),
    ];
  });
}
