// The part of the storage contract about names and directories.

import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { expectCode, type MakeEnvironment, readBack, rejectionOf, useEnvironment } from './contract-tools.js';

export function namesContract(name: string, makeEnvironment: MakeEnvironment): void {
  describe(`${name}: names and directories`, () => {
    const here = useEnvironment(makeEnvironment);

    test('a path is of the kind of what is there', async () => {
      await here.writeFile(here.at('file'), '');
      expect(await here.storage.kind(here.directory)).toBe('directory');
      expect(await here.storage.kind(here.at('file'))).toBe('file');
      expect(await here.storage.kind(here.at('nothing'))).toBe('absent');
      expect(await here.storage.kind(here.at('nothing', 'below'))).toBe('absent');
    });

    test('a path below a file is absent', async () => {
      await here.writeFile(here.at('file'), '');
      expect(await here.storage.kind(here.at('file', 'below'))).toBe('absent');
    });

    test('the real path of what is there is that of the same, and its own', async () => {
      await here.writeFile(here.at('file'), '');
      const real = await here.storage.realPath(here.at('file'));
      expect(await here.storage.kind(real)).toBe('file');
      expect(await here.storage.realPath(real)).toBe(real);
    });

    test('making a directory says whether it made one', async () => {
      expect(await here.storage.makeDirectory(here.at('made'))).toBe(true);
      expect(await here.storage.kind(here.at('made'))).toBe('directory');
      expect(await here.storage.makeDirectory(here.at('made'))).toBe(false);
    });

    test('making a directory makes one level only', async () => {
      await expectCode(here.storage.makeDirectory(here.at('absent', 'made')), 'KEELSON_NOT_FOUND');
      expect(await here.storage.kind(here.at('absent'))).toBe('absent');
    });

    test('making a directory where a file is, is refused and leaves the file', async () => {
      await here.writeFile(here.at('file'), 'kept');
      await expectCode(here.storage.makeDirectory(here.at('file')), 'KEELSON_NOT_A_DIRECTORY');
      expect(await here.readText(here.at('file'))).toBe('kept');
    });

    test('listing gives each name in the directory once, and none from below', async () => {
      await here.storage.makeDirectory(here.at('directory'));
      await here.writeFile(here.at('directory', 'inner'), '');
      await here.writeFile(here.at('file'), '');
      expect((await here.storage.list(here.directory)).sort()).toEqual(['directory', 'file']);
      expect(await here.storage.list(here.at('directory'))).toEqual(['inner']);
    });

    test('an empty directory lists no names', async () => {
      expect(await here.storage.list(here.directory)).toEqual([]);
    });

    test('listing what is not a directory is refused', async () => {
      await here.writeFile(here.at('file'), '');
      await expectCode(here.storage.list(here.at('file')), 'KEELSON_NOT_A_DIRECTORY');
      await expectCode(here.storage.list(here.at('absent')), 'KEELSON_NOT_FOUND');
    });

    test('a rename moves the contents to the new name', async () => {
      await here.writeFile(here.at('old'), 'contents');
      await here.storage.rename(here.at('old'), here.at('new'));
      expect(await here.storage.list(here.directory)).toEqual(['new']);
      expect(await here.readText(here.at('new'))).toBe('contents');
    });

    test('a rename replaces what has the new name', async () => {
      await here.writeFile(here.at('from'), 'winner');
      await here.writeFile(here.at('to'), 'replaced');
      await here.storage.rename(here.at('from'), here.at('to'));
      expect(await here.storage.list(here.directory)).toEqual(['to']);
      expect(await here.readText(here.at('to'))).toBe('winner');
    });

    test('the blocking rename does what the other one does', async () => {
      await here.writeFile(here.at('from'), 'winner');
      await here.writeFile(here.at('to'), 'replaced');
      here.storage.renameSync(here.at('from'), here.at('to'));
      expect(await here.storage.list(here.directory)).toEqual(['to']);
      expect(await here.readText(here.at('to'))).toBe('winner');
    });

    test('a rename of what is absent is refused, in both forms', async () => {
      await expectCode(here.storage.rename(here.at('absent'), here.at('to')), 'KEELSON_NOT_FOUND');
      expect(() => here.storage.renameSync(here.at('absent'), here.at('to'))).toThrow(
        expect.objectContaining({ code: 'KEELSON_NOT_FOUND' }),
      );
      expect(await here.storage.list(here.directory)).toEqual([]);
    });

    test('an open file follows its rename', async () => {
      const file = await here.storage.createFile(here.at('old'));
      await here.storage.rename(here.at('old'), here.at('new'));
      await file.write(Buffer.from('later'), 0);
      await file.close();
      expect(await here.readText(here.at('new'))).toBe('later');
    });

    test('a link is a second name of the same file', async () => {
      await here.writeFile(here.at('first'), 'shared');
      await here.storage.link(here.at('first'), here.at('second'));
      await here.storage.remove(here.at('first'));
      expect(await here.readText(here.at('second'))).toBe('shared');
    });

    test('a link to a name that is taken is refused and replaces nothing', async () => {
      await here.writeFile(here.at('first'), 'first');
      await here.writeFile(here.at('taken'), 'taken');
      await expectCode(here.storage.link(here.at('first'), here.at('taken')), 'KEELSON_EXISTS');
      expect(await here.readText(here.at('taken'))).toBe('taken');
    });

    test('of many links racing for one name exactly one wins', async () => {
      const racers = Array.from({ length: 16 }, (_, index) => `racer-${index}`);
      for (const racer of racers) await here.writeFile(here.at(racer), racer);
      const results = await Promise.allSettled(
        racers.map((racer) => here.storage.link(here.at(racer), here.at('prize'))),
      );
      const winners = racers.filter((_, index) => results[index]!.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      expect(await here.readText(here.at('prize'))).toBe(winners[0]);
      const losses = results.filter((result) => result.status === 'rejected');
      expect(losses.every((loss) => isKeelsonError(loss.reason, 'KEELSON_EXISTS'))).toBe(true);
    });

    test('a link to what is absent is refused', async () => {
      await expectCode(here.storage.link(here.at('absent'), here.at('name')), 'KEELSON_NOT_FOUND');
    });

    test('a removed file is absent, in both forms', async () => {
      await here.writeFile(here.at('one'), '');
      await here.writeFile(here.at('two'), '');
      await here.storage.remove(here.at('one'));
      here.storage.removeSync(here.at('two'));
      expect(await here.storage.list(here.directory)).toEqual([]);
    });

    test('removing what is absent is refused, in both forms', async () => {
      await expectCode(here.storage.remove(here.at('absent')), 'KEELSON_NOT_FOUND');
      expect(() => here.storage.removeSync(here.at('absent'))).toThrow(
        expect.objectContaining({ code: 'KEELSON_NOT_FOUND' }),
      );
    });

    test('a removed file can be read by who has it open', async () => {
      await here.writeFile(here.at('file'), 'still here');
      const file = await here.storage.openFile(here.at('file'), false);
      await here.storage.remove(here.at('file'));
      expect(Buffer.from(await readBack(file, 10, 0)).toString()).toBe('still here');
      await file.close();
    });

    test('a directory is flushed in both forms, and an absent one is refused in both', async () => {
      await here.writeFile(here.at('file'), '');
      await expect(here.storage.flushDirectory(here.directory)).resolves.toBeUndefined();
      expect(here.storage.flushDirectorySync(here.directory)).toBeUndefined();
      await expectCode(here.storage.flushDirectory(here.at('absent')), 'KEELSON_NOT_FOUND');
      expect(() => here.storage.flushDirectorySync(here.at('absent'))).toThrow(
        expect.objectContaining({ code: 'KEELSON_NOT_FOUND' }),
      );
    });

    test('an error names the path', async () => {
      expect(await rejectionOf(here.storage.list(here.at('absent')))).toMatchObject({
        facts: { path: here.at('absent'), errno: 'ENOENT' },
      });
    });
  });
}
