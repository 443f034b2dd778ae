import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest first: one that began late would keep everybody waiting at the end. */
const longest = [
  'backup.test.ts',
  'rotation-under-fire.test.ts',
  'key-rotation.test.ts',
  'restore-withdrawals.test.ts',
  'jobs.test.ts',
  'cli-keys.test.ts',
  'processes.test.ts',
  'now.test.ts',
  'access-table-changes.test.ts',
  'access-table-routes.test.ts',
  'lying-database.test.ts',
  'cli-trouble.test.ts',
  'embedded-start.test.ts',
  'embedded-database.test.ts',
  'access-table.test.ts',
  'root-key-files.test.ts',
  'package.test.ts',
  'cli-server-side.test.ts',
  'readme-tour.test.ts',
  'nothing-lost.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = longest.findIndex((name) => moduleId.endsWith(`/${name}`));
      return place === -1 ? longest.length : place;
    };
    return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
  }
}

/** Fast tests need nothing but Node; behaviour has a real PostgreSQL; e2e runs real processes. */
export default defineConfig({
  test: {
    // Twice what the smallest machine has cores: much of the time is spent waiting for clocks and processes.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
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
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 600_000,
          hookTimeout: 480_000,
        },
      },
    ],
  },
});
