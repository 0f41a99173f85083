import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** A file for the results as JSON, beside what people read; `.ci/run` counts from it. */
const reportFile = process.env.COFFER_TEST_REPORT

export default defineConfig({
  test: {
    include: ['packages/**/*.test.ts', 'services/**/*.test.ts', 'test/**/*.test.ts'],
    setupFiles: ['test/harness/nothing-left.ts'],
    pool: 'forks',
    // Most files wait, for servers that start, fail and recover: on two cores one at a time would leave one idle.
    maxWorkers: availableParallelism() + 1,
    // What a promise allows is in its test; this ends one that hangs, on however busy a machine.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    // What happens behind an answer is waited for, on however busy a machine; a second, the default, is not that.
    expect: { poll: { timeout: 60_000 } },
    reporters: reportFile === undefined ? ['default'] : ['default', ['json', { outputFile: reportFile }]],
  },
})
