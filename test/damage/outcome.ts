// One case of damage: the damaged store is opened, and what comes of it is judged. Anything but the exact state or a
// typed error with its place throws.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { isKeelsonError, type KeelsonError } from '../../src/errors.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import type { Changes, DamageCase } from './cases.js';
import { DIRECTORY, type Moment, readFiles, type World, wholeStateOf } from './worlds.js';

/** `exact`, `refused` with a code, or one of the two losses that nobody can notice (docs/DURABILITY.md). */
export type Outcome =
  | 'exact'
  | 'exact, by an older image'
  | 'newest commit torn'
  | 'as of an earlier close'
  | `refused ${string}`;

/** How many steps on the disk an opening may take, before it counts as one that never ends. */
const STEPS_MAX = 100_000;

/**
 * Throws when what comes of the damage is neither the exact state nor a typed error with its place. A thorough look
 * also opens it read-only, asks verify(), goes on writing, and makes sure that a refusal changes no file.
 */
export async function outcomeOf(world: World, damage: DamageCase, isThorough = false): Promise<Outcome> {
  const disk = world.disk.processKill(1);
  disk.onBoundary = ({ index }) => assert(index < STEPS_MAX, 'opening comes to no end');
  try {
    const storage = disk.life();
    await applyChanges(storage, damage.changes);
    disk.endLife(storage);
    const outcome = isThorough
      ? await lookThoroughly(world, damage, () => disk.life())
      : await open(world, damage, disk.life(), (store) => store.close());
    assert.deepEqual(disk.openFiles(), []);
    return outcome;
  } catch (error) {
    const what = `${world.name}, case ${damage.number}, ${damage.kind}, ${damage.what}`;
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  } finally {
    disk.halt();
  }
}

async function lookThoroughly(world: World, damage: DamageCase, life: () => Storage): Promise<Outcome> {
  const before = await filesIfReadable(life());
  const isSound = await isSoundByVerify(life());
  const readOnly = await open(world, damage, life(), (store) => store.close(), { readOnly: true });
  assert.deepEqual(await filesIfReadable(life()), before, 'a look changed files');

  const outcome = await open(world, damage, life(), (store) => goOn(world, store, life));
  if (!outcome.startsWith('refused')) assert.equal(readOnly, outcome, 'read-only it is something else');
  else assert.deepEqual(ours(await filesIfReadable(life())), ours(before), 'a refusal changed files');
  if (isSound) assert(!isLoss(outcome), `verify() calls sound what is ${outcome}`);
  return outcome;
}

function isLoss(outcome: Outcome): boolean {
  return outcome === 'as of an earlier close' || outcome === 'refused KEELSON_CORRUPT';
}

async function open(
  world: World,
  damage: DamageCase,
  storage: Storage,
  use: (store: Store<string, unknown>) => Promise<void>,
  options: object = {},
): Promise<Outcome> {
  let store: Store<string, unknown>;
  try {
    store = await world.open(storage, options);
  } catch (error) {
    return `refused ${refusal(error).code}`;
  }
  const outcome = judge(world, damage, store);
  await use(store);
  return outcome;
}

async function applyChanges(storage: Storage, changes: Changes): Promise<void> {
  const names = new Set(await storage.list(DIRECTORY));
  for (const [name, contents] of changes) {
    const path = `${DIRECTORY}/${name}`;
    if (names.has(name)) await storage.remove(path);
    if (contents === 'directory') await storage.makeDirectory(path);
    else if (contents !== null) {
      const file = await storage.createFile(path);
      if (contents.length > 0) await file.write(contents, 0);
      await file.flush();
      await file.close();
    }
  }
  await storage.flushDirectory(DIRECTORY);
}

