// The graph of a history of lists: which transaction must come before which. Each append adds an id of its own to a list, so
// the final lists tell in which order the appends happened, and each read tells which of them it has seen. The history is
// serializable exactly when the graph has no cycle.

/** What one transaction has read and appended. */
export interface AppendingTransaction {
  readonly name: string;
  /** The lists as they were read, by key, without what the transaction itself has appended. */
  readonly reads: readonly (readonly [key: string, list: readonly number[]])[];
  /** The ids that were appended, by key. */
  readonly appends: readonly (readonly [key: string, id: number])[];
  /** The times of its begin and its end, on any clock. */
  readonly begin: number;
  readonly end: number;
}

type FinalLists = ReadonlyMap<string, readonly number[]>;

/** Returns what is wrong with a history of committed transactions, or null. */
export function findAnomaly(transactions: readonly AppendingTransaction[], lists: FinalLists): string | null {
  const authors = new Map<number, AppendingTransaction>();
  for (const transaction of transactions)
    for (const [, id] of transaction.appends) authors.set(id, transaction);
  return (
    findWrongAppend(transactions, lists, authors) ??
    findWrongRead(transactions, lists) ??
    findCycle(edgesOf(transactions, lists, authors))
  );
}

/** Each append of a committed transaction is in its list once, and nothing else is in the lists. */
function findWrongAppend(
  transactions: readonly AppendingTransaction[],
  lists: FinalLists,
  authors: ReadonlyMap<number, AppendingTransaction>,
): string | null {
  for (const { name, appends } of transactions)
    for (const [key, id] of appends)
      if (lists.get(key)?.includes(id) !== true) return `the append of ${id} to ${key} by ${name} is lost`;
  for (const [key, list] of lists) {
    if (new Set(list).size < list.length) return `${key} has an id twice: ${list}`;
    const stranger = list.find((id) => !authors.has(id));
    if (stranger !== undefined) return `${key} has ${stranger}, which no committed transaction has appended`;
  }
  return null;
}

/** Each list that was read is the beginning of the final list. */
function findWrongRead(transactions: readonly AppendingTransaction[], lists: FinalLists): string | null {
  for (const { name, reads } of transactions)
    for (const [key, seen] of reads) {
      const list = lists.get(key) ?? [];
      if (seen.some((id, at) => list[at] !== id))
        return `${name} has read ${seen} of ${key}, which became ${list}`;
    }
  return null;
}

type Edges = ReadonlyMap<AppendingTransaction, ReadonlyMap<AppendingTransaction, string>>;

/** Returns, for each transaction, those that must come after it, with the reason. */
function edgesOf(
  transactions: readonly AppendingTransaction[],
  lists: FinalLists,
  authors: ReadonlyMap<number, AppendingTransaction>,
): Edges {
  const edges = new Map(transactions.map((each) => [each, new Map<AppendingTransaction, string>()]));
  const add = (from: AppendingTransaction, to: AppendingTransaction, why: string) => {
    if (from !== to) edges.get(from)!.set(to, why);
  };
  const authorOf = (id: number) => authors.get(id)!;
  for (const [key, list] of lists)
    for (let at = 1; at < list.length; at++)
      add(authorOf(list[at - 1]!), authorOf(list[at]!), `appended to ${key} before`);
  for (const reader of transactions)
    for (const [key, seen] of reader.reads) {
      const last = seen.at(-1);
      const next = lists.get(key)?.[seen.length];
      if (last !== undefined) add(authorOf(last), reader, `was seen in ${key} by`);
      if (next !== undefined) add(reader, authorOf(next), `did not see in ${key}`);
    }
  for (const first of transactions)
    for (const second of transactions)
      if (first.end < second.begin) add(first, second, 'ended before the begin of');
  return edges;
}

/** Returns a cycle in words, or null. */
function findCycle(edges: Edges): string | null {
  const done = new Set<AppendingTransaction>();
  const visit = (at: AppendingTransaction, way: readonly AppendingTransaction[]): string | null => {
    if (done.has(at)) return null;
    const start = way.indexOf(at);
    if (start >= 0) return shownCycle(way.slice(start), edges);
    for (const next of edges.get(at)!.keys()) {
      const cycle = visit(next, [...way, at]);
      if (cycle !== null) return cycle;
    }
    done.add(at);
    return null;
  };
  for (const transaction of edges.keys()) {
    const cycle = visit(transaction, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

function shownCycle(cycle: readonly AppendingTransaction[], edges: Edges): string {
  const steps = cycle.map((from, at) => {
    const to = cycle[(at + 1) % cycle.length]!;
    return `${from.name} ${edges.get(from)!.get(to)} ${to.name}`;
  });
  return `a cycle: ${steps.join('; ')}`;
}
