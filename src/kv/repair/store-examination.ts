// The examination of a store that may be damaged: rebuilds the entries from all that is whole, and notes each damaged
// place. verify() reports the result, and salvage() writes it as a new store. Nothing on the disk changes.
//
// The entries are built in the order of the log. They start with the newest whole image. The records above its LSN
// follow, as far as they are whole. A damaged image is applied when its LSN is reached, for the keys that its whole
// blocks span.

import { basename } from 'node:path';
import { isKeelsonError, KeelsonError, whatHappened } from '../../errors.js';
import {
  assertUnowned,
  type Damage,
  type FoundSegment,
  inspectJournal,
  isLockName,
  isSegmentName,
  isTemporarySegment,
  JournalExamination,
  journalIdOf,
  type LsnRange,
  type RecordBatch,
  type RecoveryAnchor,
  refuseIncomplete,
  type SegmentFindings,
  scanSegments,
} from '../../journal/internal.js';
import { nextTurn } from '../../schedulers.js';
import {
  type HeldDirectory,
  RECORD_BYTES_MAX,
  type Storage,
  withTolerantReads,
} from '../../storage/index.js';
import { BACKUP_MARK } from '../copy/backup-mark.js';
import {
  assertKnownKeyEncoding,
  type KeyCodec,
  type KeyEncodingName,
  resolveKeyEncoding,
} from '../encoding/key-encoding.js';
import { isEncodingName } from '../encoding/value-encoding.js';
import { Schema } from '../entries/schema.js';
import { ROOT_ID, type Space, SpaceDefinition } from '../entries/space.js';
import { imageLsn, isTemporaryImage, listImages } from '../image/image-names.js';
import { applyWrites } from '../write/change-entries.js';
import { isBirth, readBirth, readWriteSet } from '../write/record-reader.js';
import { WriteSet } from '../write/write-set.js';
import { ImageExamination, type ImageFindings } from './image-examination.js';
import { overlayImage } from './image-overlay.js';
import { LostSpaces } from './lost-spaces.js';

