// What an owner, and whoever wants to be one, sees of the lock within one process.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lockDirectory } from '../../src/journal/directory/directory-lock.js';
import { open as openStore } from '../../src/kv/index.js';
import { openStoreOn, resolveStoreOptions } from '../../src/kv/internal.js';
import { createFsStorage, type HeldDirectory, type Storage } from '../../src/storage/index.js';
import { heldWith } from '../storage/wrapped-storage.js';
import { keelsonError, open, openDescriptors, rejectionOf, useDirectory } from './helpers.js';

const here = useDirectory();
const storage = createFsStorage();

/** The storage, whose held directories are changed. */
function withHeld(change: (held: HeldDirectory) => Partial<HeldDirectory>): Storage {
  return {
    ...storage,
    async holdDirectory(directory) {
      const held = await storage.holdDirectory(directory);
      return { ...heldWith(held, held.storage), ...change(held) };
    },
  };
}

const withoutFlock = withHeld(() => ({ lock: () => 'unknown', probeLock: () => 'unknown' }));
const withoutProofs = withHeld(() => ({
  lock: () => 'unknown',
  probeLock: () => 'unknown',
  announce: async () => null,
}));

/** Tells when an open has been refused once. */
function onceRefused(): { refused: Promise<void>; on: Storage } {
  let tell = () => {};
  const refused = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const on = withHeld((held) => ({ close: () => held.close().then(tell) }));
  return { refused, on };
}

const liveNames = () => fs.readdirSync(here.path).filter((name) => name.startsWith('LIVE.'));

describe('a second open in one process', () => {
  // A hot reload opened the store that the code before it still had open, and the message spoke of another process.
  test.each([
    ['with every proof', storage],
    ['without a lock of the directory', withoutFlock],
    ['without any proof', withoutProofs],
  ])('%s is told that this process has it open, and what to do', async (_, on) => {
    const journal = await open(here.path, {}, on);
    expect(await rejectionOf(open(here.path, {}, on))).toMatchObject({
      code: 'KEELSON_LOCKED',
      message: expect.stringMatching(
        new RegExp(
          `this process \\(${process.pid}\\) has it open already .*\\. Share .*close it first.*readOnly: true`,
        ),
      ),
    });
    await journal.close();
    await (await open(here.path, {}, on)).close();
  });

  test('waits for the first to close when it is told to', async () => {
    const first = await open(here.path);
    const { refused, on } = onceRefused();
    const second = open(here.path, { waitForLockMs: 60_000 }, on);
    await refused;
    await first.close();
    await (await second).close();
  });

  test('says after its wait that it has waited', async () => {
    const first = await open(here.path);
    const error = await rejectionOf(open(here.path, { waitForLockMs: 1 }));
    expect(error).toMatchObject({
      code: 'KEELSON_LOCKED',
      facts: { path: expect.any(String), owner: expect.any(String) },
      message: expect.stringMatching(
        /this process \(\d+\) has it open already .*, still after a wait of 1 ms\. Share/,
      ),
    });
    await first.close();
  });

  test('of a store waits likewise, and takes no time that is none', async () => {
    const first = await openStore(here.path);
    const { refused, on } = onceRefused();
    const second = openStoreOn(on, here.path, resolveStoreOptions({ waitForLockMs: 60_000 }));
    await refused;
    await first.close();
    await (await second).close();
    expect(await rejectionOf(openStore(here.path, { waitForLockMs: -1 }))).toBeInstanceOf(TypeError);
  });
});

