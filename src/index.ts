// The public door "keelson": re-exports only.

export * from './kv/index.js';
