// The published tests of checkpoint savers, whole, with those of delta channels.

import { deltaChannelHistoryTests, validate } from '@langchain/langgraph-checkpoint-validation';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KeelsonSaver } from '../../src/langgraph/index.js';
import { inMemory } from '../../src/testing/index.js';

// The published tests expect the functions of the runner as globals.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });

const initializer = {
  checkpointerName: 'keelson/langgraph',
  createCheckpointer: async () => new KeelsonSaver(await inMemory().open('/memory')),
};

validate(initializer);
deltaChannelHistoryTests(initializer);
