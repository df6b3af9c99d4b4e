// The files of the command itself, which are no files of a store: lines of a dump in, lines of a dump out.

import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { CommandError } from './command-errors.js';
import { LineWriter } from './output.js';

/** Standard input or output in the place of a file. */
const STANDARD = '-';
const NEWLINE = 10;
/** The signals that a person or a system ends a command with. */
const STOPS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Lines are made while so many bytes of a dump are being written. */
const AHEAD_BYTES = 1024 * 1024;

/** Lines that stand together, and the number of the first one, from 1. */
export interface LinePiece {
  readonly lines: readonly string[];
  readonly first: number;
  /** The bytes of the input up to the end of these lines. */
  readonly bytesRead: number;
}

/** Lines of a file, or of standard input for `-`. */
export class LineReader {
  readonly #input: AsyncIterable<Buffer>;
  /** The size of the file, or null for standard input. */
  readonly bytes: number | null;

  constructor(path: string) {
    this.bytes = path === STANDARD ? null : statSync(path).size;
    this.#input = inputOf(path);
  }

  /** Yields all lines in pieces. Throws MALFORMED with the number of a line that is no UTF-8. */
  async *pieces(): AsyncGenerator<LinePiece, void, undefined> {
    let rest: Buffer[] = [];
    let first = 1;
    let bytesRead = 0;
    for await (const chunk of this.#input) {
      bytesRead += chunk.length;
      const end = chunk.lastIndexOf(NEWLINE);
      if (end === -1) {
        rest.push(chunk);
        continue;
      }
      const lines = linesOf(Buffer.concat([...rest, chunk.subarray(0, end)]), first);
      rest = [chunk.subarray(end + 1)];
      yield { lines, first, bytesRead };
      first += lines.length;
    }
    const last = Buffer.concat(rest);
    if (last.length > 0) yield { lines: linesOf(last, first), first, bytesRead };
  }
}

function inputOf(path: string): AsyncIterable<Buffer> {
  return path === STANDARD ? process.stdin : createReadStream(path, { highWaterMark: 1024 * 1024 });
}

/** The next step for a file that is no dump from its first line on. */
const OTHER_KINDS =
  'If it is no dump: load also takes a JSON file, and the directory of a Level or lmdb database';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function linesOf(bytes: Buffer, first: number): string[] {
  try {
    return UTF8.decode(bytes).split('\n');
  } catch {
    let [line, at] = [first, 0];
    while (isUtf8(bytes.subarray(at, endOfLine(bytes, at)))) {
      at = endOfLine(bytes, at) + 1;
      line++;
    }
    const next = line === 1 ? OTHER_KINDS : 'Make the dump again';
    throw new CommandError('MALFORMED', `Line ${line} is no UTF-8`, next);
  }
}

function endOfLine(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(NEWLINE, at);
  return end === -1 ? bytes.length : end;
}

function isUtf8(bytes: Buffer): boolean {
  try {
    UTF8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** The longest text that is read as one string: Node.js makes no longer ones. */
const TEXT_BYTES_MAX = 512 * 1024 * 1024 - 64;

/** Returns the text of a whole file, or of standard input for `-`, without a byte order mark. */
export async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of inputOf(path)) {
    bytes += chunk.length;
    if (bytes > TEXT_BYTES_MAX) {
      const next = 'Make lines of a dump of it, which are read one by one';
      throw new CommandError('MALFORMED', `${shownPath(path)} has more than 512 MiB`, next);
    }
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new CommandError('MALFORMED', `${shownPath(path)} is no UTF-8`, 'Write it as UTF-8');
  }
}

/** Returns the names in a directory, or null when `path` is none. */
export function namesIn(path: string): string[] | null {
  return path !== STANDARD && statSync(path).isDirectory() ? readdirSync(path) : null;
}

/** Returns the version of this package. */
export function packageVersion(): string {
  // From src/cli and from the build, which is as deep.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function shownPath(path: string): string {
  return path === STANDARD ? 'Standard input' : path;
}

/**
 * Has `write` write lines to a file, or to standard output for `-`. The file gets its name when it is whole and durable, so
 * a dump that ends early leaves nothing.
 */
export async function writeLines(path: string, write: (lines: LineWriter) => Promise<void>): Promise<void> {
  if (path === STANDARD) {
    const lines = new LineWriter();
    await write(lines);
    return lines.flush();
  }
  const temporary = `${path}.${process.pid}.tmp`;
  const remove = () => rmSync(temporary, { force: true });
  const stops = STOPS.map((signal) => {
    const onStop = () => {
      remove();
      // Its only listener is gone: it ends the process.
      process.kill(process.pid, signal);
    };
    process.once(signal, onStop);
    return () => process.off(signal, onStop);
  });
  const fd = openSync(temporary, 'wx');
  try {
    const stream = createWriteStream(temporary, { fd, autoClose: false, highWaterMark: AHEAD_BYTES });
    const failed = once(stream, 'error').then(([error]) => Promise.reject(error));
    failed.catch(() => {});
    const lines = new LineWriter(stream);
    await Promise.race([write(lines).then(() => lines.flush()), failed]);
    await Promise.race([new Promise<void>((resolve) => stream.end(resolve)), failed]);
    fsyncSync(fd);
    renameSync(temporary, path);
  } catch (error) {
    remove();
    throw error;
  } finally {
    closeSync(fd);
    for (const stop of stops) stop();
  }
}
