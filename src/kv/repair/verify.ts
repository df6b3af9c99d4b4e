// Verifying a store that nobody has open: reads everything there is, changes nothing, and names every place where
// something is not as it was written.

import type { DirectoryPath } from '../../journal/index.js';
import { absoluteDirectory, type Damage, type SegmentFindings } from '../../journal/internal.js';
import { choiceOption, functionOption, type OptionTable, resolveOptions } from '../../options.js';
import { ENGINE_CHOICES, type EngineChoice, openStorage, type Storage } from '../../storage/index.js';
import type { ImageFindings } from './image-examination.js';
import { type ExaminationProgress, examineStore } from './store-examination.js';

interface ResolvedVerifyOptions {
  /** Which engine reads. Default 'auto'. */
  engine: EngineChoice;
  /** Told now and then how many bytes of how many have been read. */
  onProgress: ((progress: ExaminationProgress) => void) | undefined;
}

/** What verify() takes. */
export type VerifyOptions = Partial<ResolvedVerifyOptions>;

const VERIFY_OPTIONS: OptionTable<ResolvedVerifyOptions> = {
  engine: choiceOption('auto', ENGINE_CHOICES),
  onProgress: functionOption(),
};

/** What verify() has found. */
export interface VerifyReport {
  readonly directory: string;
  /** There are no damages: open() gives everything. */
  readonly ok: boolean;
  readonly damages: readonly Damage[];
  readonly images: readonly ImageFindings[];
  readonly segments: readonly SegmentFindings[];
  /** Of the store, made of all that is whole. */
  readonly entries: number;
  /** Records of the journal that are whole and count. */
  readonly records: number;
  readonly lastLsn: number;
  /** Bytes at the end of the journal that a killed owner had not finished. Nobody was told of them: no damage. */
  readonly tornBytes: number;
  /** Names in the directory that are not the store's, or of files that were never finished. No damage either. */
  readonly otherNames: readonly string[];
}

/**
 * Reads all files of the store in `directory`, which nobody has open, and checks all of it. Takes no lock and changes
 * nothing; takes the memory that opening takes.
 *
 * Throws a TypeError for misuse, and a KeelsonError: KEELSON_LOCKED while an owner lives, KEELSON_NOT_FOUND,
 * KEELSON_NOT_A_DIRECTORY, KEELSON_INCOMPLETE, KEELSON_FOREIGN (nothing there is of a store, or of two that are mixed),
 * KEELSON_FORMAT_VERSION, KEELSON_ACCESS, KEELSON_IO.
 * Damage is not thrown: it is in the report.
 *
 * @example
 * const { ok, damages } = await verify('./data');
 * if (!ok) console.error(damages);
 */
export async function verify(directory: DirectoryPath, options?: VerifyOptions): Promise<VerifyReport> {
  const { engine, onProgress } = resolveOptions('verify', VERIFY_OPTIONS, options);
  return verifyOn(openStorage(engine), absoluteDirectory(directory), onProgress);
}

/** The same on a storage of the caller's: for tests on a simulated disk. */
export async function verifyOn(
  storage: Storage,
  directory: string,
  onProgress?: VerifyOptions['onProgress'],
): Promise<VerifyReport> {
  const found = await examineStore({ storage, directory, encodings: null, onProgress });
  const { damages, images, segments, entries, records, lastLsn, tornBytes, otherNames } = found;
  return {
    directory,
    ok: damages.length === 0,
    damages,
    images,
    segments,
    entries,
    records,
    lastLsn,
    tornBytes,
    otherNames,
  };
}
