// The suite that abstract-level publishes for its databases, whole.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { KeelsonLevel, type KeelsonLevelOptions } from '../../src/level/index.js';
import { tapeOn } from './tape.js';

type Suite = (options: { test: unknown; factory: (options?: object) => object }) => void;
const suite: Suite = createRequire(import.meta.url)('abstract-level/test');

/** The number of assertions of the suite in abstract-level 3.1.1. It runs itself a second time on a sublevel. */
const ASSERTIONS = 5168;

/** Registers the tests of the suite for a KeelsonLevel on an engine. */
export function abstractLevelSuite(engine: 'fs' | 'io_uring'): void {
  // The suite compares the options of its databases, so none may say which engine it is.
  process.env['KEELSON_ENGINE'] = engine;
  const folder = mkdtempSync(path.join(tmpdir(), 'keelson-level-'));
  const count = { made: 0 };
  const made: KeelsonLevel[] = [];
  const factory = (options: KeelsonLevelOptions<string, string> = {}) => {
    const db = new KeelsonLevel(path.join(folder, String(made.length)), options);
    made.push(db);
    return db;
  };
  suite({ test: tapeOn(count), factory });

  afterAll(async () => {
    // Not the databases: the suite leaves one in a state in which it cannot be closed, and listeners that assert.
    await Promise.all(made.map((db) => db.store?.close()));
    rmSync(folder, { recursive: true });
  });

  test('the databases are on the engine', async () => {
    const db = factory();
    await db.open();
    expect(db.store?.stats().engine.engine).toBe(engine);
    await db.close();
  });

  test('no assertion is left out', () => {
    expect(count.made).toBe(ASSERTIONS);
  });
}