describe('whoever wants the lock', () => {
  test('is not kept from it by one who only looks', async () => {
    const prober = await storage.holdDirectory(here.path);
    let looks = 0;
    const contended = withHeld((held) => ({
      // A prober has the lock, shared, for the first tries.
      lock: () => (looks++ < 5 ? 'held' : held.lock()),
      probeLock: () => 'free',
    }));
    const lock = await lockDirectory(contended, here.path);
    expect(looks).toBe(6);
    await lock.release();
    await prober.close();
  });

  test('is refused by the lock of the directory alone, when no file and no socket is there', async () => {
    const lock = await lockDirectory(storage, here.path);
    if ((await storage.holdDirectory(here.path)).probeLock() === 'unknown') return lock.release();
    for (const name of fs.readdirSync(here.path)) fs.rmSync(here.at(name));
    expect(await rejectionOf(lockDirectory(storage, here.path))).toEqual(keelsonError('KEELSON_LOCKED'));
    await lock.release();
  });

  test('is refused by the socket alone, when the lock file is gone', async () => {
    const lock = await lockDirectory(withoutFlock, here.path);
    fs.rmSync(here.at('LOCK.1'));
    expect(await rejectionOf(lockDirectory(withoutFlock, here.path))).toMatchObject({
      code: 'KEELSON_LOCKED',
      message: expect.stringMatching(
        /just now, or its lock file was removed. Try again; if it stays, find that process/,
      ),
    });
    await lock.release();
  });

  test('that sees a contender in passing looks again', async () => {
    const other = await storage.holdDirectory(here.path);
    const passing = await other.announce('LIVE.0123456789abcdef');
    let probes = 0;
    const looking = withHeld((held) => ({
      lock: () => 'unknown',
      probe: async (name) => {
        if (++probes === 3) await passing!.close();
        return held.probe(name);
      },
    }));
    await (await lockDirectory(looking, here.path)).release();
    expect(probes).toBeGreaterThanOrEqual(3);
    await other.close();
  });

  // Between bind and listen a socket refuses connections, and a new owner takes it for a dead one's.
  test('whose socket was removed before it was the owner makes another', async () => {
    const names: string[] = [];
    const removing = withHeld((held) => ({
      lock: () => 'unknown',
      announce: async (name) => {
        const announcement = await held.announce(name);
        names.push(name);
        if (names.length === 1) fs.rmSync(here.at(name));
        return announcement;
      },
    }));
    const lock = await lockDirectory(removing, here.path);
    expect(names).toHaveLength(2);
    expect(liveNames()).toEqual([names[1]]);
    expect(JSON.parse(fs.readFileSync(here.at('LOCK.2'), 'utf8').slice(5)).live).toBe(names[1]);
    await lock.release();
    expect(liveNames()).toEqual([]);
  });

  // Its file said that it was held, and nothing was left to prove that it was not: whoever came next was locked out.
  test('finds the socket of an owner that could not mark its lock, and it refuses', async () => {
    const failing = withHeld((held) => ({
      lock: () => 'unknown',
      probeLock: () => 'unknown',
      storage: {
        ...held.storage,
        createFile: async (name) => {
          const file = await held.storage.createFile(name);
          let writes = 0;
          const write = file.write.bind(file);
          file.write = async (bytes, position) => {
            if (++writes > 1) throw new Error('no room');
            await write(bytes, position);
          };
          return file;
        },
      },
    }));
    await (await lockDirectory(failing, here.path)).release();
    expect(fs.readFileSync(here.at('LOCK.1'), 'utf8')).toMatch(/^held/);
    expect(liveNames()).toHaveLength(1);
    await (await lockDirectory(withoutFlock, here.path)).release();
    expect(liveNames()).toEqual([]);
  });

  test('clears sockets away that refuse connections, and no others', async () => {
    const other = await storage.holdDirectory(here.path);
    fs.writeFileSync(here.at('LIVE.0000000000000000'), '');
    fs.writeFileSync(here.at('LIVE.of somebody else'), '');
    const lock = await lockDirectory(storage, here.path);
    expect(liveNames()).not.toContain('LIVE.0000000000000000');
    expect(liveNames()).toContain('LIVE.of somebody else');
    await lock.release();
    await other.close();
  });

  test('cannot tell when the socket is gone and nothing else proves anything: labels do not count', async () => {
    const owner = { ...storage.processIdentity, bootId: 'another boot', startTime: '1', flock: false };
    const held = `held ${JSON.stringify({ ...owner, live: 'LIVE.0123456789abcdef' })}\n`;
    fs.writeFileSync(here.at('LOCK.1'), held);
    expect(await rejectionOf(lockDirectory(storage, here.path))).toMatchObject({
      code: 'KEELSON_LOCKED',
      message: expect.stringMatching(/cannot be known.*remove the file/),
      facts: { path: here.at('LOCK.1') },
    });
  });

  test('on a file system without hard links is told so, and what to do', async () => {
    const refusing: Storage = {
      ...storage,
      async holdDirectory(directory) {
        const held = await storage.holdDirectory(directory);
        const link = () =>
          held.storage.link(here.at('absent'), here.at('name')).catch((error) => {
            throw Object.assign(error, { facts: { ...error.facts, errno: 'EPERM' } });
          });
        return heldWith(held, { ...held.storage, link });
      },
    };
    expect(await rejectionOf(open(here.path, {}, refusing))).toMatchObject({
      message: expect.stringMatching(/no hard links.*Put the store on one that has them/),
    });
    expect(fs.readdirSync(here.path)).toEqual([]);
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });
});

