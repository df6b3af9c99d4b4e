// The format of a dump: a header in the first line, and then an entry a line, all of it tagged JSON. Pure.

import type { SpaceFacts } from '../kv/internal.js';
import { CommandError } from './command-errors.js';
import { fromTagged, taggedText } from './tagged-json.js';

/** A later version is one that this code does not read. */
const VERSION = 1;

/** A namespace in the header. */
export type DumpedSpace = Omit<SpaceFacts, 'bytes'>;

/** The header of a dump. */
export interface DumpHeader {
  readonly id: string;
  readonly lsn: number;
  /** The number of lines that follow. */
  readonly entries: number;
  /** The store itself, whose name is '', and its namespaces. */
  readonly namespaces: readonly DumpedSpace[];
}

/** An entry of a dump. */
export interface DumpEntry {
  readonly namespace: string;
  readonly key: unknown;
  readonly value: unknown;
  readonly expiresAt?: number;
}

/** Returns the first line of a dump. */
export function headerLine(header: DumpHeader): string {
  return JSON.stringify({ keelson: 'dump', version: VERSION, ...header });
}

/** Returns the line of an entry. `namespace` is left out for the store itself. */
export function entryLine({ namespace, key, value, expiresAt }: DumpEntry): string {
  const place = namespace === '' ? '' : `"namespace":${JSON.stringify(namespace)},`;
  const end = expiresAt === undefined ? '' : `,"expiresAt":${expiresAt}`;
  return `{${place}"key":${taggedText(key)},"value":${taggedText(value)}${end}}`;
}

/** Reads the first line of a dump. */
export function readHeader(line: string): DumpHeader {
  const header = parseLine(line, 1) as { keelson?: unknown; version?: unknown } & DumpHeader;
  if (header.keelson !== 'dump') throw malformed(1, 'is not the header of a dump');
  if (header.version !== VERSION) {
    const what = `The dump has version ${header.version}; this keelson reads version ${VERSION}`;
    throw new CommandError(
      'MALFORMED',
      what,
      'Load it with the version of keelson that made it, or a newer one',
    );
  }
  const { id, lsn, entries, namespaces } = header;
  const isWhole =
    Number.isSafeInteger(entries) && Array.isArray(namespaces) && namespaces.every(areEncodings);
  if (!isWhole || namespaces[0]?.name !== '') throw malformed(1, 'is a header that lacks something');
  return { id, lsn, entries, namespaces };
}

function areEncodings(space: DumpedSpace | null): boolean {
  return [space?.name, space?.keyEncoding, space?.valueEncoding].every((text) => typeof text === 'string');
}

const FIELDS = ['namespace', 'key', 'value', 'expiresAt'];

/** Reads the line of an entry. Throws MALFORMED with the number of the line. */
export function readEntry(line: string, number: number): DumpEntry {
  const { namespace = '', ...rest } = parseLine(line, number) as Partial<DumpEntry>;
  const wrong = Object.keys(rest).find((name) => !FIELDS.includes(name));
  if (wrong !== undefined) throw malformed(number, `has an unknown field ${JSON.stringify(wrong)}`);
  const { expiresAt } = rest;
  if (typeof namespace !== 'string') throw malformed(number, 'has a namespace that is no string');
  if (!('key' in rest) || !('value' in rest)) throw malformed(number, 'has no key or no value');
  if (expiresAt !== undefined && !Number.isFinite(expiresAt))
    throw malformed(number, 'has no time as expiresAt');
  try {
    const entry = { namespace, key: fromTagged(rest.key), value: fromTagged(rest.value) };
    return expiresAt === undefined ? entry : { ...entry, expiresAt };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError('MALFORMED', `Line ${number}: ${error.what}`, error.next);
  }
}

function parseLine(line: string, number: number): object {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw malformed(number, 'is cut off, or no JSON');
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  throw malformed(number, 'is no JSON object');
}

function malformed(number: number, what: string): CommandError {
  return new CommandError('MALFORMED', `Line ${number} ${what}`, 'Mend the line, or make the dump again');
}
