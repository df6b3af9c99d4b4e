// A mutant that allocated without end took all memory of the machine, and nothing else on it went on.

import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { addGroup, endGroup } from './process-groups.js';

const MIB = 2 ** 20;
const HOLDING = `
  const held = Buffer.alloc(${300 * MIB}, 1);
  require('node:child_process').spawnSync(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
`;

test.skipIf(process.platform !== 'linux')(
  'a group that takes too much memory is told of, and ended',
  async () => {
    const child = spawn(process.execPath, ['-e', HOLDING], { detached: true, stdio: 'ignore' });
    const group = child.pid!;
    const closed = new Promise<string | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
    let told = 0;
    await new Promise<void>((resolve) => {
      addGroup(
        group,
        () => {
          told++;
          resolve();
        },
        200 * MIB,
      );
    });
    endGroup(group);
    expect(await closed).toBe('SIGKILL');
    expect(told).toBe(1);
    // Nobody is left in it, as soon as the system has reaped the child of the child.
    while (isThere(group)) await new Promise((resolve) => setImmediate(resolve));
  },
);

function isThere(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' });
    return false;
  }
}
