import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real fsyncs on a shared disk: a slow flush must not read as a failed fact.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // CommonJS dependencies look to tests as they look to Node, which does not unwrap `default`.
    deps: { interopDefault: false },
    typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'] },
  },
});
