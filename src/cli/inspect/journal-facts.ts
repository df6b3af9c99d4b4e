// The files of the store as the page draws them: images, segments, and the commits of one segment.

import { listStoreCommits, readStoreHeaders, type StoreHeaders } from '../../kv/internal.js';
import { CommandError } from '../command-errors.js';
import { countOf } from './api.js';

/** More commits than these are drawn together. */
const BARS_MAX = 400;

/** The files, from their headers. */
export type FilesAnswer = Pick<StoreHeaders, 'images' | 'segments' | 'durableLsn'> & {
  readonly owner: number | string | null;
};

/** Commits that stand together in a segment. */
export interface CommitBar {
  readonly offset: number;
  readonly bytes: number;
  readonly commits: number;
  readonly records: number;
  readonly isDamaged: boolean;
}

/** Answers with the files of the store. */
export async function answerFiles(directory: string): Promise<FilesAnswer> {
  const { images, segments, durableLsn, owner } = await readStoreHeaders(directory);
  return { images, segments, durableLsn, owner: owner === null ? null : (owner.pid ?? owner.what) };
}

/** Answers `sequence` with the commits of that segment, as at most 400 bars. */
export async function answerSegment(
  directory: string,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<{ readonly bars: readonly CommitBar[] }> {
  const sequence = countOf(query, 'sequence', -1);
  const { segments } = await readStoreHeaders(directory);
  if (!segments.some((segment) => segment.sequence === sequence))
    throw new CommandError('MALFORMED', `There is no segment ${sequence}`, 'Ask for one of api/files');
  const bars = new CommitBars();
  for await (const { offset, offsetEnd, kind, records } of listStoreCommits(directory, sequence)) {
    signal.throwIfAborted();
    const isDamaged = kind === 'damaged';
    bars.add({ offset, bytes: offsetEnd - offset, commits: 1, records: records.length, isDamaged });
  }
  return { bars: bars.all };
}

/** Joins commits, as many in each bar, so that there are never too many bars. */
export class CommitBars {
  all: CommitBar[] = [];
  #commitsOfABar = 1;

  add(commit: CommitBar): void {
    const last = this.all.at(-1);
    if (last !== undefined && last.commits < this.#commitsOfABar)
      this.all.push(joined(this.all.pop()!, commit));
    else this.all.push(commit);
    if (this.all.length <= BARS_MAX) return;
    this.#commitsOfABar *= 2;
    const before = this.all;
    this.all = [];
    for (let at = 0; at < before.length; at += 2) this.all.push(joined(before[at]!, before[at + 1]));
  }
}

function joined(one: CommitBar, other: CommitBar | undefined): CommitBar {
  if (other === undefined) return one;
  return {
    offset: one.offset,
    bytes: one.bytes + other.bytes,
    commits: one.commits + other.commits,
    records: one.records + other.records,
    isDamaged: one.isDamaged || other.isDamaged,
  };
}