describe('a lock that is held', () => {
  test('keeps the directory, the lock file and nothing else open, and gives all of it back', async () => {
    const lock = await lockDirectory(storage, here.path);
    expect(liveNames()).toHaveLength(1);
    expect(openDescriptors(here.path) ?? 2).toBe(2);
    await lock.release();
    expect(liveNames()).toEqual([]);
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });

  test('refuses names, in both forms, once it is lost, and tells once', async () => {
    const lock = await lockDirectory(storage, here.path);
    const told: unknown[] = [];
    lock.onLost((error) => told.push(error));
    await (await lock.storage.createFile(here.at('a'))).close();
    fs.rmSync(here.at('LOCK.1'));
    const [a, b] = [here.at('a'), here.at('b')];
    const lost = keelsonError('KEELSON_LOCK_LOST');
    const owned = lock.storage;
    for (const operation of [
      () => owned.createFile(b),
      () => owned.createLogFile(b),
      () => owned.rename(a, b),
      () => owned.link(a, b),
      () => owned.remove(a),
      () => owned.makeDirectory(b),
    ]) {
      expect(await rejectionOf(operation())).toEqual(lost);
    }
    expect(() => owned.createLogFileSync(b)).toThrow(lost);
    expect(() => owned.renameSync(a, b)).toThrow(lost);
    expect(() => owned.linkSync(a, b)).toThrow(lost);
    expect(() => owned.removeSync(a)).toThrow(lost);
    expect(told).toEqual([lost]);
    // A lock that was lost stays lost, whatever comes back.
    fs.writeFileSync(here.at('LOCK.1'), '');
    expect(await rejectionOf(owned.remove(a))).toEqual(lost);
    await lock.abandon();
    expect(fs.readdirSync(here.path).sort()).toEqual(['LOCK.1', 'a']);
  });

  test('is given up beside a newer one together with its file', async () => {
    const lock = await lockDirectory(storage, here.path);
    fs.writeFileSync(here.at('LOCK.2'), '');
    await lock.abandon();
    expect(fs.readdirSync(here.path)).toEqual(['LOCK.2']);
  });

  test('is given up without the file that another owner has made in its place', async () => {
    const lock = await lockDirectory(storage, here.path);
    fs.rmSync(here.at('LOCK.1'));
    fs.writeFileSync(here.at('LOCK.1'), 'of another owner');
    fs.writeFileSync(here.at('LOCK.2'), '');
    await lock.abandon();
    expect(fs.readdirSync(here.path).sort()).toEqual(['LOCK.1', 'LOCK.2']);
    expect(fs.readFileSync(here.at('LOCK.1'), 'utf8')).toBe('of another owner');
  });
});
