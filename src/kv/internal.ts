// What the testing floor uses of the store beyond its public door: opening one on a disk of the caller's. Nobody else's.

export { absoluteDirectory } from '../journal/internal.js';
export { openStoreOn } from './open-store.js';
export { resolveStoreOptions } from './options.js';
