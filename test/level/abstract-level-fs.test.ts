// The suite of abstract-level on node:fs.

import { describe } from 'vitest';
import { abstractLevelSuite } from './abstract-level-suite.js';

describe('the suite of abstract-level, on node:fs', () => abstractLevelSuite('fs'));
