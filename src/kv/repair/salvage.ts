// Salvage: everything that is whole in a store that may be damaged, written as a new store into another directory. The
// old one is left as it is.

import { KeelsonError } from '../../errors.js';
import type { DirectoryPath } from '../../journal/index.js';
import { absoluteDirectory, type Damage, type LsnRange } from '../../journal/internal.js';
import { choiceOption, functionOption, type OptionTable, resolveOptions } from '../../options.js';
import { ENGINE_CHOICES, type EngineChoice, openStorage, type Storage } from '../../storage/index.js';
import { refuseInside, refuseInsideByLinks, writeNewStore } from '../copy/new-store.js';
import { KEY_ENCODING_NAMES, type KeyEncodingName } from '../encoding/key-encoding.js';
import { ENCODING_NAME_BYTES_MAX, isEncodingName } from '../encoding/value-encoding.js';
import { type ExaminationProgress, examineStore } from './store-examination.js';

interface ResolvedSalvageOptions {
  /** Which engine reads and writes. Default 'auto'. */
  engine: EngineChoice;
  /** What keys are, where nothing that is left of the store says it. */
  keyEncoding: KeyEncodingName | undefined;
  /** The name of what values are, likewise. */
  valueEncoding: string | undefined;
  /** Told now and then how many bytes of how many have been read. */
  onProgress: ((progress: ExaminationProgress) => void) | undefined;
}

/** What salvage() takes. */
export type SalvageOptions = Partial<ResolvedSalvageOptions>;

const SALVAGE_OPTIONS: OptionTable<ResolvedSalvageOptions> = {
  engine: choiceOption('auto', ENGINE_CHOICES),
  keyEncoding: { ...choiceOption<KeyEncodingName>('utf8', KEY_ENCODING_NAMES), default: undefined },
  valueEncoding: {
    default: undefined,
    check: (value) =>
      isEncodingName(value) ? undefined : `the name of an encoding, at most ${ENCODING_NAME_BYTES_MAX} bytes`,
  },
  onProgress: functionOption(),
};

/** What salvage() has found and written. */
export interface SalvageReport {
  /** The new store. */
  readonly directory: string;
  readonly entries: number;
  /** Where the log of the new store goes on. */
  readonly lsn: number;
  /** As verify() would report them. */
  readonly damages: readonly Damage[];
  /**
   * Writes of which nothing is left: what they put is not there, and what they deleted or overwrote may be there as it
   * was before. Empty when the new store holds all that was ever acknowledged, as far as its files tell.
   */
  readonly missing: readonly LsnRange[];
}

/**
 * Reads all that is whole in the store in `directory`, which nobody has open, and writes it as a new store into `out`,
 * which is absent or empty. Never changes anything in `directory`. Takes the memory that opening takes.
 *
 * Of every key the newest value that is whole is kept, with its version. Of a sound store that is exactly what it holds.
 *
 * Throws a TypeError for misuse, and a KeelsonError as verify() does; also KEELSON_EXISTS when `out` is not empty,
 * KEELSON_NO_SPACE, and KEELSON_DECODE when nothing says what keys and values are and the options do not either.
 *
 * @example
 * const { entries, missing } = await salvage('./damaged', './rescued');
 * console.log(entries, missing);
 */
export async function salvage(
  directory: DirectoryPath,
  out: DirectoryPath,
  options?: SalvageOptions,
): Promise<SalvageReport> {
  const resolved = resolveOptions('salvage', SALVAGE_OPTIONS, options);
  return salvageOn(
    openStorage(resolved.engine),
    absoluteDirectory(directory),
    absoluteDirectory(out, 'out'),
    resolved,
  );
}

/** The same on a storage of the caller's: for tests on a simulated disk. */
export async function salvageOn(
  storage: Storage,
  directory: string,
  out: string,
  options: SalvageOptions = {},
): Promise<SalvageReport> {
  refuseInside(out, directory);
  await refuseInsideByLinks(storage, out, directory);
  const { keyEncoding, valueEncoding, onProgress } = options;
  const encodings =
    valueEncoding === undefined || keyEncoding === undefined
      ? null
      : { keyEncodingName: keyEncoding, valueEncodingName: valueEncoding };
  const found = await examineStore({ storage, directory, encodings, onProgress });
  if (found.encodings === null) {
    throw new KeelsonError(
      'KEELSON_DECODE',
      {
        what: `Nothing that is left in ${directory} says what keys and values are`,
        next: 'Give salvage() the options keyEncoding and valueEncoding',
      },
      { path: directory },
    );
  }
  const { schema, entries, lastLsn: lsn, damages, missing } = found;
  await writeNewStore(storage, {
    directory: out,
    source: directory,
    schema,
    view: schema.view(lsn),
    assertGoingOn: () => {},
    whenAllowed: async () => {},
  });
  return { directory: out, entries, lsn, damages, missing };
}
