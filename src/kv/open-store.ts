// Opens a store: loads the newest whole image, and replays the records of the log after it.

import { isKeelsonError, KeelsonError, whatHappened } from '../errors.js';
import {
  absoluteDirectory,
  type DirectoryLock,
  inspectJournal,
  type JournalRecovery,
  type LocalLog,
  lockDirectory,
  type OnScan,
  openLockedJournal,
  openReadOnlyJournal,
  type RecoveryAnchor,
  type ResolvedJournalOptions,
  resolveJournalOptions,
} from '../journal/internal.js';
import { nextTurn } from '../schedulers.js';
import { ensureDirectory, openStorage, RECORD_BYTES_MAX, type Storage } from '../storage/index.js';
import { resolveKeyEncoding } from './encoding/key-encoding.js';
import { resolveValueEncoding } from './encoding/value-encoding.js';
import { Schema } from './entries/schema.js';
import { SpaceDefinition } from './entries/space.js';
import type { ImageHeader } from './image/image-header.js';
import { loadImage, readImageHeader } from './image/image-loader.js';
import { imagePath, isTemporaryImage, listImages } from './image/image-names.js';
import { type ResolvedStoreOptions, resolveStoreOptions } from './options.js';
import type { Codecs } from './read/reads.js';
import type { StoreRecovery } from './recovery-report.js';
import type { LoadedLog } from './replay/following.js';
import { LogReplay } from './replay/log-replay.js';
import { checkBirth, checkEncodings } from './replay/recorded-encodings.js';
import { Store } from './store.js';
import { RecordWriter } from './write/record-writer.js';

/** The most tries of a read-only open. It starts over when an owner has retired files, because it takes no lock. */
const READ_ONLY_TRIES_MAX = 20;

/** Opens the store in `directory`. index.ts has the typed forms. */
export async function openStore(directory: unknown, options: unknown): Promise<Store<unknown, unknown>> {
  const resolved = resolveStoreOptions(options);
  return openStoreOn(openStorage(resolved.engine), absoluteDirectory(directory), resolved);
}

/**
 * Opens a store on a storage of the caller. For tests on a simulated disk, which may set options of the journal and the
 * most changes in the write log.
 */
export async function openStoreOn(
  storage: Storage,
  directory: string,
  options: ResolvedStoreOptions,
  journalOptions: object = {},
  writeLogChangesMax?: number,
): Promise<Store<unknown, unknown>> {
  const schema = new Schema((length) => storage.randomBytes(length), storage.populate, writeLogChangesMax);
  const codecs = resolveCodecs(options, schema);
  const { create, engine, maxUndurableBytes, waitForLockMs } = options;
  const forJournal = resolveJournalOptions('open', {
    create,
    engine,
    maxUndurableBytes,
    waitForLockMs,
    ...journalOptions,
  });
  const opening = {
    storage,
    directory,
    options,
    codecs,
    schema,
    startedMs: storage.nowMs(),
    isReplica: false,
  };
  await inspectDirectory(opening);
  if (options.readOnly) return openReadOnly(opening);

  await ensureDirectory(storage, directory, { create });
  const lock = await lockDirectory(storage, directory, waitForLockMs);
  return openUnderLock({ ...opening, storage: lock.storage }, lock, forJournal);
}

function resolveCodecs(
  { keyEncoding, valueEncoding }: ResolvedStoreOptions,
  schema: Schema,
): Codecs<unknown, unknown> {
  return {
    key: resolveKeyEncoding("open option 'keyEncoding'", keyEncoding),
    value: resolveValueEncoding(valueEncoding, "open option 'valueEncoding'", schema.msgpack),
  };
}

/** The values that all steps of an open share. */
interface Opening {
  readonly storage: Storage;
  readonly directory: string;
  readonly options: ResolvedStoreOptions;
  readonly codecs: Codecs<unknown, unknown>;
  readonly schema: Schema;
  readonly startedMs: number;
  /** True for a replica, which shows only what is durable. */
  readonly isReplica: boolean;
}

/**
 * Refuses what this open must not use, before it makes or changes anything in the directory, even the lock. The checks
 * are repeated under the lock.
 */
