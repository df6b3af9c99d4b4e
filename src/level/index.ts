// The entry point of "keelson/level": a Keelson store as a database of abstract-level.

import '../node-version.js';

export { KeelsonLevel } from './keelson-level.js';
export type { KeelsonLevelOpenOptions, KeelsonLevelOptions, LevelWriteOptions } from './level-options.js';
