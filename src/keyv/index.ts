// The entry point of "keelson/keyv": a storage adapter for Keyv.

import '../node-version.js';

export { KeyvKeelson as default, KeyvKeelson } from './keyv-keelson.js';
export type { KeyvKeelsonOptions } from './options.js';
