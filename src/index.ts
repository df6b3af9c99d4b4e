// The public door of "keelson": re-exports only.

export * from './kv/index.js';