async function inspectDirectory({ storage, directory, options, codecs }: Opening): Promise<void> {
  const kind = await storage.kind(directory);
  const images = kind === 'directory' ? await listImages(storage, directory) : [];
  const journal = kind === 'directory' ? await inspectJournal(storage, directory) : null;
  const isThere = images.length > 0 || journal !== null;
  if (isThere && options.errorIfExists) {
    const text = {
      what: `A store exists in ${directory} already`,
      next: 'Choose another directory, or leave errorIfExists out to open this one',
    };
    throw new KeelsonError('KEELSON_EXISTS', text, { path: directory });
  }
  if (!isThere && (kind === 'directory' || kind === 'absent') && (!options.create || options.readOnly)) {
    const what = kind === 'absent' ? `${directory} does not exist` : `There is no store in ${directory}`;
    const next = options.readOnly
      ? 'Check the path, or have the program that writes open it first: a store that is opened with readOnly is never made'
      : 'Check the path, or leave create out to have the store made';
    throw new KeelsonError('KEELSON_NOT_FOUND', { what, next }, { path: directory });
  }
  for (const lsn of images)
    await checkImageHeader(storage, imagePath(directory, lsn), codecs, images.length === 1);
  if (images.length === 0 && journal?.firstRecord) checkBirth(journal.firstRecord, codecs, directory);
}