/** The names of the encodings of a store. */
export interface EncodingNames {
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

/** The input of examineStore(). */
export interface ExaminationPlan {
  readonly storage: Storage;
  readonly directory: string;
  /** The encodings for a store in which no file names them, or null. */
  readonly encodings: EncodingNames | null;
  /** Called about every 4 MiB, and at the end. */
  readonly onProgress: ((progress: ExaminationProgress) => void) | undefined;
}

/** The progress of verify() and salvage(). */
export interface ExaminationProgress {
  /** The bytes of files that have been read. A segment counts twice, because it is read twice. */
  readonly done: number;
  /** The bytes of files that will have been read at the end. */
  readonly total: number;
}

/**
 * The findings of verify() and salvage() about one namespace.
 *
 * @example
 * const { namespaces } = await salvage('./damaged', './rescued');
 * for (const { name, isLost } of namespaces) if (isLost) console.warn(`${name} has lost its name`);
 */
export interface NamespaceFindings {
  /** The name. */
  readonly name: string;
  /** The key encoding. */
  readonly keyEncoding: KeyEncodingName;
  /** The name of the value encoding. */
  readonly valueEncoding: string;
  /** The number of entries, rebuilt from all that is whole. */
  readonly entries: number;
  /**
   * True when nothing that is whole says what the namespace is. It is then named by its id, as in `lost-7`, and its keys
   * and values are bytes.
   */
  readonly isLost: boolean;
}

/** The result of an examination. */
export interface StoreExamination {
  /** The entries, rebuilt from all that is whole. The schema has no space if the encodings are not known. */
  readonly schema: Schema;
  /** The namespaces, in the order of their ids. */
  readonly namespaces: readonly NamespaceFindings[];
  /** The number of entries in all spaces. */
  readonly entries: number;
  /** The encodings, or null when nothing names them. */
  readonly encodings: EncodingNames | null;
  /** The number of whole records in the log. Those that a later segment replaces do not count. */
  readonly records: number;
  /** The LSN of the last write, as far as the files show. */
  readonly lastLsn: number;
  /** The bytes at the end of the log that a killed owner did not finish. */
  readonly tornBytes: number;
  readonly damages: readonly Damage[];
  /** The ranges of the log whose records are lost. */
  readonly missing: readonly LsnRange[];
  readonly images: readonly ImageFindings[];
  readonly segments: readonly SegmentFindings[];
  /** The names in the directory that are not names of the store, or are names of files that were never finished. */
  readonly otherNames: readonly string[];
}

/**
 * Examines the store in a directory that nobody has open.
 *
 * @throws KEELSON_LOCKED, KEELSON_NOT_FOUND, KEELSON_NOT_A_DIRECTORY, KEELSON_INCOMPLETE, KEELSON_FOREIGN when no file
 * belongs to a store or the files of two stores are mixed, KEELSON_FORMAT_VERSION for files of a newer Keelson, and
 * errors of the disk.
 */
export async function examineStore(plan: ExaminationPlan): Promise<StoreExamination> {
  const { storage, directory } = plan;
  const kind = await storage.kind(directory);
  if (kind === 'absent') throw notFound(directory);
  if (kind !== 'directory') {
    throw new KeelsonError('KEELSON_NOT_A_DIRECTORY', `${directory} is not a directory`, { path: directory });
  }
  const held = await storage.holdDirectory(directory);
  try {
    return await examineUnowned({ ...plan, storage: held.storage }, held);
  } finally {
    await held.close();
  }
}

async function examineUnowned(plan: ExaminationPlan, held: HeldDirectory): Promise<StoreExamination> {
  const lock = await assertUnowned(held);
  let found: StoreExamination;
  try {
    found = await new Examiner(plan).run();
  } catch (error) {
    // If another owner changed the files meanwhile, that is the better error.
    await assertUntaken(held, lock);
    throw error;
  }
  await assertUntaken(held, lock);
  return found;
}

/** Throws KEELSON_LOCKED when an owner has opened the store meanwhile, because the files may have changed. */
async function assertUntaken(held: HeldDirectory, lock: number): Promise<void> {
  if ((await assertUnowned(held)) === lock) return;
  const { path } = held;
  const text = {
    what: `${path} was opened by another owner while it was read`,
    next: 'Try again when nobody has it open',
  };
  throw new KeelsonError('KEELSON_LOCKED', text, { path });
}

/** A record in a batch of JournalExamination. */
type FoundRecord = RecordBatch['records'][number];

/** The examination of one store. */
class Examiner {
  readonly #plan: ExaminationPlan;
  readonly #storage: Storage;
  /** The places that the disk cannot read. Keyed by path and offset, because a file is read more than once. */
  readonly #unreadable = new Map<string, Omit<Damage, 'isNeeded'>>();
  /** The damages that are found while encodings are compared and records are applied. */
  readonly #damages: Damage[] = [];
  /** The ranges of records that do not decode. */
  readonly #undecodable: LsnRange[] = [];
  readonly #schema: Schema;
  readonly #lost: LostSpaces;
  #images: readonly ImageExamination[] = [];
  readonly #writes: WriteSet;
  /** The encodings, or null until a file names them. Until then, the schema has no space. */
  #encodings: EncodingNames | null = null;
  #records = 0;
  /** The LSN up to which the entries are built. A record up to it is not applied again. */
  #appliedLsn = 0;
  #done = 0;
  #total = 0;
  /** The progress that was last reported. */
  #toldAt = 0;

  constructor(plan: ExaminationPlan) {
    this.#plan = plan;
    this.#schema = new Schema((length) => plan.storage.randomBytes(length));
    this.#lost = new LostSpaces(this.#schema);
    this.#writes = new WriteSet(RECORD_BYTES_MAX, this.#schema);
    this.#storage = withTolerantReads(plan.storage, (path, offset, offsetEnd, error) => {
      const place = `${path} ${offset}`;
      const end = Math.max(offsetEnd, this.#unreadable.get(place)?.offsetEnd ?? 0);
      const what = `the disk cannot read it: ${error.facts.errno ?? whatHappened(error)}`;
      this.#unreadable.set(place, { file: basename(path), offset, offsetEnd: end, what });
    });
  }

