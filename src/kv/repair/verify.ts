// The verification of a store that nobody has open: reads all files, changes nothing, and reports each damaged place.

import type { DirectoryPath } from '../../journal/index.js';
import { absoluteDirectory, type Damage, type SegmentFindings } from '../../journal/internal.js';
import { choiceOption, functionOption, type OptionTable, resolveOptions } from '../../options.js';
import { ENGINE_CHOICES, type EngineChoice, openStorage, type Storage } from '../../storage/index.js';
import type { ImageFindings } from './image-examination.js';
import { type ExaminationProgress, examineStore, type NamespaceFindings } from './store-examination.js';

/** The options of verify(), all of them given. */
interface ResolvedVerifyOptions {
  /** The engine that reads: 'auto' chooses the fastest one that works here. Default 'auto'. */
  engine: EngineChoice;
  /** Called about every 4 MiB, and at the end, with the bytes read so far and in all. */
  onProgress: ((progress: ExaminationProgress) => void) | undefined;
}

/**
 * The options of verify().
 *
 * @example
 * await verify('./data', { onProgress: ({ done, total }) => console.log(done / total) });
 */
export type VerifyOptions = Partial<ResolvedVerifyOptions>;

const VERIFY_OPTIONS: OptionTable<ResolvedVerifyOptions> = {
  engine: choiceOption('auto', ENGINE_CHOICES),
  onProgress: functionOption(),
};

/** The result of verify(). */
export interface VerifyReport {
  /** The absolute path of the store. */
  readonly directory: string;
  /** True when there is no damage, so that open() shows every entry. */
  readonly ok: boolean;
  /** The damaged places. */
  readonly damages: readonly Damage[];
  /** The images of the store, newest first. */
  readonly images: readonly ImageFindings[];
  /** The segments of the journal. */
  readonly segments: readonly SegmentFindings[];
  /** The namespaces of the store, in the order of their ids. */
  readonly namespaces: readonly NamespaceFindings[];
  /** The number of entries in the store and all its namespaces, rebuilt from all that is whole. */
  readonly entries: number;
  /** The number of whole records in the journal. Those that a later segment replaces do not count. */
  readonly records: number;
  /** The LSN of the last write, as far as the files show. */
  readonly lastLsn: number;
  /**
   * The bytes at the end of the journal that a killed owner did not finish. None was acknowledged, so they are no damage.
   */
  readonly tornBytes: number;
  /** The names in the directory that are not names of the store, or are names of unfinished files. They are no damage. */
  readonly otherNames: readonly string[];
}

/**
 * Reads and checks all files of the store in `directory`, which nobody has open. Takes no lock and changes nothing. Takes
 * as much memory as open(). Damage is in the report, and is not thrown.
 *
 * @param directory A path or a `file:` URL.
 * @param options By default, the fastest engine reads, and nothing tells the progress.
 * @throws Rejects with a TypeError for misuse, KEELSON_LOCKED while an owner lives, KEELSON_NOT_FOUND, KEELSON_NOT_A_DIRECTORY,
 * KEELSON_INCOMPLETE, KEELSON_FOREIGN when no file belongs to a store or the files of two stores are mixed,
 * KEELSON_FORMAT_VERSION, KEELSON_ENGINE_UNAVAILABLE, KEELSON_ACCESS, KEELSON_IO.
 * @example
 * const { ok, damages } = await verify('./data');
 * if (!ok) console.error(damages);
 */
export async function verify(directory: DirectoryPath, options?: VerifyOptions): Promise<VerifyReport> {
  const { engine, onProgress } = resolveOptions('verify', VERIFY_OPTIONS, options);
  return verifyOn(openStorage(engine), absoluteDirectory(directory), onProgress);
}

/** Does what verify() does, on a storage of the caller. For tests on a simulated disk. */
export async function verifyOn(
  storage: Storage,
  directory: string,
  onProgress?: VerifyOptions['onProgress'],
): Promise<VerifyReport> {
  const found = await examineStore({ storage, directory, encodings: null, onProgress });
  const { damages, images, segments, namespaces, entries, records, lastLsn, tornBytes, otherNames } = found;
  return {
    directory,
    ok: damages.length === 0,
    damages,
    images,
    segments,
    namespaces,
    entries,
    records,
    lastLsn,
    tornBytes,
    otherNames,
  };
}
