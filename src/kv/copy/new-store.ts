// Making a whole store out of a content that is at hand, in a directory that is empty: what a backup and a salvage do.
//
// A marker is there, durably, before anything else, and goes when everything else is durable. So at every moment the
// directory holds nothing, or something that every open refuses, or the whole store. The marker names the journal that
// is being made: in a directory that another store has taken meanwhile it says nothing (src/journal/directory/incomplete.ts).

import { isKeelsonError, KeelsonError } from '../../errors.js';
import {
  INCOMPLETE_MARKER,
  incompleteMarker,
  isSegmentName,
  newJournalId,
  writeSealedSegment,
} from '../../journal/internal.js';
import {
  ensureDirectory,
  flushNameOf,
  type HeldDirectory,
  realPathOf,
  type Storage,
} from '../../storage/index.js';
import type { KeyCodec } from '../encoding/key-encoding.js';
import type { Shapes } from '../encoding/shapes.js';
import type { EntriesView } from '../entries/entries.js';
import { imageLsn, isTemporaryImage, publishImage } from '../image/image-files.js';

/** What the new store is to hold. */
export interface StoreContent {
  /** Where its log goes on: no entry has a greater version. */
  readonly lsn: number;
  /** Nobody else's while the store is written. */
  readonly entries: EntriesView;
  readonly keyCodec: KeyCodec<unknown>;
  readonly valueEncodingName: string;
  /** That the values have; null where they can have none. */
  readonly shapes: Shapes | null;
}

export interface NewStorePlan extends StoreContent {
  /** Absolute. Absent, or a directory without a single name in it. */
  readonly directory: string;
  /** The directory of the store that it is made of: nobody may read more in the new one than in that. */
  readonly source: string;
  /** Called now and then; what it throws ends the writing. */
  readonly assertGoingOn: () => void;
  /** Resolves when the content may be in the world: before that nothing of it can be opened. */
  readonly whenAllowed: () => Promise<unknown>;
}

/** Whoever makes it must be able to. Of a source that is gone, only a reader holds what was in it: private then. */
async function permissionsFrom(storage: Storage, source: string): Promise<number | undefined> {
  try {
    const permissions = await storage.permissionsOf(source);
    return permissions === null ? undefined : permissions | PRIVATE;
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return PRIVATE;
    throw error;
  }
}

/** Its owner reads, writes and enters a directory. */
const PRIVATE = 0o700;

/**
 * Writes the store, with a journal id of its own, and returns the bytes of its image. All of it is durable then. Throws
 * KEELSON_EXISTS when the directory is not empty, KEELSON_NOT_A_DIRECTORY, what `assertGoingOn` throws, and what the disk says.
 * After a failure what was made is removed, as far as that is possible; what stays is refused by every open.
 */
export async function writeNewStore(storage: Storage, plan: NewStorePlan): Promise<number> {
  const { directory, source } = plan;
  const permissions = await permissionsFrom(storage, source);
  await ensureDirectory(storage, directory, { create: true, permissions });
  const held = await storage.holdDirectory(directory, permissions);
  try {
    return await writeInto(held, plan, () => assertStillThere(storage, held));
  } finally {
    await held.close();
  }
}

async function writeInto(
  { storage }: HeldDirectory,
  plan: NewStorePlan,
  assertThere: () => void,
): Promise<number> {
  const { directory } = plan;
  refuseNames(await storage.list(directory), directory);
  const marker = `${directory}/${INCOMPLETE_MARKER}`;
  const journalId = newJournalId(storage);
  await makeMarker(storage, directory, marker, journalId);
  let bytesWritten: number;
  try {
    bytesWritten = await writeContent(storage, plan, journalId);
    assertThere();
  } catch (error) {
    await removeAll(storage, directory, marker);
    throw error;
  }
  // From here on nothing is taken back: what is there is whole, whether the marker's removal lasts or not.
  await storage.remove(marker);
  await storage.flushDirectory(directory);
  return bytesWritten;
}

/** Throws KEELSON_NOT_FOUND when the path does not lead to the directory that was written into. */
function assertStillThere(storage: Storage, held: HeldDirectory): void {
  const { path } = held;
  if (storage.identityOf(path) === held.storage.identityOf(path)) return;
  throw new KeelsonError(
    'KEELSON_NOT_FOUND',
    {
      what: `${path} was moved, removed or replaced while a store was written into it`,
      next: 'Write it again',
    },
    { path },
  );
}