  /** Examines all files, and returns the result. */
  async run(): Promise<StoreExamination> {
    const { directory } = this.#plan;
    const storage = this.#storage;
    await refuseIncomplete(storage, directory, await storage.list(directory));
    const images: ImageExamination[] = [];
    for (const lsn of await listImages(storage, directory)) {
      images.push(await ImageExamination.of(storage, directory, lsn));
    }
    this.#images = images;
    const found = await this.#scanSegments(images);
    const owned = images.flatMap(({ header, nameLsn }) =>
      header === null ? [] : [{ journalId: header.journalId, hasOwnName: header.lsn === nameLsn }],
    );
    const journalId = journalIdOf(directory, found, owned);
    this.#learnFrom(images, journalId, await firstRecordOf(storage, directory, journalId));
    for (const image of images) {
      await image.read(journalId, this.#encodings === null ? null : this.#schema);
      this.#done += image.bytes;
      this.#progress(this.#done);
    }

    const base = images.find(({ isWhole, isForeign }) => isWhole && !isForeign) ?? null;
    const baseLsn = base?.lsn ?? 0;
    const provenLsn = Math.max(0, ...images.filter((image) => image.isProven).map(({ lsn }) => lsn));
    const examination = new JournalExamination(storage, {
      found,
      anchor: anchorOf(images),
      baseLsn,
      provenLsn,
      journalId,
    });
    if (base !== null && this.#encodings !== null) {
      const { spaces, nextSpaceId, highestId } = await base.load(this.#schema);
      // Reading the images has added their spaces to the schema. The base alone says which spaces there are. Those that
      // only newer, damaged images have were created after the base.
      const laterIds = laterIdsOf(images, baseLsn);
      for (const { id } of this.#schema.spaces) if (!laterIds.has(id)) this.#schema.drop(id);
      for (const space of spaces) this.#schema.add(space);
      this.#schema.reserveIds(nextSpaceId);
      this.#schema.idRecorded(highestId);
      this.#appliedLsn = baseLsn;
    }
    const overlays = images
      .filter((image) => !image.isWhole && !image.isForeign && (base === null || image.lsn > base.lsn))
      .sort((a, b) => a.lsn - b.lsn);
    await this.#apply(examination, overlays, base?.lsn ?? null, images.length > 0);
    this.#lost.finish();
    const { decision, lastLsn, segments } = examination;
    return {
      schema: this.#schema,
      namespaces: this.#namespaces(),
      entries: this.#schema.spaces.reduce((sum, { entries }) => sum + entries.size, 0),
      encodings: this.#encodings,
      records: this.#records,
      lastLsn,
      tornBytes: decision.kind === 'repair' || decision.kind === 'clean' ? decision.tornBytes : 0,
      damages: this.#damagesOf(images, base, examination),
      missing: this.#missingOf(examination),
      images: images.map(({ findings }) => findings),
      segments,
      otherNames: (await storage.list(directory)).filter(isOther).sort(),
    };
  }

  #namespaces(): NamespaceFindings[] {
    return this.#schema.spaces
      .filter(({ id }) => id !== ROOT_ID)
      .map((space) => ({
        name: space.name,
        keyEncoding: space.keyCodec.name,
        valueEncoding: space.valueEncodingName,
        entries: space.entries.size,
        isLost: this.#lost.has(space),
      }));
  }

  /** Scans the segments as recovery does. JournalExamination reads them again, leniently, for their records. */
  async #scanSegments(images: readonly ImageExamination[]): Promise<FoundSegment[]> {
    const { directory } = this.#plan;
    const imageBytes = images.reduce((sum, { bytes }) => sum + bytes, 0);
    const found = await scanSegments(this.#storage, directory, (done, total) => {
      this.#total = 2 * total + imageBytes;
      this.#progress(done);
    });
    if (found.length === 0 && images.length === 0) throw notFound(directory);
    if (!images.some(({ isForeignFile }) => !isForeignFile) && !found.some(isSegmentOfOurs)) {
      const message = `No file in ${directory} is one of a store`;
      throw new KeelsonError('KEELSON_FOREIGN', message, { path: directory });
    }
    this.#done = found.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    this.#total = 2 * this.#done + imageBytes;
    return found;
  }

