// The inner door of the store, for src/testing only: opening a store on a storage of the caller.

export { absoluteDirectory } from '../journal/internal.js';
export { openStoreOn } from './open-store.js';
export { resolveStoreOptions } from './options.js';
