// The format of a dump: a header in the first line, and then an entry a line, all of it tagged JSON. Pure.

import type { SpaceFacts } from '../kv/internal.js';
import { CommandError } from './command-errors.js';
import { fromTagged, mayHoldTags, toTagged } from './tagged-json.js';

/** A later version is one that this code does not read. */
const VERSION = 1;

/** A namespace in the header. */
export type DumpedSpace = Omit<SpaceFacts, 'bytes'>;

/** The header of a dump. */
export interface DumpHeader {
  readonly id: string;
  readonly lsn: number;
  /** The highest id that nextId() has drawn. Absent in a dump of an older keelson. */
  readonly highestId?: number | undefined;
  /** The number of lines that follow. */
  readonly entries: number;
  /** The store itself, whose name is '', and its namespaces. */
  readonly namespaces: readonly DumpedSpace[];
}

/** An entry of a dump. */
export interface DumpEntry {
  /** Left out, or '', for the store itself. */
  readonly namespace?: string | undefined;
  readonly key: unknown;
  readonly value: unknown;
  readonly expiresAt?: number | undefined;
}

/** Returns the first line of a dump. */
export function headerLine(header: DumpHeader): string {
  return JSON.stringify({ keelson: 'dump', version: VERSION, ...header });
}

/** Returns the line of an entry. `namespace` is left out for the store itself. */
export function entryLine({ namespace, key, value, expiresAt }: DumpEntry): string {
  // A property that is undefined is left out.
  const place = namespace === '' ? undefined : namespace;
  return JSON.stringify({ namespace: place, key: toTagged(key), value: toTagged(value), expiresAt });
}

/** Reads the first line of a dump. */
export function readHeader(line: string): DumpHeader {
  const header = parseLine(line, 1) as { keelson?: unknown; version?: unknown } & DumpHeader;
  if (header.keelson !== 'dump') {
    const next = 'Load what `keelson dump` wrote, or give --from json for a JSON file';
    throw new CommandError('MALFORMED', 'Line 1 is not the header of a dump', next);
  }
  if (header.version !== VERSION) {
    const what = `The dump has version ${header.version}; this keelson reads version ${VERSION}`;
    throw new CommandError(
      'MALFORMED',
      what,
      'Load it with the version of keelson that made it, or a newer one',
    );
  }
  const { id, lsn, highestId = 0, entries, namespaces } = header;
  const isWhole =
    [highestId, entries].every(Number.isSafeInteger) &&
    Array.isArray(namespaces) &&
    namespaces.every(areEncodings);
  if (!isWhole || namespaces[0]?.name !== '') throw malformed('Line 1', 'is a header that lacks something');
  return { id, lsn, highestId, entries, namespaces };
}

function areEncodings(space: DumpedSpace | null): boolean {
  return [space?.name, space?.keyEncoding, space?.valueEncoding].every((text) => typeof text === 'string');
}

const FIELDS = ['namespace', 'key', 'value', 'expiresAt'];

/** Reads the line of an entry. Throws MALFORMED with the number of the line. */
export function readEntry(line: string, number: number): DumpEntry {
  return entryOf(parseLine(line, number), `Line ${number}`, mayHoldTags(line));
}

/** Returns the entry of an object of JSON, which it may keep. `place` names the object in an error. */
export function entryOf(json: object, place: string, mayBeTagged: boolean): DumpEntry {
  const { namespace, key, value, expiresAt } = json as Partial<DumpEntry>;
  // `for`-`in` makes no array of the names.
  for (const name in json)
    if (!FIELDS.includes(name)) throw malformed(place, `has an unknown field ${JSON.stringify(name)}`);
  if (namespace !== undefined && typeof namespace !== 'string')
    throw malformed(place, 'has a namespace that is no string');
  if (key === undefined || value === undefined) throw malformed(place, 'has no key or no value');
  if (expiresAt !== undefined && !Number.isFinite(expiresAt))
    throw malformed(place, 'has no time as expiresAt');
  if (!mayBeTagged) return json as DumpEntry;
  try {
    return { namespace, key: fromTagged(key), value: fromTagged(value), expiresAt };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError('MALFORMED', `${place}: ${error.what}`, error.next);
  }
}

function parseLine(line: string, number: number): object {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw malformed(`Line ${number}`, 'is cut off, or no JSON');
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  throw malformed(`Line ${number}`, 'is no JSON object');
}

function malformed(place: string, what: string): CommandError {
  return new CommandError('MALFORMED', `${place} ${what}`, 'Mend it, or make the dump again');
}