/** A typed error that says where, or else whatever was thrown, again. */
function refusal(error: unknown): KeelsonError {
  if (!isKeelsonError(error)) throw error;
  const { path, lsn, lsnEnd } = error.facts;
  assert(error.code !== 'KEELSON_INVARIANT', error.message);
  assert(path?.startsWith(DIRECTORY), `${error.code} without a place: ${error.message}`);
  const isRange = lsn !== undefined && lsnEnd !== undefined;
  assert(path !== DIRECTORY || isRange, `${error.code} names no file and no records: ${error.message}`);
  return error;
}

function judge(world: World, damage: DamageCase, store: Store<string, unknown>): Outcome {
  const found: Moment = { lsn: store.lastLsn, state: wholeStateOf(store) };
  const { imageLsn, damagedImages } = store.recovery;
  if (isDeepStrictEqual(found, world.now)) {
    assertSkippedImagesAreTold(world, damage, imageLsn ?? 0, damagedImages);
    return damagedImages.length === 0 ? 'exact' : 'exact, by an older image';
  }
  // Not even that something was torn can be said where zeros stand: there, nothing was ever written.
  if (world.beforeNewestCommit !== null && isDeepStrictEqual(found, world.beforeNewestCommit))
    return 'newest commit torn';
  if (isRemovalOfLastLife(damage) && world.earlierEnds.some((end) => isDeepStrictEqual(found, end)))
    return 'as of an earlier close';
  throw new assert.AssertionError({
    message: `silent loss: ${keysIn(found)} keys at LSN ${found.lsn}, instead of ${keysIn(world.now)} at ${world.now.lsn}; ${JSON.stringify(store.recovery)}`,
  });
}

function keysIn({ state }: Moment): number {
  return state.reduce((sum, [, entries]) => sum + entries.length, 0);
}

/** Nobody can know of a segment that was removed whole, when what remains ends well. */
function isRemovalOfLastLife({ changes }: DamageCase): boolean {
  return [...changes].some(([name, contents]) => name.endsWith('.journal') && contents === null);
}

function assertSkippedImagesAreTold(
  world: World,
  { changes }: DamageCase,
  imageLsn: number,
  damagedImages: readonly KeelsonError[],
): void {
  const names = new Set([...world.files.keys(), ...changes.keys()]);
  for (const name of names) {
    const lsn = /^\d{16}\.image$/.test(name) ? Number.parseFloat(name) : 0;
    const isImage = lsn > imageLsn && Number.isSafeInteger(lsn);
    if (!isImage || changes.get(name) === null || changes.get(name) === 'directory') continue;
    const isTold = damagedImages.some(({ facts }) => facts.path === `${DIRECTORY}/${name}`);
    assert(isTold, `${name} was passed over, and recovery does not say so`);
  }
}

/** What was found stays found; what is written now is there afterwards, too. */
async function goOn(world: World, store: Store<string, unknown>, life: () => Storage): Promise<void> {
  const found = { lsn: store.lastLsn, state: wholeStateOf(store) };
  await store.close();
  const again = await world.open(life());
  assert.deepEqual({ lsn: again.lastLsn, state: wholeStateOf(again) }, found, 'opened again it is another');
  await again.put('new', 'x'.repeat(700));
  await again.checkpoint();
  await again.put('newer', 1);
  const written = { lsn: again.lastLsn, state: wholeStateOf(again) };
  await again.close();
  const last = await world.open(life());
  assert.deepEqual(
    { lsn: last.lastLsn, state: wholeStateOf(last) },
    written,
    'what was written is not there',
  );
  await last.close();
}

/** Null where a name is that of a directory. */
async function filesIfReadable(storage: Storage): Promise<Map<string, Uint8Array> | null> {
  return readFiles(storage).catch(() => null);
}

/** Without the locks and what was never finished: an open that is refused may clear those away. */
function ours(files: ReadonlyMap<string, Uint8Array> | null): [string, Uint8Array][] {
  return [...(files ?? [])].filter(([name]) => !/^(LOCK|LIVE)\./.test(name) && !name.endsWith('.tmp'));
}

async function isSoundByVerify(storage: Storage): Promise<boolean> {
  try {
    return (await verifyOn(storage, DIRECTORY)).ok;
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    return false;
  }
}
