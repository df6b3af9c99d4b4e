// Disks that are full, both engines: a put that finds no room throws before it is visible, and nothing acknowledged is lost.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectAcknowledged, KEYS, type Line, onBothEngines } from './faulty-store.js';
import { type FileSystem, useMounts, whyNoMount } from './mounts.js';

onBothEngines('full disks', (_engine, { reopen, say }) => {
  const mounted = useMounts();

  describe.each<[FileSystem, number, number]>([
    ['tmpfs', 9, 5],
    ['ext4', 32, 12],
  ])('on %s of %i MiB', (kind, mebibytes, ballastMebibytes) => {
    const whyNot = whyNoMount(kind);
    const skipped = whyNot === null ? '' : ` (skipped: ${whyNot})`;

    test.skipIf(whyNot !== null)(
      `that is full, a put throws before it is visible, reads go on, and it goes on when there is room${skipped}`,
      async () => {
        const { directory } = mounted(kind, mebibytes);
        fs.writeFileSync(path.join(directory, 'ballast'), Buffer.alloc(ballastMebibytes * 1024 * 1024));
        const said = await say(
          `
        const db = await open(DIRECTORY + '/store', OPTIONS);
        print({ full: await putUntilFailure(db, 30_000, 2_000), size: readable(db) });
        print({ still: await putUntilFailure(db, 2_000_000, 1), size: readable(db) });
        print({ checkpoint: await tried(() => db.checkpoint()) });
        print({ relieved: await putUntilFailure(db, 1_000, 10) });
        fs.rmSync(DIRECTORY + '/ballast');
        print({ checkpoint: await tried(() => db.checkpoint()) });
        // A segment under way in the background may be what there is no room beside: it is used when it is ready.
        let freed;
        while ((freed = await putUntilFailure(db, 30_000, 20))?.threw?.code === 'KEELSON_NO_SPACE') {
          await new Promise(setImmediate);
        }
        print({ freed, size: readable(db) });
        await db.close();
        end();
      `,
          directory,
        );
        const noSpace = { threw: { code: 'KEELSON_NO_SPACE', errno: 'ENOSPC' }, poisoned: null };
        // A checkpoint gives room back if its image finds any. The next segment takes as much as the last, or twice.
        const [, , { checkpoint }, { relieved }] = said.lines as [Line, Line, Line, Line];
        if (checkpoint !== 'done') expect(checkpoint).toEqual(noSpace.threw);
        if (relieved !== null) expect(relieved).toEqual(noSpace);
        expect(said.lines).toEqual([
          { full: noSpace, size: KEYS },
          { still: noSpace, size: KEYS },
          { checkpoint },
          { relieved },
          { checkpoint: 'done' },
          { freed: null, size: KEYS },
        ]);
        expect(said.acknowledged).toBe(said.submitted);
        expectAcknowledged(await reopen(path.join(directory, 'store')), said);
      },
    );

    test.skipIf(whyNot !== null)(
      `killed when it is full to the last byte, it opens or says so, and opens with everything when there is room${skipped}`,
      async () => {
        const { directory } = mounted(kind, mebibytes);
        const ballast = path.join(directory, 'ballast');
        fs.writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024));
        const said = await say(
          `
        const db = await open(DIRECTORY + '/store', OPTIONS);
        print({ full: await putUntilFailure(db, 30_000, 2_000) });
        const fd = fs.openSync(DIRECTORY + '/rest', 'w');
        try { for (;;) fs.writeSync(fd, Buffer.alloc(4096)); } catch (error) { print({ rest: error.code }); }
        process.kill(process.pid, 'SIGKILL');
      `,
          directory,
        );
        expect(said.lines).toMatchObject([{ full: { poisoned: null } }, { rest: 'ENOSPC' }]);
        const store = path.join(directory, 'store');
        const full = await reopen(store);
        if (full.found === undefined) expect(full).toEqual({ code: 'KEELSON_NO_SPACE', errno: 'ENOSPC' });
        else expectAcknowledged(full, said);
        // Without a lock and without a write it can be read in any case.
        expectAcknowledged(await reopen(store, 'read-only'), said);
        fs.rmSync(ballast);
        expectAcknowledged(await reopen(store), said);
      },
    );
  });

  const whyNoBtrfs = whyNoMount('btrfs');
  const noBtrfs = whyNoBtrfs === null ? '' : ` (skipped: ${whyNoBtrfs})`;
  const QUOTA_MEBIBYTES = 12;

  // libuv has no name for EDQUOT, so what Node called `UNKNOWN` was an I/O error and nothing else: it is told by its number.
  test.skipIf(whyNoBtrfs !== null)(
    `a quota that a new segment would pass is no room: a put throws before it is visible, and goes on when it may${noBtrfs}`,
    async () => {
      const { directory, liftQuota } = mounted('btrfs', QUOTA_MEBIBYTES);
      const said = await say(
        `
        const db = await open(DIRECTORY + '/store', OPTIONS);
        print({ before: await putUntilFailure(db, 10_000, 20) });
        print({ full: await putUntilFailure(db, ${(QUOTA_MEBIBYTES + 2) * 1024 * 1024}, 1), size: readable(db) });
        print({ small: await putUntilFailure(db, 1_000, 20) });
        await ready();
        print({ freed: await putUntilFailure(db, ${(QUOTA_MEBIBYTES + 2) * 1024 * 1024}, 1), size: readable(db) });
        await db.close();
        end();
      `,
        directory,
        {},
        liftQuota,
      );
      const noSpace = { threw: { code: 'KEELSON_NO_SPACE', errno: 'EDQUOT' }, poisoned: null };
      expect(said.lines).toEqual([
        { before: null },
        { full: noSpace, size: KEYS },
        { small: null },
        { ready: true },
        { freed: null, size: KEYS },
      ]);
      expectAcknowledged(await reopen(path.join(directory, 'store')), said);
    },
  );

  // Copy-on-write takes new blocks also where zeros were written in advance: there accepted bytes may find no room.
  test.skipIf(whyNoBtrfs !== null)(
    `a quota that runs out under prepared room stops it for good, reads go on, and the acknowledged are there${noBtrfs}`,
    async () => {
      const { directory, liftQuota } = mounted('btrfs', QUOTA_MEBIBYTES);
      const said = await say(
        `
        const db = await open(DIRECTORY + '/store', OPTIONS);
        print({ full: await putUntilFailure(db, 30_000, 2_000), size: readable(db) });
        print({ again: await putUntilFailure(db, 10, 1), size: readable(db) });
        print({ checkpoint: await tried(() => db.checkpoint()) });
        await db.close();
        end();
      `,
        directory,
      );
      const poisoned = { code: 'KEELSON_POISONED', errno: 'EDQUOT' };
      expect(said.lines).toEqual([
        { full: { rejected: poisoned, poisoned: poisoned.code }, size: KEYS },
        { again: { threw: poisoned, poisoned: poisoned.code }, size: KEYS },
        { checkpoint: poisoned },
      ]);
      const store = path.join(directory, 'store');
      expectAcknowledged(await reopen(store, 'read-only'), said);
      const full = await reopen(store);
      if (full.found === undefined) expect(full).toEqual({ code: 'KEELSON_NO_SPACE', errno: 'EDQUOT' });
      else expectAcknowledged(full, said);
      liftQuota();
      expectAcknowledged(await reopen(store), said);
    },
  );
});
