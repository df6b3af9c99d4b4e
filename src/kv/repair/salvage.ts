// Salvage: reads a store that may be damaged, and writes all that is whole into another directory, as a new store. The
// old store stays as it is.

import { KeelsonError } from '../../errors.js';
import type { DirectoryPath } from '../../journal/index.js';
import { absoluteDirectory, type Damage, type LsnRange } from '../../journal/internal.js';
import { choiceOption, functionOption, type OptionTable, resolveOptions } from '../../options.js';
import { ENGINE_CHOICES, type EngineChoice, openStorage, type Storage } from '../../storage/index.js';
import { refuseInside, refuseInsideByLinks, writeNewStore } from '../copy/new-store.js';
import { KEY_ENCODING_NAMES, type KeyEncodingName } from '../encoding/key-encoding.js';
import { ENCODING_NAME_BYTES_MAX, isEncodingName } from '../encoding/value-encoding.js';
import { NO_TIME } from '../entries/expiry.js';
import { type ExaminationProgress, examineStore, type NamespaceFindings } from './store-examination.js';

/** The options of salvage(), all of them given. */
interface ResolvedSalvageOptions {
  /** The engine that reads and writes: 'auto' chooses the fastest one that works here. Default 'auto'. */
  engine: EngineChoice;
  /** The key encoding, for a store in which no file names it any more. It has no effect without `valueEncoding`. */
  keyEncoding: KeyEncodingName | undefined;
  /** The name of the value encoding, for a store in which no file names it any more. It needs `keyEncoding`, too. */
  valueEncoding: string | undefined;
  /** Called about every 4 MiB, and at the end, with the bytes read so far and in all. */
  onProgress: ((progress: ExaminationProgress) => void) | undefined;
}

/**
 * The options of salvage().
 *
 * @example
 * await salvage('./damaged', './rescued', { keyEncoding: 'utf8', valueEncoding: 'msgpack' });
 */
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

/** The result of salvage(). */
export interface SalvageReport {
  /** The absolute path of the new store. */
  readonly directory: string;
  /**
   * The namespaces of the new store, in the order of their ids. One whose definition is lost is named by its id, as in
   * `lost-7`.
   */
  readonly namespaces: readonly NamespaceFindings[];
  /** The number of entries in the new store and all its namespaces. */
  readonly entries: number;
  /** The LSN at which the log of the new store continues. */
  readonly lsn: number;
  /** The damages of the old store, as verify() reports them. */
  readonly damages: readonly Damage[];
  /**
   * The ranges of the log whose records are lost. The new store lacks values that were written in these ranges, and may
   * have older values of keys that were deleted or overwritten there. Empty when the new store has everything that was
   * ever acknowledged, as far as the files show.
   */
  readonly missing: readonly LsnRange[];
}

/**
 * Reads all that is whole in the store in `directory`, which nobody has open, and writes it as a new store into `out`.
 * Changes nothing in `directory`. Resolves when the new store is durable. Takes as much memory as open().
 *
 * The new store has the newest whole value of every key, with its version. The copy of a sound store is complete. A
 * namespace whose definition is lost is named by its id, as in `lost-7`. Its keys and values are bytes, and a clear in it
 * goes by the order of bytes. `'msgpack'` values are whole MessagePack there.
 *
 * @param directory The path of the old store, or a `file:` URL.
 * @param out The path of the new store, or a `file:` URL. The directory must be absent or empty, and outside of
 * `directory`.
 * @param options The encodings are needed only for a store in which no file names them any more.
 * @throws Rejects with a TypeError for misuse, what verify() rejects with, KEELSON_EXISTS when `out` is not empty, KEELSON_NO_SPACE, and
 * KEELSON_DECODE when neither a file nor the options name the encodings.
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

/** Does what salvage() does, on a storage of the caller. For tests on a simulated disk. */
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
  const { schema, namespaces, entries, lastLsn: lsn, damages, missing } = found;
  await writeNewStore(storage, {
    directory: out,
    source: directory,
    schema,
    view: schema.wholeViewAt(lsn, NO_TIME),
    markOfBackup: null,
    assertGoingOn: () => {},
    whenAllowed: async () => {},
  });
  return { directory: out, namespaces, entries, lsn, damages, missing };
}
