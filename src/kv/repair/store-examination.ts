// The examination of a store that may be damaged: puts everything that is whole together, and notes every place that is not.
// verify() reports it and salvage() writes it. Changes nothing on the disk.
//
// The entries are built in the order of the log. They start from the newest whole image. Records above it follow as far as
// they are there. A damaged image counts, at its LSN, for the keys that its whole blocks span.

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
import { assertKnownKeyEncoding, type KeyCodec, resolveKeyEncoding } from '../encoding/key-encoding.js';
import { isEncodingName } from '../encoding/value-encoding.js';
import { Schema } from '../entries/schema.js';
import { SpaceDefinition } from '../entries/space.js';
import { imageLsn, isTemporaryImage, listImages } from '../image/image-names.js';
import { isBirth, readBirth, readWriteSet } from '../write/record-reader.js';
import { applyWrites } from '../write/write-path.js';
import { WriteSet } from '../write/write-set.js';
import { ImageExamination, type ImageFindings } from './image-examination.js';
import { overlayImage } from './image-overlay.js';

/** What keys and values are, by the names that the store recorded. */
export interface EncodingNames {
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

export interface ExaminationPlan {
  readonly storage: Storage;
  readonly directory: string;
  /** Taken where nothing in the store says it. */
  readonly encodings: EncodingNames | null;
  /** Told after every file, and now and then within a segment. */
  readonly onProgress: ((progress: ExaminationProgress) => void) | undefined;
}

export interface ExaminationProgress {
  /** Bytes of the files that have been read, and of all. */
  readonly done: number;
  readonly total: number;
}

export interface StoreExamination {
  /** Everything that is whole. Without a space where nothing says what keys and values are. */
  readonly schema: Schema;
  /** The number of entries in all spaces. */
  readonly entries: number;
  readonly encodings: EncodingNames | null;
  /** The number of records of the log that are whole and count. */
  readonly records: number;
  readonly lastLsn: number;
  readonly tornBytes: number;
  readonly damages: readonly Damage[];
  readonly missing: readonly LsnRange[];
  readonly images: readonly ImageFindings[];
  readonly segments: readonly SegmentFindings[];
  /** Names in the directory that are not of the store, or of files that were never finished. */
  readonly otherNames: readonly string[];
}

/**
 * Examines the store in a directory that nobody has open. Throws KEELSON_LOCKED, KEELSON_NOT_FOUND,
 * KEELSON_NOT_A_DIRECTORY, KEELSON_INCOMPLETE, KEELSON_FOREIGN where nothing is of a store, KEELSON_FORMAT_VERSION where
 * a newer Keelson has written, and what the disk says.
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
    // What failed may have been changed under us: then that is the news.
    await assertUntaken(held, lock);
    throw error;
  }
  await assertUntaken(held, lock);
  return found;
}

/** What was read while an owner wrote is worth nothing, whether it looks whole or not. */
async function assertUntaken(held: HeldDirectory, lock: number): Promise<void> {
  if ((await assertUnowned(held)) === lock) return;
  const { path } = held;
  const text = {
    what: `${path} was opened by another owner while it was read`,
    next: 'Try again when nobody has it open',
  };
  throw new KeelsonError('KEELSON_LOCKED', text, { path });
}

type FoundRecord = RecordBatch['records'][number];

class Examiner {
  readonly #plan: ExaminationPlan;
  readonly #storage: Storage;
  /** By their places: a file is read more than once. */
  readonly #unreadable = new Map<string, Omit<Damage, 'isNeeded'>>();
  readonly #damages: Damage[] = [];
  /** What records did that do not decode. */
  readonly #undecodable: LsnRange[] = [];
  readonly #schema: Schema;
  readonly #writes: WriteSet;
  /** Null until something says what keys and values are: then the schema has no space. */
  #encodings: EncodingNames | null = null;
  #records = 0;
  /** Everything up to here has been put in; a record that comes a second time is not. */
  #appliedLsn = 0;
  #done = 0;
  #total = 0;
  #toldAt = 0;

  constructor(plan: ExaminationPlan) {
    this.#plan = plan;
    this.#schema = new Schema((length) => plan.storage.randomBytes(length));
    this.#writes = new WriteSet(RECORD_BYTES_MAX, this.#schema);
    this.#storage = withTolerantReads(plan.storage, (path, offset, offsetEnd, error) => {
      const place = `${path} ${offset}`;
      const end = Math.max(offsetEnd, this.#unreadable.get(place)?.offsetEnd ?? 0);
      const what = `the disk cannot read it: ${error.facts.errno ?? whatHappened(error)}`;
      this.#unreadable.set(place, { file: basename(path), offset, offsetEnd: end, what });
    });
  }

