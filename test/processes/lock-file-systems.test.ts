// The lock where the file system, or the rights of the process, give less than it wants: each time a message that ends
// with what to do.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jsonOf, runProgram, useDirectory } from '../native/native-tools.js';
import { attempt, SETUPS, startOwner } from './lock-tools.js';
import { useMounts, whyNoMount } from './mounts.js';

const mount = useMounts();

describe.each(['vfat', 'exfat'] as const)('on %s, which has neither hard links nor sockets', (kind) => {
  const why = whyNoMount(kind);
  test.skipIf(why !== null).each(SETUPS)(
    `an open on %s is refused, and leaves nothing${why === null ? '' : ` (skipped: ${why})`}`,
    async (_, setup) => {
      const { directory } = mount(kind, 16);
      expect(await attempt(directory, setup)).toMatchObject({
        message: expect.stringMatching(/no hard links.*Put the store on one that has them/),
      });
      expect(fs.readdirSync(directory)).toEqual([]);
    },
  );
});

describe('on tmpfs', () => {
  const why = whyNoMount('tmpfs');
  test.skipIf(why !== null).each(SETUPS)(
    `an owner on %s is not robbed, and a killed one locks nobody out${why === null ? '' : ` (skipped: ${why})`}`,
    async (_, setup) => {
      const { directory } = mount('tmpfs', 16);
      const owner = await startOwner(directory, setup);
      expect(await attempt(directory, setup)).toMatchObject({ code: 'KEELSON_LOCKED' });
      await owner.kill();
      expect(await attempt(directory, setup)).toEqual({ keys: ['of the owner'] });
    },
  );
});

describe('where the lock file may not be read', () => {
  const here = useDirectory();
  const why = process.getuid?.() === 0 ? null : 'only root can become another user';
  test.skipIf(why !== null)(
    `an open is refused with what to do${why === null ? '' : ` (skipped: ${why})`}`,
    async () => {
      fs.chmodSync(here.path, 0o777);
      fs.writeFileSync(here.at('LOCK.1'), 'held by somebody', { mode: 0 });
      const program = `
        process.setuid(65534);
        const { open } = await import('keelson');
        await open(DIRECTORY).catch(({ code, message }) => print({ code, message }));
      `;
      expect(await jsonOf(runProgram(program, [here.path]))).toEqual({
        code: 'KEELSON_ACCESS',
        message: expect.stringMatching(/LOCK\.1 may not be read.*Make it readable for this user$/),
      });
    },
  );
});
