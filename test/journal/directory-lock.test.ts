// The lock: one owner per directory, whoever races for it and however the owner before it ended. On a real directory,
// with real processes. The processes run the built package.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { type DirectoryLock, lockDirectory } from '../../src/journal/directory/directory-lock.js';
import {
  createFsStorage,
  type Liveness,
  type ProcessIdentity,
  type Storage,
} from '../../src/storage/index.js';
import { alsoHeld, heldWith } from '../storage/wrapped-storage.js';
import { diskError, FaultyStorage } from './faulty-storage.js';
import { keelsonError, open, openDescriptors, rejectionOf, textsOf, useDirectory } from './helpers.js';

const PROJECT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const RACING_OPENERS = 200;
const PROCESSES = 4;
const OPENERS_PER_PROCESS = 50;

/** Says "up", races when it is told to, says how that went, and keeps what it won until its input ends. */
const RACER = `
  import { openJournal } from 'keelson/journal';
  console.log('up');
  process.stdin.once('data', async () => {
    const opened = await Promise.allSettled(
      Array.from({ length: Number(process.argv[2]) }, () => openJournal(process.argv[1])),
    );
    const codes = opened.map(({ value, reason }) => (value ? 'won' : (reason.code ?? String(reason))));
    console.log(JSON.stringify(codes));
  });
`;

const here = useDirectory();
const storage = createFsStorage();
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await killed(child);
});

interface Racer {
  readonly child: ChildProcess;
  /** Lets it race; resolves with one code for each opener. */
  race(): Promise<string[]>;
}

async function startRacer(openers: number): Promise<Racer> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', RACER, here.path, String(openers)], {
    cwd: PROJECT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout!, 'data');
  return {
    child,
    async race() {
      child.stdin!.write('go\n');
      let text = '';
      for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
        text += String(chunk);
        if (text.endsWith('\n')) break;
      }
      return JSON.parse(text) as string[];
    },
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function lockNames(): string[] {
  return fs
    .readdirSync(here.path)
    .filter((name) => name.startsWith('LOCK'))
    .sort();
}

function lockText(owner: ProcessIdentity): string {
  return `held ${JSON.stringify(owner)}\n`;
}

/** An owner that has ended: this process's pid, of another start. */
const DEAD: ProcessIdentity = {
  ...storage.processIdentity,
  startTime: '1',
  bootId: 'another boot of the machine',
};

function withLiveness(liveness: Liveness): Storage {
  return alsoHeld({ ...storage, liveness: () => liveness });
}

describe('of openers that race', () => {
  test(`${RACING_OPENERS} in one process, one wins and the rest are told who has it`, async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: RACING_OPENERS }, () => open(here.path)));
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toEqual(keelsonError('KEELSON_LOCKED'));
    }
    expect(lockNames().filter((name) => name.includes('tmp'))).toEqual([]);
    await winners[0]!.value.close();
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });

  test(`${PROCESSES} processes with ${OPENERS_PER_PROCESS} each over a killed owner's lock, one wins`, async () => {
    const owner = await startRacer(1);
    expect(await owner.race()).toEqual(['won']);
    await killed(owner.child);
    const racers = await Promise.all(
      Array.from({ length: PROCESSES }, () => startRacer(OPENERS_PER_PROCESS)),
    );
    const codes = (await Promise.all(racers.map((racer) => racer.race()))).flat();
    expect(codes).toHaveLength(PROCESSES * OPENERS_PER_PROCESS);
    expect(codes.filter((code) => code === 'won')).toHaveLength(1);
    expect(codes.filter((code) => code !== 'won' && code !== 'KEELSON_LOCKED')).toEqual([]);
  });
});