  /** Learns the encodings before anything is decoded, and notes each image that names others. */
  #learnFrom(
    images: readonly ImageExamination[],
    journalId: Uint8Array | null,
    firstRecord: Uint8Array | null,
  ): void {
    const { encodings } = this.#plan;
    const named = images.find(
      ({ header }) =>
        header !== null && journalId !== null && Buffer.compare(header.journalId, journalId) === 0,
    );
    const birth = firstRecord === null ? null : birthOf(firstRecord, this.#plan.directory);
    if (named?.header) this.#learn(named.header);
    else if (birth !== null) this.#learn(birth);
    else if (encodings !== null) this.#learn(encodings);
    for (const { header, findings } of images) {
      if (header !== null) this.#compareEncodings(header, { file: findings.file, offset: 0 }, true);
    }
  }

  /** Notes a damage when a file names other encodings than the store, because open() refuses such a file. */
  #compareEncodings(names: EncodingNames, place: Pick<Damage, 'file' | 'offset'>, isNeeded: boolean): void {
    const { keyEncodingName, valueEncodingName } = names;
    const known = this.#encodings ?? names;
    if (keyEncodingName === known.keyEncodingName && valueEncodingName === known.valueEncodingName) return;
    const what = `it says that keys are ${keyEncodingName} and values ${valueEncodingName}; the store has ${known.keyEncodingName} and ${known.valueEncodingName}`;
    this.#damages.push({ ...place, what, isNeeded });
  }

  /** Returns the damages of all files. */
  #damagesOf(
    images: readonly ImageExamination[],
    base: ImageExamination | null,
    { decision, damages }: JournalExamination,
  ): Damage[] {
    const isNeededImage = ({ lsn }: ImageExamination) => decision.kind === 'refuse' && lsn > (base?.lsn ?? 0);
    // open() fails at the first place of a segment that the disk cannot read, whatever stands there. For open(), an
    // image with an unreadable place is damaged, even the base, which verifies with zeros in that place.
    const unreadable = [...this.#unreadable.values()].map((damage) => {
      const image = images.find(({ findings }) => findings.file === damage.file);
      return { ...damage, isNeeded: image === undefined || image === base || isNeededImage(image) };
    });
    const inImages = images.flatMap((image) =>
      image.damages.map((damage) => ({ ...damage, isNeeded: isNeededImage(image) })),
    );
    return [...unreadable, ...inImages, ...damages, ...this.#damages];
  }

  /** Applies the records of the log in their order, and each damaged image when its LSN is reached. */
  async #apply(
    examination: JournalExamination,
    overlays: ImageExamination[],
    baseLsn: number | null,
    hasImages: boolean,
  ): Promise<void> {
    // Without an image, open() needs the birth record.
    const isBirthNeeded = baseLsn === null || baseLsn === 0;
    for await (const batch of examination.readRecords()) {
      for (const record of batch.records) {
        while (overlays[0] !== undefined && overlays[0].lsn < record.lsn)
          await this.#overlay(overlays.shift()!);
        if (this.#records === 0 && !hasImages && record.startLsn === 0) this.#refuseForeign(batch, record);
        this.#records++;
        this.#applyRecord(batch, record, isBirthNeeded);
        if (this.#records % TURN_RECORDS === 0) await nextTurn();
      }
      this.#progress(this.#done + batch.bytesBefore + batch.offset);
    }
    for (const image of overlays) await this.#overlay(image);
    this.#progress(this.#total);
  }

  /** Returns the missing ranges. The last has no end if the log may have ended at a place that the disk cannot read. */
  #missingOf(examination: JournalExamination): readonly LsnRange[] {
    const { lastLsn } = examination;
    const missing = merged([...examination.missing, ...this.#undecodable]);
    const mayBeEnd = [...this.#unreadable.values()].some(
      ({ file, offsetEnd }) => file !== null && examination.mayHaveEndedAt(file, offsetEnd ?? 0),
    );
    const isOpen = missing.some(({ lsnEnd }) => lsnEnd === null);
    return mayBeEnd && !isOpen ? [...missing, { lsn: lastLsn, lsnEnd: null }] : missing;
  }

  /** Reports progress if PROGRESS_BYTES have been read since the last report, and at the end. */
  #progress(done: number): void {
    if (done < this.#total && done - this.#toldAt < PROGRESS_BYTES) return;
    this.#toldAt = done;
    this.#plan.onProgress?.({ done, total: this.#total });
  }

  /** Applies a damaged image. */
  async #overlay(image: ImageExamination): Promise<void> {
    const laterIds = laterIdsOf(this.#images, image.lsn);
    if (this.#encodings !== null) await overlayImage(image, this.#schema, this.#lost, laterIds);
    this.#appliedLsn = Math.max(this.#appliedLsn, image.lsn);
  }

  /** Applies a record, or notes that it does not decode. */
  #applyRecord(batch: RecordBatch, record: FoundRecord, isBirthNeeded: boolean): void {
    const { bytes, file, offset } = batch;
    const { startLsn, lsn, start, end } = record;
    const isNew = lsn > this.#appliedLsn;
    const place = { file, offset, lsn: startLsn, lsnEnd: lsn };
    try {
      if (startLsn === 0 && isBirth(bytes, start, end)) {
        const birth = readBirth(bytes.slice(start, end), this.#plan.directory);
        this.#learn(birth);
        this.#compareEncodings(birth, place, isBirthNeeded);
      } else {
        if (this.#encodings === null) throw unknownEncodings();
        this.#readWrites(bytes, record, isNew, place);
        if (isNew) applyWrites(this.#schema, this.#writes, lsn);
        if (startLsn === 0) this.#damages.push({ ...place, what: NO_BIRTH, isNeeded: isBirthNeeded });
      }
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_DECODE')) throw error;
      this.#damages.push({ ...place, what: whatHappened(error), isNeeded: isNew });
      if (isNew) this.#undecodable.push({ lsn: startLsn, lsnEnd: lsn });
    }
    if (isNew) this.#appliedLsn = lsn;
  }

  /** Reads a write record, and notes a damage when nothing defines a space that it writes to. */
  #readWrites(
    bytes: Uint8Array,
    { start, end }: FoundRecord,
    isNew: boolean,
    place: Omit<Damage, 'what' | 'isNeeded'>,
  ): void {
    const ids: number[] = [];
    const lost = {
      make: (id: number) => {
        ids.push(id);
        return this.#lost.make(id);
      },
      has: (space: Space) => this.#lost.has(space),
    };
    readWriteSet(this.#schema, bytes, start, end, this.#writes, !isNew, isNew ? lost : null);
    for (const id of ids) this.#damages.push({ ...place, what: noDefinition(id), isNeeded: true });
  }

  /** Takes the encodings from the first source that names them. */
  #learn(names: EncodingNames): void {
    if (this.#encodings !== null) return;
    const { keyEncodingName, valueEncodingName } = names;
    if (!isEncodingName(valueEncodingName)) throw impossibleName();
    assertKnownKeyEncoding(keyEncodingName, this.#plan.directory);
    this.#encodings = { keyEncodingName, valueEncodingName };
    const keyCodec = resolveKeyEncoding('keyEncoding', keyEncodingName) as KeyCodec<unknown>;
    this.#schema.reset(new SpaceDefinition('', keyCodec, valueEncodingName));
  }

  /** Throws KEELSON_FOREIGN unless the first record is a birth record: the journal does not belong to a store. */
  #refuseForeign({ bytes }: RecordBatch, { start, end }: FoundRecord): void {
    if (isBirth(bytes, start, end)) return;
    const { directory } = this.#plan;
    throw new KeelsonError('KEELSON_FOREIGN', `The journal in ${directory} is not that of a store`, {
      path: directory,
    });
  }
}

/** Returns the first record of the journal, or null if it is missing or not whole. Throws KEELSON_FORMAT_VERSION. */
async function firstRecordOf(
  storage: Storage,
  directory: string,
  journalId: Uint8Array | null,
): Promise<Uint8Array | null> {
  try {
    return (await inspectJournal(storage, directory, journalId))?.firstRecord ?? null;
  } catch (error) {
    // No file looks like a segment any more. An image may still be whole.
    if (isKeelsonError(error, 'KEELSON_FOREIGN')) return null;
    throw error;
  }
}

/** Returns the encodings in a birth record, or null for any other record. #applyRecord() reports a malformed one. */
export function birthOf(record: Uint8Array, directory: string): EncodingNames | null {
  try {
    const birth = readBirth(record, directory);
    return isEncodingName(birth.valueEncodingName) ? birth : null;
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_DECODE')) return null;
    throw error;
  }
}

/** Returns the anchor that open() would give to recovery. */
function anchorOf(images: readonly ImageExamination[]): RecoveryAnchor {
  const loaded = images.find(({ isWhole }) => isWhole);
  return {
    lsn: loaded?.lsn ?? 0,
    provenLsn: images[0]?.nameLsn ?? 0,
    journalId: loaded?.header?.journalId ?? null,
  };
}

/** Returns the ids of the spaces that images above an LSN have. */
function laterIdsOf(images: readonly ImageExamination[], lsn: number): Set<number> {
  return new Set(images.flatMap((image) => (image.lsn > lsn ? (image.spaceIds ?? []) : [])));
}

function isSegmentOfOurs({ verdict }: FoundSegment): boolean {
  return verdict.ok || verdict.code !== 'KEELSON_FOREIGN';
}

/** The number of records after which the event loop has a turn. */
const TURN_RECORDS = 2048;

/** The bytes between two reports of progress. */
const PROGRESS_BYTES = 4 * 1024 * 1024;

function noDefinition(id: number): string {
  return `nothing says what namespace ${id} is, so its keys and values are read as bytes`;
}

const NO_BIRTH = 'the first record does not say what keys and values are';

/** Returns true for the name of an unfinished file, and for a name that no file of a store has. */
function isOther(name: string): boolean {
  const isUnfinished = isTemporaryImage(name) || isTemporarySegment(name);
  const isOfStore =
    imageLsn(name) !== null || isSegmentName(name) || isLockName(name) || name === BACKUP_MARK;
  return isUnfinished || !isOfStore;
}

/** Returns the ranges in order; those that touch are merged. A range without an end stays by itself. */
function merged(ranges: readonly LsnRange[]): LsnRange[] {
  const result: { lsn: number; lsnEnd: number | null }[] = [];
  for (const { lsn, lsnEnd } of ranges.toSorted((a, b) => a.lsn - b.lsn)) {
    const last = result.at(-1);
    if (last === undefined || last.lsnEnd === null || lsnEnd === null || lsn > last.lsnEnd) {
      result.push({ lsn, lsnEnd });
    } else {
      last.lsnEnd = Math.max(last.lsnEnd, lsnEnd);
    }
  }
  return result;
}

function impossibleName(): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', 'The first record names no possible encoding of values');
}

function unknownEncodings(): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', {
    what: 'Nothing that is left of the store says what its keys and values are, so its records cannot be read',
    next: 'Give salvage() the options keyEncoding and valueEncoding',
  });
}

/** Returns the error for a directory without a store. */
export function notFound(directory: string): KeelsonError {
  const text = { what: `There is no store in ${directory}`, next: 'Check the path' };
  return new KeelsonError('KEELSON_NOT_FOUND', text, { path: directory });
}
