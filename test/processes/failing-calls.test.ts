// System calls that fail where strace says so, both engines.

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { hasTool, useDirectory, works } from '../native/native-tools.js';
import { expectAcknowledged, onBothEngines } from './faulty-store.js';

onBothEngines('failing calls', (engine, { reopen, say }) => {
  const here = useDirectory();
  const canTrace = hasTool('strace') && works('strace', '-f', '-o', '/dev/null', 'true');
  const noTrace = canTrace ? '' : ' (skipped: strace does not work here)';
  const injections = [
    // On io_uring only what prepares files is flushed by a call of its own.
    ...(engine === 'fs' ? [1, 2, 3, 5, 9] : [1, 2]).map((when) => ['fdatasync', 'EIO', when] as const),
    ...[1, 2, 4, 8].map((when) => ['pwrite64', 'ENOSPC', when] as const),
    ...[2, 4].map((when) => ['pwrite64', 'EDQUOT', when] as const),
    ...(engine === 'io_uring' ? [4, 12].map((when) => ['io_uring_enter', 'EIO', when] as const) : []),
  ];

  test.skipIf(!canTrace).each(injections)(
    `%s failing with %s at call %i of a thread stops it or harms nothing, and the acknowledged are there${noTrace}`,
    async (call, errno, when) => {
      const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${errno}:when=${when}`];
      const log = here.at('trace');
      const said = await say(
        `
      let db;
      try { db = await open(DIRECTORY + '/store', OPTIONS); } catch (error) { print({ refused: told(error) }); }
      if (db !== undefined) {
        const failed = await putUntilFailure(db, 30_000, 60);
        print({ failed, size: readable(db) });
        if (failed !== null) print({ next: await putUntilFailure(db, 10, 1), isPoisoned: db.poisoned !== null });
        print({ checkpoint: await tried(() => db.checkpoint()), isPoisoned: db.poisoned !== null });
        await db.close();
      }
      end();
    `,
        here.path,
        // The counter is a thread's own: one thread in the pool makes the call the same one every time.
        { under: ['strace', '-f', '-qq', '-y', '-o', log, ...inject], env: { UV_THREADPOOL_SIZE: '1' } },
      );
      const trace = fs.readFileSync(log, 'utf8');
      expect(trace, 'the call was never made: this shows nothing').toContain('(INJECTED)');
      const { failed } = said.lines.find((line) => 'failed' in line) ?? {};
      const next = said.lines.find((line) => 'next' in line);
      // On a segment under its name it is a commit that has failed: that must stop everything. On a temporary file
      // nothing has been accepted.
      if (call === 'io_uring_enter' || /\.journal>.*\(INJECTED\)/.test(trace)) {
        expect(said.lines.some(({ isPoisoned }) => isPoisoned)).toBe(true);
      }
      // What has failed stays failed. Where room was missing nothing is lost, and the next put tries again: that
      // one may meet the failure of the other thread.
      if (failed?.rejected) {
        expect(next).toMatchObject({ next: { threw: failed.rejected }, isPoisoned: true });
      } else if (failed?.threw) {
        if (failed.poisoned === null) expect(failed.threw.errno).toBe(errno);
        expect(next).toMatchObject(next?.next ? { isPoisoned: true } : { isPoisoned: false });
      }
      expectAcknowledged(await reopen(here.at('store')), said);
    },
  );
});