describe('a lock', () => {
  test('that was released is taken again at once, a hundred times', async () => {
    for (let round = 1; round <= 100; round++) {
      const lock = await lockDirectory(storage, here.path);
      expect(await rejectionOf(lockDirectory(storage, here.path))).toEqual(keelsonError('KEELSON_LOCKED'));
      await lock.release();
      expect(lockNames().length).toBeLessThanOrEqual(2);
    }
    expect(lockNames()).toEqual(['LOCK.100', 'LOCK.99']);
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });

  test('of a living process is never taken, and of a killed one at once', async () => {
    const owner = await startRacer(1);
    expect(await owner.race()).toEqual(['won']);
    for (let round = 0; round < 20; round++) {
      expect(await rejectionOf(open(here.path))).toMatchObject({
        code: 'KEELSON_LOCKED',
        message: expect.stringContaining(`process ${owner.child.pid}`),
        facts: { path: here.at('LOCK.1'), owner: expect.stringContaining(String(owner.child.pid)) },
      });
    }
    await killed(owner.child);
    const journal = await open(here.path);
    await journal.close();
    expect(lockNames()).toEqual(['LOCK.1', 'LOCK.2']);
  });

  test('whose owner cannot be looked up is not taken, and the error names owner and file', async () => {
    fs.writeFileSync(here.at('LOCK.3'), lockText({ ...DEAD, pid: 4242, pidNamespace: 'pid:[1]' }));
    expect(await rejectionOf(lockDirectory(withLiveness('unknown'), here.path))).toMatchObject({
      code: 'KEELSON_LOCKED',
      message: expect.stringMatching(/process 4242.*cannot be known.*LOCK\.3/),
      facts: { path: here.at('LOCK.3'), owner: expect.stringContaining('4242') },
    });
    expect(lockNames()).toEqual(['LOCK.3']);
  });

  test.each([
    ['nothing', ''],
    ['zeros', '\0'.repeat(200)],
    ['half of what it should', 'held {"bootId":"x","pidNam'],
    ['JSON of something else', 'held {"pid":1}\n'],
    ['a pid that is no number', `held ${JSON.stringify({ ...DEAD, pid: 'one' })}\n`],
    ['another word', 'kept {}\n'],
    ['more than a lock ever has', 'held '.padEnd(100_000, 'x')],
  ])('that holds %s lost its owner in a power cut, and is taken', async (_, text) => {
    fs.writeFileSync(here.at('LOCK.7'), text);
    const lock = await lockDirectory(withLiveness('live'), here.path);
    expect(lockNames()).toEqual(['LOCK.7', 'LOCK.8']);
    await lock.release();
  });

  test('with the highest number that there is, is the last: the error names it', async () => {
    fs.writeFileSync(here.at('LOCK.999999999999998'), lockText(DEAD));
    const last = await lockDirectory(withLiveness('dead'), here.path);
    await last.release();
    expect(lockNames()).toEqual(['LOCK.999999999999998', 'LOCK.999999999999999']);
    expect(await rejectionOf(lockDirectory(withLiveness('dead'), here.path))).toMatchObject({
      code: 'KEELSON_EXHAUSTED',
      facts: { path: here.at('LOCK.999999999999999') },
    });
    expect(lockNames()).toEqual(['LOCK.999999999999998', 'LOCK.999999999999999']);
  });

  test('is judged by the highest number alone', async () => {
    fs.writeFileSync(here.at('LOCK.9'), lockText(storage.processIdentity));
    fs.writeFileSync(here.at('LOCK.10'), lockText(DEAD));
    const lock = await lockDirectory(storage, here.path);
    expect(lockNames()).toEqual(['LOCK.10', 'LOCK.11']);
    await lock.release();
    fs.writeFileSync(here.at('LOCK.12'), lockText(storage.processIdentity));
    expect(await rejectionOf(lockDirectory(storage, here.path))).toEqual(keelsonError('KEELSON_LOCKED'));
  });

  test('of a worker is never taken while it runs, and at once when it was terminated', async () => {
    const program = `
      import { parentPort, workerData } from 'node:worker_threads';
      const { openJournal } = await import(workerData.entry);
      const journal = await openJournal(workerData.directory);
      await journal.commit(new TextEncoder().encode('of the worker'));
      parentPort.on('message', () => {});
      parentPort.postMessage('open');
    `;
    const workerData = {
      entry: pathToFileURL(path.join(PROJECT, 'dist/journal/index.js')).href,
      directory: here.path,
    };
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData });
    await once(worker, 'message');
    expect(await rejectionOf(open(here.path))).toEqual(keelsonError('KEELSON_LOCKED'));
    await worker.terminate();
    const journal = await open(here.path);
    expect(await textsOf(journal)).toEqual(['of the worker']);
    await journal.close();
  });

  test('of a low number that a racer makes of what it saw long ago does not beat a higher one', async () => {
    const owners: DirectoryLock[] = [];
    for (let number = 1; number <= 5; number++) {
      const lock = await lockDirectory(storage, here.path);
      if (number < 5) await lock.release();
      else owners.push(lock);
    }
    expect(lockNames()).toEqual(['LOCK.4', 'LOCK.5']);
    // It listed the directory when LOCK.1 was the highest and free; LOCK.2, which it will make, has gone since.
    let lists = 0;
    const racer: Storage = {
      ...storage,
      // Without a lock of the directory, which would keep it from coming so far.
      async holdDirectory(directory) {
        const held = await storage.holdDirectory(directory);
        const list = (path: string) =>
          lists++ === 0 ? Promise.resolve([] as string[]) : held.storage.list(path);
        return { ...heldWith(held, { ...held.storage, list }), lock: () => 'unknown' };
      },
    };
    expect(await rejectionOf(lockDirectory(racer, here.path))).toEqual(keelsonError('KEELSON_LOCKED'));
    expect(lists).toBeGreaterThan(1);
    expect(lockNames()).toEqual(['LOCK.4', 'LOCK.5']);
    for (const lock of owners) await lock.release();
    await (await lockDirectory(storage, here.path)).release();
  });

  test('that goes while it is looked at is looked for again', async () => {
    fs.writeFileSync(here.at('LOCK.1'), lockText(DEAD));
    const faulty = new FaultyStorage();
    faulty.fault = ({ operation }) => {
      if (operation !== 'openFile' || !fs.existsSync(here.at('LOCK.1'))) return null;
      fs.renameSync(here.at('LOCK.1'), here.at('LOCK.2'));
      return null;
    };
    const lock = await lockDirectory(faulty.storage, here.path);
    expect(lockNames()).toContain('LOCK.3');
    await lock.release();
  });

  test('is not lost to a racer whose temporary file a new owner clears away', async () => {
    const faulty = new FaultyStorage();
    let cleared = false;
    faulty.fault = ({ operation }) => {
      if (operation !== 'link' || cleared) return null;
      cleared = true;
      for (const name of lockNames()) fs.rmSync(here.at(name));
      return null;
    };
    const lock = await lockDirectory(faulty.storage, here.path);
    expect(cleared).toBe(true);
    expect(lockNames()).toEqual(['LOCK.1']);
    await lock.release();
  });

  test('clears away what racers that died left behind', async () => {
    fs.writeFileSync(here.at('LOCK.tmp.0123456789abcdef'), lockText(DEAD));
    fs.writeFileSync(here.at('LOCK.backup'), 'not ours');
    const lock = await lockDirectory(storage, here.path);
    expect(lockNames()).toEqual(['LOCK.1', 'LOCK.backup']);
    await lock.release();
  });
});

