// The public door "keelson": re-exports only.

import './node-version.js';

export * from './kv/index.js';
