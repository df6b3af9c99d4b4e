// Limits of the process, both engines: no descriptors, files that may not grow.

import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { hasTool, useDirectory } from '../native/native-tools.js';
import { expectAcknowledged, KEYS, onBothEngines } from './faulty-store.js';

onBothEngines('limits of the process', (_engine, { reopen, say }) => {
  const here = useDirectory();
  const noPrlimit = hasTool('prlimit') ? '' : ' (skipped: no prlimit)';

  test.skipIf(noPrlimit !== '')(
    `out of descriptors, opening makes nothing, a put throws before it is visible, and all goes on with more${noPrlimit}`,
    async () => {
      const said = await say(
        `
      const free = [];
      const exhaust = () => { try { for (;;) free.push(fs.openSync('/dev/null')); } catch (error) { return error.code; } };
      const relax = () => { for (const fd of free.splice(0)) fs.closeSync(fd); };
      // What is loaded and set up once per process.
      await open(DIRECTORY + '/first', OPTIONS).then((first) => first.close());
      for (const left of [0, 1, 2, 3]) {
        const errno = exhaust();
        for (let i = 0; i < left; i++) fs.closeSync(free.pop());
        const opened = await open(DIRECTORY + '/new', OPTIONS).then(async (db) => { await db.close(); return 'done'; }, told);
        relax();
        const made = fs.existsSync(DIRECTORY + '/new') ? fs.readdirSync(DIRECTORY + '/new') : [];
        const next = await open(DIRECTORY + '/new', OPTIONS);
        await next.close();
        print({ errno, opened, made, left });
        fs.rmSync(DIRECTORY + '/new', { recursive: true, force: true });
      }
      const db = await open(DIRECTORY + '/store', OPTIONS);
      print({ before: await putUntilFailure(db, 10_000, 10) });
      exhaust();
      print({ without: await putUntilFailure(db, 100_000, 200), size: readable(db) });
      print({ checkpoint: await tried(() => db.checkpoint()) });
      relax();
      print({ again: await putUntilFailure(db, 100_000, 40), checkpoint: await tried(() => db.checkpoint()) });
      exhaust();
      await db.close();
      relax();
      end();
    `,
        here.path,
        // Node.js opens the files of the package at once, about as many as there are.
        { under: ['prlimit', '--nofile=128'] },
      );
      const emfile = { code: 'KEELSON_NO_SPACE', errno: 'EMFILE' };
      const openings = said.lines.slice(0, 4);
      expect(openings[0]).toMatchObject({ errno: 'EMFILE', opened: emfile, made: [] });
      for (const { opened, made } of openings) {
        if (opened === 'done') continue;
        expect(opened).toEqual(emfile);
        // A lock that was taken and given back is not part of a store.
        expect((made ?? []).filter((name) => name !== 'LOCK.1')).toEqual([]);
      }
      expect(said.lines.slice(4)).toEqual([
        { before: null },
        { without: { threw: emfile, poisoned: null }, size: KEYS },
        { checkpoint: emfile },
        { again: null, checkpoint: 'done' },
      ]);
      expectAcknowledged(await reopen(here.at('store')), said);
    },
  );

  test.skipIf(noPrlimit !== '')(
    `where files may not grow that large, a put throws before it is visible, and goes on when they may${noPrlimit}`,
    async () => {
      const said = await say(
        `
      const db = await open(DIRECTORY + '/store', OPTIONS);
      print({ limited: await putUntilFailure(db, 2_000_000, 1) });
      print({ small: await putUntilFailure(db, 1_000, 10), size: readable(db) });
      print({ limited: await putUntilFailure(db, 2_000_000, 1), checkpoint: await tried(() => db.checkpoint()) });
      await ready();
      print({ after: await putUntilFailure(db, 100_000, 40), size: readable(db) });
      await db.close();
      end();
    `,
        here.path,
        { under: ['prlimit', '--fsize=1572864:unlimited'] },
        (child) => {
          const raised = spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']);
          expect(raised.status).toBe(0);
        },
      );
      const tooLarge = { threw: { code: 'KEELSON_NO_SPACE', errno: 'EFBIG' }, poisoned: null };
      expect(said.lines).toEqual([
        { limited: tooLarge },
        { small: null, size: KEYS },
        { limited: tooLarge, checkpoint: 'done' },
        { ready: true },
        { after: null, size: KEYS },
      ]);
      expectAcknowledged(await reopen(here.at('store')), said);
    },
  );
});
