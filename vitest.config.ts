import { defineConfig } from 'vitest/config';

/** Fast tests need nothing but Node; behaviour has a real PostgreSQL; e2e runs real processes. */
export default defineConfig({
  test: {
    // One more than the smallest machine has cores: much of the time is spent waiting for clocks, disks and processes.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/vectors/**/*.test.ts', 'test/unit/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'behaviour',
          include: ['test/{behaviour,properties,migrations,never}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
