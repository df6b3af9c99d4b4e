// File systems that may not be written, or not any more, both engines: writing stops for good, reading goes on.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { expectAcknowledged, KEYS, onBothEngines } from './faulty-store.js';
import { useMounts, whyNoMount } from './mounts.js';

onBothEngines('read-only disks', (_engine, { reopen, say }) => {
  const mounted = useMounts();
  const whyNoExt4 = whyNoMount('ext4');
  const noExt4 = whyNoExt4 === null ? '' : ` (skipped: ${whyNoExt4})`;

  test.skipIf(whyNoExt4 !== null)(
    `when ext4 turns read-only under it, writes fail for good, reads go on, and the acknowledged are there${noExt4}`,
    async (context) => {
      const mount = mounted('ext4', 16);
      const trigger = `/sys/fs/ext4/${mount.device}/trigger_fs_error`;
      if (!fs.existsSync(trigger)) context.skip('this kernel triggers no errors of ext4');
      const said = await say(
        `
      const db = await open(DIRECTORY + '/store', OPTIONS);
      print({ before: await putUntilFailure(db, 10_000, 30) });
      await ready();
      print({ after: await putUntilFailure(db, 30_000, 400), size: readable(db) });
      print({ again: await putUntilFailure(db, 30_000, 1), size: readable(db) });
      print({ checkpoint: await tried(() => db.checkpoint()) });
      await db.close();
      end();
    `,
        mount.directory,
        {},
        () => fs.writeFileSync(trigger, '1'),
      );
      expect(said.lines.map((line) => Object.keys(line)[0])).toEqual([
        'before',
        'ready',
        'after',
        'again',
        'checkpoint',
      ]);
      const [before, , after, again, checkpoint] = said.lines;
      expect(before).toEqual({ before: null });
      const poisoned = { code: 'KEELSON_POISONED', errno: expect.stringMatching(/^(EROFS|EIO)$/) };
      expect(after).toEqual({ after: { rejected: poisoned, poisoned: poisoned.code }, size: KEYS });
      expect(again).toEqual({ again: { threw: poisoned, poisoned: poisoned.code }, size: KEYS });
      expect(checkpoint).toEqual({ checkpoint: poisoned });
      mount.repair();
      expectAcknowledged(await reopen(path.join(mount.directory, 'store')), said);
    },
  );

  test.skipIf(whyNoExt4 !== null)(
    `killed and mounted read-only, it opens for reading, refuses the rest, and opens when it may be written${noExt4}`,
    async () => {
      const mount = mounted('ext4', 16);
      const said = await say(
        `
      const db = await open(DIRECTORY + '/store', OPTIONS);
      await putUntilFailure(db, 10_000, 30);
      db.put('k' + (writes % KEYS), valueFor(writes, 10_000));
      print({ submitted: writes });
      process.kill(process.pid, 'SIGKILL');
    `,
        mount.directory,
      );
      const store = path.join(mount.directory, 'store');
      mount.remount('ro');
      expect(await reopen(store)).toEqual({ code: 'KEELSON_ACCESS', errno: 'EROFS' });
      expectAcknowledged(await reopen(store, 'read-only'), said);
      mount.remount('rw');
      expectAcknowledged(await reopen(store), said);
    },
  );
});