describe('when the system refuses something while a lock is taken', () => {
  test('nothing stays locked, nothing stays open, and the next try succeeds, whichever call it was', async () => {
    const counting = new FaultyStorage();
    await (await lockDirectory(counting.storage, here.path)).release();
    const callCount = counting.calls.length;
    expect(callCount).toBeGreaterThan(5);
    let refused = 0;
    for (let nth = 0; nth < callCount; nth++) {
      const faulty = new FaultyStorage();
      faulty.failNth(nth, () => true, diskError('KEELSON_NO_SPACE', 'EMFILE', 'open'));
      try {
        await (await lockDirectory(faulty.storage, here.path)).release();
      } catch (error) {
        refused++;
        expect(isKeelsonError(error, 'KEELSON_NO_SPACE'), String(error)).toBe(true);
      }
      expect(openDescriptors(here.path) ?? 0, `after call ${nth}`).toBe(0);
      await (await lockDirectory(storage, here.path)).release();
    }
    expect(refused).toBeGreaterThan(2);
  });

  // The number of a lock that was removed was given out again, and a slow opener took the next one from its second owner.
  test('an open that fails after the lock was taken leaves it released', async () => {
    const faulty = new FaultyStorage();
    let lists = 0;
    faulty.fault = ({ operation }) =>
      operation === 'list' && lists++ === 4 ? diskError('KEELSON_IO', 'EIO', 'readdir') : null;
    expect(await rejectionOf(open(here.path, {}, faulty.storage))).toEqual(keelsonError('KEELSON_IO'));
    expect(lockNames()).toEqual(['LOCK.1']);
    await (await open(here.path)).close();
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });
});
