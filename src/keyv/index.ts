// The entry point of "keelson/keyv": a storage adapter for Keyv.

import '../node-version.js';

export {
  KeyvKeelson as default,
  KeyvKeelson,
  type KeyvKeelsonCapabilities,
  type KeyvKeelsonEntry,
} from './keyv-keelson.js';
export type { KeyvKeelsonOptions } from './options.js';
