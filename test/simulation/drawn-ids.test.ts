// A crash at any boundary of a store that draws ids: an id that was drawn before the last record that is found never
// comes again.

import assert from 'node:assert/strict';
import { expect, it } from 'vitest';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { tries } from '../counts.js';
import { type OpenedStore, openWithSchema } from '../kv/opened-schema.js';
import { STORE_DIRECTORY, type StoreFact, StoreLife, TINY_JOURNAL } from './store-workload.js';

const STEPS = 40;
const STATES = 700;

type Fact = StoreFact | { readonly type: 'drew'; readonly id: number };

/** Opens a store with tiny files, and notes how far it has come. */
async function openNoted(storage: Storage, record: (fact: Fact) => void): Promise<OpenedStore> {
  const opened = await openWithSchema(storage, STORE_DIRECTORY, {}, TINY_JOURNAL);
  record({ type: 'opened', lsn: opened.store.lastLsn });
  return opened;
}

/** Returns the highest id that was drawn before the last record up to `lsn`. */
function highestBefore(lsn: number, facts: readonly Fact[]): number {
  let drawn = 0;
  let records: { readonly lsn: number; readonly drawn: number }[] = [];
  for (const fact of facts) {
    if (fact.type === 'drew') drawn = Math.max(drawn, fact.id);
    else if (fact.type === 'opened') {
      // Later records are lost, and their ids may have come again.
      records = records.filter((each) => each.lsn <= fact.lsn);
      drawn = records.at(-1)?.drawn ?? 0;
    } else if (fact.type === 'wrote' && fact.lsn > (records.at(-1)?.lsn ?? 0))
      records.push({ lsn: fact.lsn, drawn });
  }
  return records.findLast((each) => each.lsn <= lsn)?.drawn ?? 0;
}

it.each([...[1, 2, 3].slice(0, tries(1, 3)), Date.now() % 1_000_000])(
  'ids that were drawn before the last record never come again (seed %i)',
  { timeout: 120_000 },
  async (seed) => {
    let highest = 0;
    await exploreCrashes<Fact, { readonly lsn: number; readonly next: number }>({
      seed,
      statesMax: STATES,
      disk: { directories: ['/data'] },
      nestedDepth: 1,
      workload: async (storage, record) => {
        const random = new Random(seed);
        const life = new StoreLife(random, record);
        const { store, schema } = await openNoted(storage, record);
        for (let number = 0; number < STEPS; number++) {
          for (let left = random.below(3); left > 0; left--) record({ type: 'drew', id: schema.nextId() });
          await life.step(store, number);
        }
        await store.close();
        await life.settled();
      },
      recover: async (storage, record) => {
        const { store, schema } = await openNoted(storage, record);
        const found = { lsn: store.lastLsn, next: schema.nextId() };
        record({ type: 'drew', id: found.next });
        await new StoreLife(new Random(seed), record).wrote(store, store.put('drawn', found.next));
        await store.close();
        return found;
      },
      verify: ({ lsn, next }, facts) => {
        const before = facts.slice(
          0,
          facts.findLastIndex((fact) => fact.type === 'opened'),
        );
        const drawn = highestBefore(lsn, before);
        assert(next > drawn, `${drawn} was drawn before the record at ${lsn}, and then ${next}`);
        highest = Math.max(highest, drawn);
      },
    });
    expect(highest).toBeGreaterThan(STEPS / 2);
  },
);