  async run(): Promise<StoreExamination> {
    const { directory } = this.#plan;
    const storage = this.#storage;
    await refuseIncomplete(storage, directory, await storage.list(directory));
    const images: ImageExamination[] = [];
    for (const lsn of await listImages(storage, directory)) {
      images.push(await ImageExamination.of(storage, directory, lsn));
    }
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
      for (const space of (await base.load(this.#schema)).spaces) this.#schema.add(space);
      this.#appliedLsn = baseLsn;
    }
    const overlays = images
      .filter((image) => !image.isWhole && !image.isForeign && (base === null || image.lsn > base.lsn))
      .sort((a, b) => a.lsn - b.lsn);
    await this.#apply(examination, overlays, base?.lsn ?? null, images.length > 0);
    const { decision, lastLsn, segments } = examination;
    return {
      schema: this.#schema,
      entries: this.#schema.spaces.reduce((sum, { entries }) => sum + entries.size, 0),
      encodings: this.#encodings,
      records: this.#records,
      lastLsn,
      tornBytes: decision.kind === 'repair' || decision.kind === 'clean' ? decision.tornBytes : 0,
      damages: this.#damagesOf(images, baseLsn, examination),
      missing: this.#missingOf(examination),
      images: images.map(({ findings }) => findings),
      segments,
      otherNames: (await storage.list(directory)).filter(isOther).sort(),
    };
  }

  /** Segments are read twice: here as recovery does, and leniently for what is in them. */
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

  /** What keys and values are, before anything is decoded. */
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

  /** An open is for one pair of encodings, and asks every file that says which they are. */
  #compareEncodings(names: EncodingNames, place: Pick<Damage, 'file' | 'offset'>, isNeeded: boolean): void {
    const { keyEncodingName, valueEncodingName } = names;
    const known = this.#encodings ?? names;
    if (keyEncodingName === known.keyEncodingName && valueEncodingName === known.valueEncodingName) return;
    const what = `it says that keys are ${keyEncodingName} and values ${valueEncodingName}; the store has ${known.keyEncodingName} and ${known.valueEncodingName}`;
    this.#damages.push({ ...place, what, isNeeded });
  }

  #damagesOf(
    images: readonly ImageExamination[],
    baseLsn: number,
    { decision, damages }: JournalExamination,
  ): Damage[] {
    // An open stops at the first place that cannot be read, whatever stands there.
    const unreadable = [...this.#unreadable.values()].map((damage) => ({ ...damage, isNeeded: true }));
    const inImages = images.flatMap((image) => {
      const isNeeded = decision.kind === 'refuse' && image.lsn > baseLsn;
      return image.damages.map((damage) => ({ ...damage, isNeeded }));
    });
    return [...unreadable, ...inImages, ...damages, ...this.#damages];
  }

  /** The records of the journal in their order, and each damaged image at its LSN. */
  async #apply(
    examination: JournalExamination,
    overlays: ImageExamination[],
    baseLsn: number | null,
    hasImages: boolean,
  ): Promise<void> {
    // An open that starts from nothing has the first record tell what keys and values are.
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

  /** What a disk cannot read may have been the end of the log. */
  #missingOf(examination: JournalExamination): readonly LsnRange[] {
    const { lastLsn } = examination;
    const missing = merged([...examination.missing, ...this.#undecodable]);
    const mayBeEnd = [...this.#unreadable.values()].some(
      ({ file, offsetEnd }) => file !== null && examination.mayHaveEndedAt(file, offsetEnd ?? 0),
    );
    const isOpen = missing.some(({ lsnEnd }) => lsnEnd === null);
    return mayBeEnd && !isOpen ? [...missing, { lsn: lastLsn, lsnEnd: null }] : missing;
  }

  /** Now and then, and at the end. */
  #progress(done: number): void {
    if (done < this.#total && done - this.#toldAt < PROGRESS_BYTES) return;
    this.#toldAt = done;
    this.#plan.onProgress?.({ done, total: this.#total });
  }

  async #overlay(image: ImageExamination): Promise<void> {
    if (this.#encodings !== null) await overlayImage(image, this.#schema);
    this.#appliedLsn = Math.max(this.#appliedLsn, image.lsn);
  }

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
        readWriteSet(this.#schema, bytes, start, end, this.#writes);
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

  /** A journal is not a store: its first record says nothing of keys. */
  #refuseForeign({ bytes }: RecordBatch, { start, end }: FoundRecord): void {
    if (isBirth(bytes, start, end)) return;
    const { directory } = this.#plan;
    throw new KeelsonError('KEELSON_FOREIGN', `The journal in ${directory} is not that of a store`, {
      path: directory,
    });
  }
}

/** The record at the start of that journal, where it is held and whole. Throws KEELSON_FORMAT_VERSION. */
async function firstRecordOf(
  storage: Storage,
  directory: string,
  journalId: Uint8Array | null,
): Promise<Uint8Array | null> {
  try {
    return (await inspectJournal(storage, directory, journalId))?.firstRecord ?? null;
  } catch (error) {
    // All of its segments are scribbled over; an image may still be there.
    if (isKeelsonError(error, 'KEELSON_FOREIGN')) return null;
    throw error;
  }
}

/** What a first record says; null when it is another one, or malformed: that is told when it is met in the log. */
function birthOf(record: Uint8Array, directory: string): EncodingNames | null {
  try {
    const birth = readBirth(record, directory);
    return isEncodingName(birth.valueEncodingName) ? birth : null;
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_DECODE')) return null;
    throw error;
  }
}

/** What an open would know of the images. */
function anchorOf(images: readonly ImageExamination[]): RecoveryAnchor {
  const loaded = images.find(({ isWhole }) => isWhole);
  return {
    lsn: loaded?.lsn ?? 0,
    provenLsn: images[0]?.nameLsn ?? 0,
    journalId: loaded?.header?.journalId ?? null,
  };
}

function isSegmentOfOurs({ verdict }: FoundSegment): boolean {
  return verdict.ok || verdict.code !== 'KEELSON_FOREIGN';
}

/** After so many records, a few milliseconds, the event loop has its turn. */
const TURN_RECORDS = 2048;

const PROGRESS_BYTES = 4 * 1024 * 1024;

const NO_BIRTH = 'the first record does not say what keys and values are';

function isOther(name: string): boolean {
  const isUnfinished = isTemporaryImage(name) || isTemporarySegment(name);
  return isUnfinished || (imageLsn(name) === null && !isSegmentName(name) && !isLockName(name));
}

/** In their order, without overlaps; an open end stays for itself. */
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

function notFound(directory: string): KeelsonError {
  const text = { what: `There is no store in ${directory}`, next: 'Check the path' };
  return new KeelsonError('KEELSON_NOT_FOUND', text, { path: directory });
}
