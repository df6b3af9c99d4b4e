// Transfers many bytes with system calls that may move fewer bytes at a time, or none. The call is a parameter, so
// that tests produce each outcome without a disk.

/** Limit of calls in a row that are interrupted or move nothing, after which a transfer fails. */
export const TRANSFER_RETRY_COUNT_MAX = 64;

/** Limit of bytes per call. Linux moves at most 2^31 - 4096 bytes, and Node refuses more than 2^31 - 1. */
const TRANSFER_STEP_BYTES_MAX = 2 ** 30;

const TRANSIENT_ERRNOS: readonly (string | undefined)[] = ['EINTR', 'EAGAIN'];

/** Receives the outcome of one call: its error, or the number of bytes that it moved. */
export type TransferCallback = (error: NodeJS.ErrnoException | null, movedBytes: number) => void;

/** Moves up to `length` bytes from or to `offset` of the memory with one call, and calls back later. */
export type TransferStep = (offset: number, length: number, callback: TransferCallback) => void;

/** Progress of one transfer. Decides whether the transfer goes on. */
class Progress {
  movedBytes = 0;
  ended: boolean;
  #fruitlessCount = 0;
  readonly #totalBytes: number;
  readonly #zeroIsEnd: boolean;

  constructor(totalBytes: number, zeroIsEnd: boolean) {
    this.#totalBytes = totalBytes;
    this.#zeroIsEnd = zeroIsEnd;
    this.ended = totalBytes === 0;
  }

  get stepBytes(): number {
    return Math.min(this.#totalBytes - this.movedBytes, TRANSFER_STEP_BYTES_MAX);
  }

  moved(bytes: number): void {
    if (bytes === 0 && this.#zeroIsEnd) {
      this.ended = true;
    } else if (bytes === 0) {
      this.#fruitless(new Error('The system took no byte, and gave no error, time after time'));
    } else {
      this.#fruitlessCount = 0;
      this.movedBytes += bytes;
      this.ended = this.movedBytes === this.#totalBytes;
    }
  }

  failed(error: NodeJS.ErrnoException): void {
    if (!TRANSIENT_ERRNOS.includes(error.code)) throw error;
    this.#fruitless(error);
  }

  #fruitless(error: Error): void {
    this.#fruitlessCount++;
    if (this.#fruitlessCount > TRANSFER_RETRY_COUNT_MAX) throw error;
  }
}

function transfer(
  progress: Progress,
  step: TransferStep,
  done: (error: Error | null, movedBytes: number) => void,
): void {
  if (progress.ended) {
    done(null, progress.movedBytes);
    return;
  }
  step(progress.movedBytes, progress.stepBytes, (error, movedBytes) => {
    try {
      if (error) progress.failed(error);
      else progress.moved(movedBytes);
    } catch (final) {
      done(final as Error, progress.movedBytes);
      return;
    }
    transfer(progress, step, done);
  });
}

/**
 * Calls `step` until `totalBytes` are written. Then calls `done` with null, or with the error that ended the
 * transfer.
 */
export function writeAll(totalBytes: number, step: TransferStep, done: (error: Error | null) => void): void {
  transfer(new Progress(totalBytes, false), step, done);
}

/** Calls `step` until `totalBytes` are read, or until a call reads 0 bytes, which is the end of the file. */
export function readAll(
  totalBytes: number,
  step: TransferStep,
  done: (error: Error | null, readBytes: number) => void,
): void {
  transfer(new Progress(totalBytes, true), step, done);
}

/** Blocking form of writeAll(). `step` returns the number of bytes that it wrote and throws its errors. */
export function writeAllSync(totalBytes: number, step: (offset: number, length: number) => number): void {
  const progress = new Progress(totalBytes, false);
  while (!progress.ended) {
    let movedBytes: number;
    try {
      movedBytes = step(progress.movedBytes, progress.stepBytes);
    } catch (error) {
      progress.failed(error as NodeJS.ErrnoException);
      continue;
    }
    progress.moved(movedBytes);
  }
}
