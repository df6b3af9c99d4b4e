// What must be durable before what, looked at while it happens: crash states show the same, but must come upon the moment.

import { describe, expect, it } from 'vitest';
import { type Boundary, SimulatedDisk } from '../../src/testing/index.js';
import { openTinyStore } from './store-workload.js';

const SEEDS = [1, 2, 3, 4, 5, 6];

interface Seen {
  /** "complete flush", and the like. */
  readonly what: string;
  readonly path: string;
  /** Of the store, at that moment. */
  readonly durableLsn: number;
}

/** A store with an older image and many segments, and all that happens while it makes the next image, under writes. */
async function watchCheckpoint(seed: number): Promise<readonly Seen[]> {
  const disk = new SimulatedDisk({ seed, directories: ['/data'] });
  const store = await openTinyStore(disk.life(), { autoCheckpoint: false, keepOlderGeneration: false });
  await store.put('k0', 'the older image');
  await store.checkpoint();
  const seen: Seen[] = [];
  disk.onBoundary = ({ phase, operation, path }: Boundary) => {
    if (!/LOCK|LIVE/.test(path))
      seen.push({ what: `${phase} ${operation}`, path, durableLsn: store.durableLsn });
  };
  // Commits of 1 KiB, one after the other: the image would be there long before they are.
  const writes = Array.from({ length: 40 }, (_, at) => store.put(`k${at % 7}`, 'x'.repeat(900)));
  await store.checkpoint();
  await Promise.all(writes);
  await store.close();
  return seen;
}

const isImage = ({ path }: Seen) => /\.image(\.tmp)?$/.test(path);
const isTemporary = ({ path }: Seen) => path.endsWith('.tmp');

describe.each(SEEDS)('while a checkpoint is made (seed %i)', (seed) => {
  it('a file has its name only when all that was written to it has been flushed, and is not written again', async () => {
    const seen = await watchCheckpoint(seed);
    // An image is renamed, a segment is linked: its new name, which is not the temporary one, is not in the operation.
    const renames = seen.filter((one) => /submit (rename|link)/.test(one.what) && isTemporary(one));
    expect(renames.filter(isImage)).toHaveLength(1);
    expect(renames.length).toBeGreaterThan(4);
    for (const rename of renames) {
      const before = seen.slice(0, seen.indexOf(rename)).filter(({ path }) => path === rename.path);
      const written = before.findLastIndex(({ what }) => /write|zeroFill/.test(what));
      const flushes = before.slice(written + 1).map(({ what }) => what);
      expect(flushes.slice(0, 2), rename.path).toEqual(['submit flush', 'complete flush']);
    }
    expect(seen.filter((one) => /write|zeroFill/.test(one.what) && !isTemporary(one))).toEqual([]);
  });

  it('the image has its name only when the journal is durable through its LSN', async () => {
    const seen = await watchCheckpoint(seed);
    const created = seen.find((one) => one.what === 'submit createFile' && isImage(one))!;
    const renamed = seen.find((one) => one.what === 'submit rename' && isImage(one))!;
    const lsn = Number(/(\d+)\.image/.exec(renamed.path)![1]);
    expect(created.durableLsn, 'there was nothing to wait for').toBeLessThan(lsn);
    expect(renamed.durableLsn).toBeGreaterThanOrEqual(lsn);
  });

  it('what the image replaces goes only when its name is durable', async () => {
    const seen = await watchCheckpoint(seed);
    const renamed = seen.findIndex((one) => one.what === 'complete rename' && isImage(one));
    const submitted = seen.findIndex((one, at) => at > renamed && one.what === 'submit flushDirectory');
    const durable = seen.findIndex((one, at) => at > submitted && one.what === 'complete flushDirectory');
    const gone = seen.flatMap((one, at) =>
      /submit (rename|remove)/.test(one.what) && !isTemporary(one) && at > renamed ? [at] : [],
    );
    expect(gone.length).toBeGreaterThan(2);
    expect(gone.filter((at) => at < durable).map((at) => seen[at])).toEqual([]);
  });
});
