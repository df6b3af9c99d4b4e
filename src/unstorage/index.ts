// The entry point of "keelson/unstorage": a driver for unstorage, and so for Nitro and Nuxt.

import '../node-version.js';

export {
  type KeelsonDriver,
  type KeelsonDriverItem,
  type KeelsonDriverOptions,
  keelsonDriver as default,
  keelsonDriver,
} from './keelson-driver.js';
