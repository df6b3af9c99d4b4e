// The contract of a directory that is held: it stays the same one, and what shows that its owner lives ends with it.

import { describe, expect, test } from 'vitest';
import { expectCode, type MakeEnvironment, useEnvironment } from './contract-tools.js';

export function heldContract(name: string, makeEnvironment: MakeEnvironment): void {
  describe(`${name}: a held directory`, () => {
    const here = useEnvironment(makeEnvironment);

    const makeHeld = async () => {
      await here.storage.makeDirectory(here.at('held'));
      return here.storage.holdDirectory(here.at('held'));
    };

    // A store's directory was renamed while it was open, and its next file landed in the one that was made at its path.
    test('stays the one it was when it is moved and another takes its path, in both forms of every operation', async () => {
      const held = await makeHeld();
      const { storage } = held;
      await here.writeFile(here.at('held', 'before'), 'held');
      await here.storage.rename(here.at('held'), here.at('moved'));
      await here.storage.makeDirectory(here.at('held'));
      await (await storage.createFile(here.at('held', 'a'))).close();
      await (await storage.createLogFile(here.at('held', 'b'))).close();
      await storage.createLogFileSync(here.at('held', 'c')).close();
      await storage.rename(here.at('held', 'a'), here.at('held', 'd'));
      storage.renameSync(here.at('held', 'b'), here.at('held', 'e'));
      await storage.link(here.at('held', 'd'), here.at('held', 'f'));
      storage.linkSync(here.at('held', 'e'), here.at('held', 'g'));
      await storage.remove(here.at('held', 'd'));
      storage.removeSync(here.at('held', 'e'));
      await (await storage.openLogFile(here.at('held', 'f'))).close();
      await storage.openLogFileSync(here.at('held', 'g')).close();
      await storage.flushDirectory(here.at('held'));
      storage.flushDirectorySync(here.at('held'));
      expect(await storage.kind(here.at('held', 'before'))).toBe('file');
      expect(await here.storage.list(here.at('held'))).toEqual([]);
      expect((await here.storage.list(here.at('moved'))).sort()).toEqual(['before', 'c', 'f', 'g']);
      expect((await storage.list(here.at('held'))).sort()).toEqual(['before', 'c', 'f', 'g']);
      await held.close();
    });

    test('shows the path that it was asked for, in files and in errors', async () => {
      const held = await makeHeld();
      const file = await held.storage.createFile(here.at('held', 'file'));
      expect(file.path).toBe(here.at('held', 'file'));
      await file.close();
      await expect(held.storage.openFile(here.at('held', 'absent'), false)).rejects.toMatchObject({
        code: 'KEELSON_NOT_FOUND',
        message: expect.stringContaining(here.at('held', 'absent')),
        facts: { path: here.at('held', 'absent') },
      });
      await expectCode(held.storage.createFile(here.at('held', 'file')), 'KEELSON_EXISTS');
      await held.close();
    });

    test('that is absent, or a file, is refused', async () => {
      await here.writeFile(here.at('file'), '');
      await expectCode(here.storage.holdDirectory(here.at('absent')), 'KEELSON_NOT_FOUND');
      await expectCode(here.storage.holdDirectory(here.at('file')), 'KEELSON_NOT_A_DIRECTORY');
    });

    test('has no other owner while it is locked, and whoever only looks is not in the way of others who look', async () => {
      const [one, two] = [await makeHeld(), await here.storage.holdDirectory(here.at('held'))];
      expect(one.probeLock()).not.toBe('held');
      expect(two.probeLock()).toBe(one.probeLock());
      const locked = one.lock();
      if (locked === 'unknown') return;
      expect(locked).toBe('locked');
      expect(two.lock()).toBe('held');
      expect(two.probeLock()).toBe('held');
      await one.close();
      expect(two.probeLock()).toBe('free');
      expect(two.lock()).toBe('locked');
      await two.close();
    });

    test('shows who lives: an announcement is live until it is closed, and gone then', async () => {
      const [one, two] = [await makeHeld(), await here.storage.holdDirectory(here.at('held'))];
      const announcement = await one.announce('LIVE.1');
      expect(announcement).not.toBeNull();
      expect(await two.probe('LIVE.1')).toBe('live');
      expect(await two.probe('LIVE.2')).toBe('unknown');
      await announcement!.close();
      expect(await two.storage.list(here.at('held'))).toEqual([]);
      expect(await two.probe('LIVE.1')).toBe('unknown');
      await one.close();
      await two.close();
    });

    test('ends its announcements when it is closed, by the names of the directory that it held', async () => {
      const held = await makeHeld();
      await held.announce('LIVE.1');
      await here.storage.rename(here.at('held'), here.at('moved'));
      await here.storage.makeDirectory(here.at('held'));
      await here.writeFile(here.at('held', 'LIVE.1'), "another store's");
      await held.close();
      expect(await here.storage.list(here.at('moved'))).toEqual([]);
      expect(await here.readText(here.at('held', 'LIVE.1'))).toBe("another store's");
    });

    test('a file that nobody listens at is dead', async () => {
      const held = await makeHeld();
      await here.writeFile(here.at('held', 'LIVE.1'), '');
      expect(await held.probe('LIVE.1')).toBe('dead');
      await held.close();
    });

    test('names have identities: two names of one file have one, a file that replaces it another', async () => {
      const held = await makeHeld();
      const { storage } = held;
      const [a, b] = [here.at('held', 'a'), here.at('held', 'b')];
      const file = await storage.createFile(a);
      await storage.link(a, b);
      expect(storage.identityOf(a)).not.toBeNull();
      expect(storage.identityOf(b)).toBe(storage.identityOf(a));
      expect(storage.identityOf(here.at('held', 'absent'))).toBeNull();
      await storage.remove(a);
      await here.writeFile(a, '');
      expect(storage.identityOf(a)).not.toBe(storage.identityOf(b));
      await file.close();
      await held.close();
    });
  });
}
