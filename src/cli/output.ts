// The output of the command: lines on standard output, in pieces, as fast as the reader takes them.

import { once } from 'node:events';

/** Lines are written together up to about this many characters. */
const PIECE_CHARACTERS = 65_536;

/** A writer of lines, in pieces. Await `line()` when it returns a promise: then the reader is slow. */
export class LineWriter {
  readonly #stream: NodeJS.WritableStream;
  #piece = '';

  constructor(stream: NodeJS.WritableStream = process.stdout) {
    this.#stream = stream;
  }

  /** Adds a line. Returns a promise when the reader must catch up. */
  line(text: string): Promise<void> | undefined {
    this.#piece += `${text}\n`;
    return this.#piece.length < PIECE_CHARACTERS ? undefined : this.flush();
  }

  /** Writes the lines that are left. */
  async flush(): Promise<void> {
    const piece = this.#piece;
    this.#piece = '';
    if (piece !== '' && !this.#stream.write(piece)) await once(this.#stream, 'drain');
  }
}

/** Prints one line. */
export function print(text: string): Promise<void> {
  const writer = new LineWriter();
  void writer.line(text);
  return writer.flush();
}

/** Prints `facts` as one line of JSON, or what `text` returns. */
export function report(facts: object, { json }: { readonly json?: true }, text: () => string): Promise<void> {
  return print(json ? JSON.stringify(facts) : text());
}

/** Returns an integer with commas between groups of three digits. */
export function grouped(value: number): string {
  // toLocaleString() takes 15 ms when it is first called.
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** Returns a number with its noun, as in `1 record` and `7 records`. */
export function counted(count: number, one: string, many: string): string {
  return count === 1 ? `1 ${one}` : `${grouped(count)} ${many}`;
}

/** Returns a number of entries as the start of a sentence, as in `7 entries are`. */
export function entriesAre(count: number): string {
  return counted(count, 'entry is', 'entries are');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Returns a number of bytes for people, as in 1.5 MiB. */
export function shownBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${UNITS[power]}`;
}
