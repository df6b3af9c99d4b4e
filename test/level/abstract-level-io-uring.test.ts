// The suite of abstract-level on io_uring.

import { describe } from 'vitest';
import { whyNoIoUring } from '../native/native-tools.js';
import { abstractLevelSuite } from './abstract-level-suite.js';

const why = whyNoIoUring();

describe.skipIf(why !== null)(
  `the suite of abstract-level, on io_uring${why === null ? '' : ` (skipped: ${why})`}`,
  () => abstractLevelSuite('io_uring'),
);
