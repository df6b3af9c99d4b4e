// Runs the test files of KEELSON_TEST_ORDER one after the other, in that order, and tells of each as soon as it ends:
// a line of JSON behind a mark. test-run.ts reads it.

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type Reporter, type TestModule, type TestSpecification } from 'vitest/node';
import { type FileReport, REPORT_MARK } from './file-report.js';

const order: readonly string[] = JSON.parse(process.env['KEELSON_TEST_ORDER'] ?? '[]');

class AsGiven extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  return order.findIndex((file) => moduleId.endsWith(`/${file}`));
}

function tell(report: FileReport): void {
  process.stdout.write(`${REPORT_MARK}${JSON.stringify(report)}\n`);
}

function reportOf(module: TestModule): FileReport {
  const failed = [...module.children.allTests('failed')].map(({ fullName }) => fullName);
  const { collectDuration, duration, prepareDuration, setupDuration } = module.diagnostic();
  return {
    file: module.relativeModuleId,
    isPassed: module.ok(),
    failure: failed[0] ?? module.errors()[0]?.message ?? '',
    durationMs: collectDuration + duration + prepareDuration + setupDuration,
  };
}

const reporter: Reporter = {
  onTestModuleEnd: (module) => tell(reportOf(module)),
  onTestRunEnd(_, [error]) {
    // A test that is over may have left it behind: it is no test's, and a failure all the same.
    if (error !== undefined) tell({ file: '', isPassed: false, failure: error.message, durationMs: 0 });
  },
};

export default defineConfig({
  test: {
    root: process.cwd(),
    include: [...order],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 1,
    reporters: [reporter],
    sequence: { sequencer: AsGiven },
  },
});
