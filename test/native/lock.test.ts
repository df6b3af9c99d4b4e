// The lock where directories can be locked: an owner's flock shows at once that it lives or is gone, whatever can be
// found out about its process, under both engines.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openJournal } from '../../src/journal/index.js';
import { rejectionOf } from '../storage/contract-tools.js';
import { type Ended, linesOf, runProgram, useDirectory, whyNoIoUring } from './native-tools.js';

const why = whyNoIoUring();
const RACERS = 50;
const PROCESSES = 4;
const ENGINES = ['io_uring', 'fs'] as const;
type Engine = (typeof ENGINES)[number];

const OWNER = `
  import { openJournal } from 'keelson/journal';
  const journal = await openJournal(DIRECTORY, { engine: PARAMETERS[0] });
  await journal.commit(new TextEncoder().encode('of the owner'));
  print('open');
  process.stdin.resume();
`;

interface Owner {
  kill(): Promise<Ended>;
}

describe.skipIf(why !== null)(`a lock${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const here = useDirectory();

  async function startOwner(engine: Engine): Promise<Owner> {
    let kill = (): void => {};
    let ended: Promise<Ended> | null = null;
    await new Promise<void>((resolve, reject) => {
      ended = runProgram(OWNER, [here.path, engine], {
        onLine: (_, child) => {
          kill = () => child.kill('SIGKILL');
          resolve();
        },
      });
      ended.then(({ stderr }) => reject(new Error(stderr)), reject);
    });
    return {
      kill: () => {
        kill();
        return ended!;
      },
    };
  }

  /** The newest. */
  const lockPath = (): string => {
    const names = fs.readdirSync(here.path).filter((name) => name.startsWith('LOCK.'));
    return here.at(names.sort((a, b) => Number(a.slice(5)) - Number(b.slice(5))).at(-1)!);
  };

  /** Makes it impossible to find out whether the owner's process runs: it seems to be of another container. */
  function hideOwner(): void {
    const text = fs.readFileSync(lockPath(), 'utf8');
    const hidden = text.replace(/pid:\[\d+\]/, (found) => `pid:[${'9'.repeat(found.length - 6)}]`);
    expect(hidden).not.toBe(text);
    // In place: the file that is locked stays the file.
    const fd = fs.openSync(lockPath(), 'r+');
    fs.writeSync(fd, hidden, 0);
    fs.closeSync(fd);
  }

  function removeSockets(): void {
    for (const name of fs.readdirSync(here.path)) if (name.startsWith('LIVE.')) fs.rmSync(here.at(name));
  }

  async function expectLocked(engine: Engine, message = /./): Promise<void> {
    expect(await rejectionOf(openJournal(here.path, { engine }))).toMatchObject({
      code: 'KEELSON_LOCKED',
      message: expect.stringMatching(message),
    });
  }

  async function expectTaken(engine: Engine): Promise<void> {
    const journal = await openJournal(here.path, { engine });
    const records: string[] = [];
    for await (const { record } of journal.read()) records.push(Buffer.from(record).toString());
    expect(records).toEqual(['of the owner']);
    await journal.close();
  }

  test.each(ENGINES.flatMap((owner) => ENGINES.map((opener) => [owner, opener] as const)))(
    'of a live owner on %s is not taken on %s, and is at once when the owner is killed',
    async (engine, opener) => {
      const owner = await startOwner(engine);
      try {
        for (let round = 0; round < 20; round++) await expectLocked(opener, /has it open/);
      } finally {
        await owner.kill();
      }
      await expectTaken(opener);
    },
  );

  test('of an owner whose labels are those of another container is not taken while it lives, by nobody', async () => {
    const owner = await startOwner('io_uring');
    try {
      hideOwner();
      for (const engine of ENGINES) await expectLocked(engine, /has it open/);
    } finally {
      await owner.kill();
    }
  });

  test.each(ENGINES)(
    'of a killed owner on %s whose labels are those of another container is taken at once',
    async (engine) => {
      await (await startOwner(engine)).kill();
      hideOwner();
      await expectTaken(engine);
    },
  );

  test('of a killed owner whose socket was removed is taken at once, because its flock is gone', async () => {
    await (await startOwner('fs')).kill();
    hideOwner();
    removeSockets();
    await expectTaken('fs');
  });

  test('of a live owner whose lock and socket were removed by hand is not taken, because its flock holds', async () => {
    const owner = await startOwner('fs');
    try {
      fs.rmSync(lockPath());
      removeSockets();
      for (const engine of ENGINES) await expectLocked(engine, /lock file was removed/);
    } finally {
      await owner.kill();
    }
  });

  test.each([
    ['that is dead', false],
    ['whose labels are those of another container', true],
  ])(`of ${RACERS} openers in one process over an owner %s, one has it`, async (_, isHidden) => {
    await (await startOwner('io_uring')).kill();
    if (isHidden) hideOwner();
    const outcomes = await Promise.allSettled(
      Array.from({ length: RACERS }, () => openJournal(here.path, { engine: 'io_uring' })),
    );
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'KEELSON_LOCKED' });
    }
    await expectLocked('io_uring');
    await expectLocked('fs');
    await winners[0]!.value.close();
    await expectTaken('fs');
  });

  const RACER = `
    import { openJournal } from 'keelson/journal';
    print('up');
    process.stdin.once('data', async () => {
      const opened = await Promise.allSettled(Array.from({ length: Number(PARAMETERS[0]) }, (_, index) =>
        openJournal(DIRECTORY, { engine: PARAMETERS[1] === 'mixed' && index % 2 ? 'fs' : 'io_uring' })));
      print(opened.map(({ value, reason }) => (value ? 'won' : (reason.code ?? String(reason)))));
      process.stdin.once('data', () => process.exit(0));
    });
  `;

  test.each([
    ['that is dead, on both engines', false, 'mixed'],
    ['whose labels are those of another container', true, 'io_uring'],
  ])(`of openers in ${PROCESSES} processes over an owner %s, one has it`, async (_, isHidden, engines) => {
    await (await startOwner('io_uring')).kill();
    if (isHidden) hideOwner();
    const stdins: { write(text: string): unknown }[] = [];
    let [upCount, raced] = [0, 0];
    const parameters = [here.path, String(Math.ceil(RACERS / PROCESSES)), engines];
    const runs = Array.from({ length: PROCESSES }, () =>
      runProgram(RACER, parameters, {
        onLine: (line, child) => {
          if (line === 'up') {
            stdins.push(child.stdin!);
            if (++upCount === PROCESSES) for (const stdin of stdins) stdin.write('go\n');
          } else if (++raced === PROCESSES) for (const stdin of stdins) stdin.write('end\n');
        },
      }),
    );
    const codes = (await Promise.all(runs)).flatMap((run) => JSON.parse(linesOf(run).at(-1)!) as string[]);
    expect(codes.filter((code) => code === 'won')).toHaveLength(1);
    expect(new Set(codes)).toEqual(new Set(['won', 'KEELSON_LOCKED']));
    await expectTaken('io_uring');
  });
});
