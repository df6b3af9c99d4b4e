// The suite that abstract-level publishes for its databases, whole, on each engine. Its tests wait for the disk most of the
// time, so the engines, and in each of them the database and the sublevel, take turns in one process.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { KeelsonLevel, type KeelsonLevelOpenOptions } from '../../src/level/index.js';
import { whyNoIoUring } from '../native/native-tools.js';
import { passesOf } from './tape.js';

type Suite = (options: { test: unknown; factory: (options?: object) => object }) => void;

const require = createRequire(import.meta.url);

/** Returns the suite in modules of its own. The tests in one module share a database. */
function newSuite(): Suite {
  const modules = path.dirname(require.resolve('abstract-level/test'));
  for (const name of Object.keys(require.cache)) if (name.startsWith(modules)) delete require.cache[name];
  return require('abstract-level/test');
}

/** The number of assertions of the suite in abstract-level 3.1.1. */
const ASSERTIONS = 5168;

const whyNo = whyNoIoUring();

const ENGINES: readonly (readonly ['fs' | 'io_uring', string | null])[] = [
  ['fs', null],
  ['io_uring', whyNo],
];

for (const [engine, why] of ENGINES) {
  const name = `the suite of abstract-level, on ${engine}${why === null ? '' : ` (skipped: ${why})`}`;
  describe.skipIf(why !== null)(name, { concurrent: true }, () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'keelson-level-'));
    const made: KeelsonLevel[] = [];
    const count = { made: 0 };

    /** A database on the engine. The suite compares the options of its databases, so none may say which engine it is. */
    class EngineLevel extends KeelsonLevel {
      override _open(options: KeelsonLevelOpenOptions): Promise<void> {
        return super._open({ ...options, engine });
      }
    }

    const factory = (options: object = {}) => {
      const db = new EngineLevel(path.join(folder, String(made.length)), options);
      made.push(db);
      return db;
    };

    // The suite registers itself a second time, on a sublevel.
    for (const [pass, on] of ['a database', 'a sublevel'].entries()) {
      describe(`with ${on}`, () => {
        const suite = newSuite();
        const passes = passesOf(count, (register) => suite({ test: register, factory }));
        for (const { name, run } of passes[pass]!) test.sequential(name, run);
      });
    }

    afterAll(async () => {
      // Not the databases: the suite leaves one in a state in which it cannot be closed, and listeners that assert.
      await Promise.all(made.map((db) => db.store?.close()));
      rmSync(folder, { recursive: true });
    });

    test.sequential('the databases are on the engine', async () => {
      const db = factory();
      await db.open();
      expect(db.store?.stats().engine.engine).toBe(engine);
      await db.close();
    });

    test.sequential('no assertion is left out', () => {
      expect(count.made).toBe(ASSERTIONS);
    });
  });
}
