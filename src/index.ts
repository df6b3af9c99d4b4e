// The public door "keelson": checks the version of Node.js, and re-exports.

import './node-version.js';

export * from './kv/index.js';