/** A copy in the directory that it is to outlive would be lost with it; and a store's directory is the store's alone. */
export function refuseInside(directory: string, source: string): void {
  if (!isInside(directory, source)) return;
  throw new TypeError(`directory: expected one outside of ${source}, got ${directory}`);
}

/** The same where a symbolic link leads into it. */
export async function refuseInsideByLinks(
  storage: Storage,
  directory: string,
  source: string,
): Promise<void> {
  const real = await realPathOf(storage, directory);
  if (!isInside(real, await realPathOf(storage, source))) return;
  throw new TypeError(`directory: expected one outside of ${source}, got ${directory}, which is ${real}`);
}

/** The directory itself is not inside of it: there, writing fails because it is not empty. */
function isInside(directory: string, source: string): boolean {
  return directory !== source && directory.startsWith(source.endsWith('/') ? source : `${source}/`);
}

/** Of all who want to make a store here, one succeeds in making the marker; of an open at the same time, at most one of both. */
async function makeMarker(
  storage: Storage,
  directory: string,
  path: string,
  journalId: Uint8Array,
): Promise<void> {
  const marker = await storage.createFile(path).catch((error) => {
    throw isKeelsonError(error, 'KEELSON_EXISTS') ? notEmpty(directory, INCOMPLETE_MARKER) : error;
  });
  try {
    // An owner makes its lock and then looks for the marker; here it is the other way round. Nothing has been flushed
    // yet: in a directory that turns out to be another one's, we also flush nothing, whose failure would be theirs to meet.
    await assertAlone(storage, directory);
  } catch (error) {
    await storage.remove(path).catch(() => {});
    await marker.close().catch(() => {});
    throw error;
  }
  try {
    try {
      await marker.write(incompleteMarker(journalId), 0);
      await marker.flush();
    } finally {
      await marker.close();
    }
    await flushNameOf(storage, directory);
    await storage.flushDirectory(directory);
  } catch (error) {
    await storage.remove(path).catch(() => {});
    await storage.flushDirectory(directory).catch(() => {});
    throw error;
  }
}

/** Throws KEELSON_EXISTS when anything but the marker is in the directory. */
async function assertAlone(storage: Storage, directory: string): Promise<void> {
  refuseNames(
    (await storage.list(directory)).filter((name) => name !== INCOMPLETE_MARKER),
    directory,
  );
}

async function writeContent(storage: Storage, plan: NewStorePlan, journalId: Uint8Array): Promise<number> {
  const { directory, lsn, entries, keyCodec, valueEncodingName, shapes, assertGoingOn, whenAllowed } = plan;
  const header = {
    journalId,
    lsn,
    entryCount: entries.size,
    keyEncodingName: keyCodec.name,
    valueEncodingName,
  };
  const image = { header, entries, keyCodec, shapes, onBlock: () => assertGoingOn() };
  const bytesWritten = await publishImage(storage, directory, image, async () => {
    await whenAllowed();
    assertGoingOn();
  });
  // It flushes the directory when it is done, and with it the name of the image.
  await writeSealedSegment(storage, { directory, journalId, lsn });
  assertGoingOn();
  return bytesWritten;
}

/** Best effort, and only what we made. The marker goes last, and only when it is durable that nothing else is left. */
async function removeAll(storage: Storage, directory: string, marker: string): Promise<void> {
  try {
    for (const name of await storage.list(directory)) {
      const isOurs = imageLsn(name) !== null || isTemporaryImage(name) || isSegmentName(name);
      if (isOurs) await storage.remove(`${directory}/${name}`);
    }
    await storage.flushDirectory(directory);
    await storage.remove(marker);
    await storage.flushDirectory(directory);
  } catch {
    // The first error is the one to report, and what stays is marked.
  }
}

function refuseNames(names: readonly string[], directory: string): void {
  const [name] = names;
  if (name !== undefined) throw notEmpty(directory, name);
}

function notEmpty(directory: string, name: string): KeelsonError {
  const text = {
    what: `${directory} is not empty: it holds ${name}`,
    next: 'Choose a directory that is empty, or one that is not there yet',
  };
  return new KeelsonError('KEELSON_EXISTS', text, { path: directory });
}