/** Opens the store for writing. The caller has locked the directory; a failure releases the lock. */
async function openUnderLock(
  opening: Opening,
  lock: DirectoryLock,
  forJournal: ResolvedJournalOptions,
): Promise<Store<unknown, unknown>> {
  const { storage, directory } = opening;
  let loaded: LoadedImage;
  try {
    for (const name of await storage.list(directory)) {
      if (isTemporaryImage(name)) await storage.remove(`${directory}/${name}`);
    }
    // Another process may have made a store before this one took the lock. Loading and replaying repeat other checks.
    if (opening.options.errorIfExists) await inspectDirectory(opening);
    loaded = await loadNewestImage(opening);
  } catch (error) {
    await lock.abandon();
    throw error;
  }
  const journal = await openLockedJournal(
    directory,
    forJournal,
    lock,
    anchorOf(loaded),
    onScanOf(opening),
  ).catch((error) => {
    throw withDamagedImage(error, loaded);
  });
  try {
    const store = storeOf(opening, await replayInto(opening, loaded, journal, journal), journal);
    if (store.lastLsn === 0) await giveBirth(journal, opening);
    return store;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/** Writes the birth record, and makes it durable. The name of the directory is durable already. */
async function giveBirth(journal: LocalLog, { schema, codecs }: Opening): Promise<void> {
  try {
    await journal.prepareNow();
    const writer = new RecordWriter(RECORD_BYTES_MAX, schema);
    await journal.commit(writer.birth(codecs.key.name, codecs.value.name));
  } catch (error) {
    // Nobody has seen this journal yet, so the cause is a better error than KEELSON_POISONED.
    throw isKeelsonError(error, 'KEELSON_POISONED') ? (error.cause ?? error) : error;
  }
}

/** Opens the store without a lock. */
async function openReadOnly(opening: Opening): Promise<Store<unknown, unknown>> {
  return storeOf(opening, await loadReadOnly(opening), null);
}

/**
 * Opens the store without a lock, for a replica in another thread. It shows nothing that is not durable.
 *
 * @param durableLsn The owner's log is durable up to this LSN, and the store shows at least that.
 */
export async function openReplicaStoreOn(
  storage: Storage,
  directory: string,
  options: ResolvedStoreOptions,
  durableLsn: number,
): Promise<Store<unknown, unknown>> {
  const schema = new Schema((length) => storage.randomBytes(length), storage.populate);
  const codecs = resolveCodecs(options, schema);
  const opening = {
    storage,
    directory,
    options,
    codecs,
    schema,
    startedMs: storage.nowMs(),
    isReplica: true,
  };
  await inspectDirectory(opening);
  const store = await openReadOnly(opening);
  try {
    await Store.followingOf(store).refresh(durableLsn);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Loads the store without a lock. Starts over when an owner has retired or changed files meanwhile. */
async function loadReadOnly(opening: Opening): Promise<Replayed> {
  const { storage, directory } = opening;
  let lastPlace: string | null = null;
  for (let tries = 1; ; tries++) {
    try {
      const loaded = await loadNewestImage(opening);
      const source = await openReadOnlyJournal(
        storage,
        directory,
        anchorOf(loaded),
        onScanOf(opening),
        opening.isReplica,
      );
      return await replayInto(opening, loaded, source, null);
    } catch (error) {
      const mayPass = isKeelsonError(error, 'KEELSON_NOT_FOUND') || isKeelsonError(error, 'KEELSON_CORRUPT');
      // An error that comes twice at the same place is damage. If an owner's work caused it, the place changes.
      const place = mayPass ? JSON.stringify([error.code, error.facts, error.message]) : null;
      if (!mayPass || place === lastPlace || tries === READ_ONLY_TRIES_MAX) throw error;
      lastPlace = place;
    }
  }
}

/** The image that was loaded, and the facts about the other images. */
interface LoadedImage {
  /** The LSN of the image, or null when none was loaded. */
  readonly lsn: number | null;
  /** The size of the image in bytes, or 0. */
  readonly bytes: number;
  /** The LSN of the next older image, which was not read; 0 when there is none. */
  readonly olderLsn: number;
  /** The LSN of the newest image, damaged or not, or 0. An image gets its name when the log is durable up to its LSN. */
  readonly newestLsn: number;
  readonly journalId: Uint8Array | null;
  /** The errors of the damaged images that are newer. */
  readonly damaged: readonly KeelsonError[];
}

/**
 * Loads the newest whole image into the schema. Without one, the schema has an empty root space. An older image is good
 * enough if the log still has all records after it, which recovery checks.
 */
async function loadNewestImage(opening: Opening): Promise<LoadedImage> {
  const { storage, directory, options, codecs, schema } = opening;
  schema.reset(new SpaceDefinition('', codecs.key, codecs.value.name));
  const damaged: KeelsonError[] = [];
  const lsns = await listImages(storage, directory);
  const newestLsn = lsns[0] ?? 0;
  for (const [at, lsn] of lsns.entries()) {
    const path = imagePath(directory, lsn);
    try {
      const { header, fileBytes: bytes } = await readHeader(storage, path, codecs);
      if (header.lsn !== lsn) {
        throw new KeelsonError(
          'KEELSON_CORRUPT',
          `${path} is named as another image: it is that of LSN ${header.lsn}`,
          { path, lsn },
        );
      }
      const { spaces, nextSpaceId, highestId } = await loadImage(storage, path, header, schema, (done) =>
        options.onProgress?.({ phase: 'image', done, total: header.entryCount }),
      );
      schema.replaceAll(spaces, nextSpaceId, highestId);
      return { lsn, bytes, olderLsn: lsns[at + 1] ?? 0, newestLsn, journalId: header.journalId, damaged };
    } catch (error) {
      // An image that the disk cannot read counts as damaged: an older image may serve.
      const isDamage =
        isKeelsonError(error, 'KEELSON_CORRUPT') ||
        isKeelsonError(error, 'KEELSON_IO') ||
        (isKeelsonError(error, 'KEELSON_FOREIGN') && lsns.length > 1);
      if (!isDamage) throw error;
      damaged.push(error);
    }
  }
  return { lsn: null, bytes: 0, olderLsn: 0, newestLsn, journalId: null, damaged };
}

function onScanOf({ options }: Opening): OnScan | undefined {
  const { onProgress } = options;
  if (onProgress === undefined) return undefined;
  return (done, total) => onProgress({ phase: 'scan', done, total });
}

function anchorOf({ lsn, newestLsn, journalId }: LoadedImage): RecoveryAnchor {
  return { lsn: lsn ?? 0, provenLsn: newestLsn, journalId };
}

/** Returns the error to report when recovery fails. A damaged image may be why the log does not suffice. */
function withDamagedImage(error: unknown, { damaged }: LoadedImage): unknown {
  const [image] = damaged;
  if (image === undefined || !isKeelsonError(error, 'KEELSON_CORRUPT')) return error;
  if (image.code === 'KEELSON_IO') return image;
  return new KeelsonError(
    'KEELSON_CORRUPT',
    `${whatHappened(image)}; and without it, ${whatHappened(error)}`,
    image.facts,
    error,
  );
}

/** A journal that can be replayed, whether it is open for writing or read-only. */
interface Replayable {
  readonly recovery: JournalRecovery;
  readonly journalId: Uint8Array | null;
  replay(
    fromLsn: number,
    visit: (lsn: number, bytes: Uint8Array, start: number, end: number) => void,
  ): Promise<void>;
}

/** A store in the schema of an opening, as image and log had it. */
interface Replayed {
  readonly image: LoadedImage;
  readonly recovery: StoreRecovery;
  readonly log: LoadedLog;
}

/** Replays the log after the image. `journal` is null in a read-only open. */
async function replayInto(
  opening: Opening,
  image: LoadedImage,
  source: Replayable,
  journal: LocalLog | null,
): Promise<Replayed> {
  const { storage, options, schema } = opening;
  const fromLsn = image.lsn ?? 0;
  const { endLsn, tornBytes, tornWhy, kind, provenLsn } = source.recovery;
  const durableLsn = journal === null ? provenLsn : endLsn;
  const replay = new LogReplay(opening, fromLsn, durableLsn);
  let recordsReplayed = 0;
  let progressLsn = fromLsn;
  schema.startReplay();
  await source.replay(fromLsn, (lsn, bytes, start, end) => {
    replay.apply(lsn, bytes, start, end);
    recordsReplayed++;
    if (recordsReplayed % PROGRESS_RECORDS === 0 || lsn - progressLsn >= PROGRESS_BYTES) {
      progressLsn = lsn;
      options.onProgress?.({ phase: 'replay', done: lsn - fromLsn, total: endLsn - fromLsn });
    }
  });
  schema.links.run();
  for (const _ of schema.endReplay()) await nextTurn();
  schema.startPart(endLsn);
  const recovery: StoreRecovery = {
    kind: kind === 'fresh' ? 'created' : kind,
    imageLsn: image.lsn,
    damagedImages: image.damaged,
    recordsReplayed,
    bytesReplayed: endLsn - fromLsn,
    tornBytes,
    tornWhy,
    lastLsn: endLsn,
    durableLsn,
    durationMs: storage.nowMs() - opening.startedMs,
  };
  const journalId = source.journalId ?? image.journalId ?? new Uint8Array(0);
  return { image, recovery, log: { journalId, replay } };
}

function storeOf(
  opening: Opening,
  { image, recovery, log }: Replayed,
  journal: LocalLog | null,
): Store<unknown, unknown> {
  const { storage, directory, codecs, schema, options } = opening;
  const images = {
    loaded: image.lsn === null ? null : { lsn: image.lsn, bytes: image.bytes },
    olderLsn: image.olderLsn,
    isNewestDamaged: image.damaged.length > 0,
  };
  const quiet = { ...options, onProgress: undefined };
  return new Store({
    storage,
    directory,
    codecs,
    schema,
    log: journal,
    loaded: log,
    loadAgain: async (draft) => (await loadReadOnly({ ...opening, options: quiet, schema: draft })).log,
    recovery,
    options,
    images,
  });
}

/** The most records between two reports of progress. */
const PROGRESS_RECORDS = 65_536;
/** About the most bytes of log between two reports of progress. */
const PROGRESS_BYTES = 4 * 1024 * 1024;

/** Reads the header of an image. Throws when it does not verify, or names other encodings than the options. */
async function readHeader(
  storage: Storage,
  path: string,
  codecs: Codecs<unknown, unknown>,
): Promise<{ readonly header: ImageHeader; readonly fileBytes: number }> {
  const { verdict, fileBytes } = await readImageHeader(storage, path);
  if (!verdict.ok) throw new KeelsonError(verdict.code, `${path}: ${verdict.why}`, { path, offset: 0 });
  checkEncodings(verdict.header, codecs, path);
  return { header: verdict.header, fileBytes };
}

/**
 * Checks the header of an image. Does not throw for a damaged header, because an older image may serve. Throws for the
 * header of a newer Keelson, and for other encodings than those of the options.
 */
async function checkImageHeader(
  storage: Storage,
  path: string,
  codecs: Codecs<unknown, unknown>,
  isOnlyOne: boolean,
): Promise<void> {
  try {
    await readHeader(storage, path, codecs);
  } catch (error) {
    const isForLater =
      isKeelsonError(error, 'KEELSON_CORRUPT') ||
      isKeelsonError(error, 'KEELSON_IO') ||
      isKeelsonError(error, 'KEELSON_NOT_FOUND') ||
      (isKeelsonError(error, 'KEELSON_FOREIGN') && !isOnlyOne);
    if (!isForLater) throw error;
  }
}
