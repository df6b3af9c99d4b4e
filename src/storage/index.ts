// The door of src/storage: the storage interface, its engines, and the checksums of frames.

export { BackgroundCloses } from './background-closes.js';
export { type EnsureDirectoryOptions, ensureDirectory, flushNameOf, realPathOf } from './directories.js';
export { ENGINE_CHOICES, type EngineChoice, openStorage } from './engines.js';
export { FileWindow } from './file-window.js';
export * from './frame-checksums.js';
export { createFsStorage } from './fs-storage.js';
export { createIoUringStorage } from './io-uring-storage.js';
export { discard, type Publication, publishFile } from './publish-file.js';
export { readAhead, startRead, WINDOW_BYTES } from './read-ahead.js';
export { SearchBudget } from './search-budget.js';
export {
  backgroundStep,
  flushStep,
  runFlushesInBackground,
  runSteps,
  runStepsSync,
  type Steps,
  step,
} from './steps.js';
export type * from './storage.js';
export { isFailedFlush, storageError } from './storage-errors.js';
export { withTolerantReads } from './tolerant-reads.js';
