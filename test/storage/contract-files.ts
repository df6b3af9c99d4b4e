// The part of the storage contract about plain files.

import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import {
  BIG_BYTES,
  expectCode,
  expectSameBytes,
  type MakeEnvironment,
  patternBytes,
  readBack,
  rejectionOf,
  useEnvironment,
} from './contract-tools.js';

export function filesContract(name: string, makeEnvironment: MakeEnvironment): void {
  describe(`${name}: files`, () => {
    const here = useEnvironment(makeEnvironment);

    test('a file is created empty, for reading and writing', async () => {
      const file = await here.storage.createFile(here.at('file'));
      expect(file.path).toBe(here.at('file'));
      expect(await file.size()).toBe(0);
      await file.write(Buffer.from('written'), 0);
      expect(Buffer.from(await readBack(file, 7, 0)).toString()).toBe('written');
      await file.close();
    });

    test('every form of creating refuses a name that is taken, and leaves what has it', async () => {
      await here.writeFile(here.at('file'), 'kept');
      await expectCode(here.storage.createFile(here.at('file')), 'KEELSON_EXISTS');
      await expectCode(here.storage.createLogFile(here.at('file')), 'KEELSON_EXISTS');
      expect(() => here.storage.createLogFileSync(here.at('file'))).toThrow(
        expect.objectContaining({ code: 'KEELSON_EXISTS' }),
      );
      expect(await here.readText(here.at('file'))).toBe('kept');
    });

    test('of many creations racing for one name exactly one wins', async () => {
      const attempts = Array.from({ length: 8 }, () => here.storage.createFile(here.at('file')));
      const results = await Promise.allSettled(attempts);
      const created = results.filter((result) => result.status === 'fulfilled');
      expect(created).toHaveLength(1);
      await created[0]!.value.close();
    });

    test('every form of creating refuses a directory that is absent', async () => {
      await expectCode(here.storage.createFile(here.at('absent', 'file')), 'KEELSON_NOT_FOUND');
      await expectCode(here.storage.createLogFile(here.at('absent', 'file')), 'KEELSON_NOT_FOUND');
      expect(() => here.storage.createLogFileSync(here.at('absent', 'file'))).toThrow(
        expect.objectContaining({ code: 'KEELSON_NOT_FOUND' }),
      );
    });

    test('opening what is absent is refused, and creates nothing', async () => {
      await expectCode(here.storage.openFile(here.at('absent'), false), 'KEELSON_NOT_FOUND');
      await expectCode(here.storage.openFile(here.at('absent'), true), 'KEELSON_NOT_FOUND');
      await expectCode(here.storage.openLogFile(here.at('absent')), 'KEELSON_NOT_FOUND');
      expect(() => here.storage.openLogFileSync(here.at('absent'))).toThrow(
        expect.objectContaining({ code: 'KEELSON_NOT_FOUND' }),
      );
      expect(await here.storage.kind(here.at('absent'))).toBe('absent');
    });

    test('a file opened for reading refuses to be written', async () => {
      await here.writeFile(here.at('file'), 'kept');
      const file = await here.storage.openFile(here.at('file'), false);
      expect(isKeelsonError(await rejectionOf(file.write(Buffer.from('lost'), 0)))).toBe(true);
      await file.close();
      expect(await here.readText(here.at('file'))).toBe('kept');
    });

    test('a file opened for writing is changed in place', async () => {
      await here.writeFile(here.at('file'), 'abcdef');
      const file = await here.storage.openFile(here.at('file'), true);
      await file.write(Buffer.from('XY'), 2);
      await file.close();
      expect(await here.readText(here.at('file'))).toBe('abXYef');
    });

    test('a read that crosses the end returns what there is', async () => {
      await here.writeFile(here.at('file'), 'abcdef');
      const file = await here.storage.openFile(here.at('file'), false);
      const into = new Uint8Array(10).fill(0x2e);
      expect(await file.read(into, 4)).toBe(2);
      expect(Buffer.from(into).toString()).toBe('ef........');
      await file.close();
    });

    test('a read at the end, behind it, or of nothing returns 0', async () => {
      await here.writeFile(here.at('file'), 'abcdef');
      const file = await here.storage.openFile(here.at('file'), false);
      const into = new Uint8Array(4).fill(0x2e);
      expect(await file.read(into, 6)).toBe(0);
      expect(await file.read(into, 6000)).toBe(0);
      expect(await file.read(new Uint8Array(0), 0)).toBe(0);
      expect(Buffer.from(into).toString()).toBe('....');
      await file.close();
    });

    test('a read fills a part of an allocation and nothing beside it', async () => {
      await here.writeFile(here.at('file'), 'abcdef');
      const file = await here.storage.openFile(here.at('file'), false);
      const whole = new Uint8Array(6).fill(0x2e);
      expect(await file.read(whole.subarray(2, 4), 1)).toBe(2);
      expect(Buffer.from(whole).toString()).toBe('..bc..');
      await file.close();
    });

    test('a gap that a write leaves before it reads as zeros', async () => {
      const file = await here.storage.createFile(here.at('file'));
      await file.write(Buffer.from('end'), 5000);
      expect(await file.size()).toBe(5003);
      expectSameBytes(await readBack(file, 5000, 0), new Uint8Array(5000));
      await file.close();
    });

    test('a write of nothing changes nothing', async () => {
      const file = await here.storage.createFile(here.at('file'));
      await file.write(new Uint8Array(0), 100);
      expect(await file.size()).toBe(0);
      await file.close();
    });

    test('several MiB are written and read in one call each', async () => {
      const bytes = patternBytes(here.storage, BIG_BYTES, 1);
      const file = await here.storage.createFile(here.at('file'));
      await file.write(bytes, 3);
      await file.flush();
      expect(await file.size()).toBe(BIG_BYTES + 3);
      expectSameBytes(await readBack(file, BIG_BYTES, 3), bytes);
      await file.close();
    });

    test('writes under way at the same time all land', async () => {
      const file = await here.storage.createFile(here.at('file'));
      const parts = Array.from({ length: 20 }, (_, index) => patternBytes(here.storage, 3000, index));
      await Promise.all(parts.map((part, index) => file.write(part, index * 3000)));
      for (const [index, part] of parts.entries()) {
        expectSameBytes(await readBack(file, 3000, index * 3000), part);
      }
      await file.close();
    });

    test('close waits for what is under way', async () => {
      const bytes = patternBytes(here.storage, BIG_BYTES, 2);
      const file = await here.storage.createFile(here.at('file'));
      const order: string[] = [];
      const writing = file.write(bytes, 0).then(() => order.push('written'));
      const closing = file.close().then(() => order.push('closed'));
      await Promise.all([writing, closing]);
      expect(order).toEqual(['written', 'closed']);
      const reopened = await here.storage.openFile(here.at('file'), false);
      expectSameBytes(await readBack(reopened, BIG_BYTES, 0), bytes);
      await reopened.close();
    });

    test('closing again, at the same time or later, does nothing more', async () => {
      const file = await here.storage.createFile(here.at('file'));
      await Promise.all([file.close(), file.close()]);
      await expect(file.close()).resolves.toBeUndefined();
    });

    test('a closed file refuses everything but closing', async () => {
      const file = await here.storage.createFile(here.at('file'));
      await file.close();
      await expectCode(file.size(), 'KEELSON_INVARIANT');
      await expectCode(file.read(new Uint8Array(1), 0), 'KEELSON_INVARIANT');
      await expectCode(file.write(new Uint8Array(1), 0), 'KEELSON_INVARIANT');
      await expectCode(file.flush(), 'KEELSON_INVARIANT');
    });
  });
}
