// A store at the end of its log: every LSN up to 2^53 − 1 is exact, and what would go beyond is refused.

import { describe, expect, test } from 'vitest';
import { writeNewStore } from '../../src/kv/copy/new-store.js';
import { utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Store } from '../../src/kv/store.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';
import { newSchema } from './schema-tools.js';

const LAST = Number.MAX_SAFE_INTEGER;
/** A frame, a record's kind, an opcode, two lengths, a key and a value of one byte each. */
const PUT_BYTES = 12 + 6;

async function storeAt(
  lsn: number,
): Promise<{ disk: SimulatedDisk; open: () => Promise<Store<string, string>> }> {
  const disk = new SimulatedDisk({ seed: 1 });
  const storage = disk.life();
  const schema = newSchema(utf8KeyCodec, 'utf8');
  await writeNewStore(storage, {
    directory: '/s',
    source: '/s',
    schema,
    view: schema.wholeView(lsn),
    markOfBackup: null,
    assertGoingOn: () => {},
    whenAllowed: async () => {},
  });
  const options = resolveStoreOptions({ valueEncoding: 'utf8' });
  return { disk, open: async () => (await openStoreOn(storage, '/s', options)) as Store<string, string> };
}

describe('a store near LSN 2^53 − 1', () => {
  test.each([0, 1, 2, 3])(
    'writes up to the last one exactly, when %i are left over, and no further',
    async (left) => {
      const { disk, open } = await storeAt(LAST - left - 3 * PUT_BYTES);
      const db = await open();
      const lsns = await Promise.all([db.put('a', '1'), db.put('b', '2'), db.put('c', '3')]);
      expect(lsns).toEqual([2, 1, 0].map((after) => LAST - left - after * PUT_BYTES));
      expect(() => db.put('d', '4')).toThrow(
        expect.objectContaining({
          code: 'KEELSON_EXHAUSTED',
          message: expect.stringMatching(
            `^/s: the log has reached LSN ${LAST - left}, and positions end at 9007199254740991; nothing was changed`,
          ),
          facts: { path: '/s', lsn: LAST - left },
        }),
      );
      expect(() => db.delete('a')).toThrow(expect.objectContaining({ code: 'KEELSON_EXHAUSTED' }));
      expect(db.size).toBe(3);
      expect(db.getEntry('b')).toEqual({ value: '2', version: LAST - left - PUT_BYTES });
      expect([db.lastLsn, db.durableLsn, await db.flush(LAST - left)]).toEqual([
        LAST - left,
        LAST - left,
        LAST - left,
      ]);
      expect(() => db.flush(LAST - left + 1)).toThrow(RangeError);
      await db.close();

      const again = await open();
      expect(again.lastLsn).toBe(LAST - left);
      expect([...again.keys()].map((key) => again.getEntry(key)!.version)).toEqual(lsns);
      expect(await again.checkpoint()).toMatchObject({ lsn: LAST - left });
      expect(await again.backup('/backup')).toMatchObject({ lsn: LAST - left });
      await again.close();
      const third = await open();
      expect([...third.keys()].map((key) => third.getEntry(key)!.version)).toEqual(lsns);
      expect(() => third.put('d', '4')).toThrow(expect.objectContaining({ code: 'KEELSON_EXHAUSTED' }));
      await third.close();
      const storage = disk.life();
      expect(await verifyOn(storage, '/s')).toMatchObject({ ok: true, lastLsn: LAST - left });
      expect(await salvageOn(storage, '/backup', '/out')).toMatchObject({
        lsn: LAST - left,
        entries: 3,
        missing: [],
      });
    },
  );
});
