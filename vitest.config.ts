import { defineConfig } from 'vitest/config';

/** Where a machine wants to read what happened, beside what people read. */
const report = process.env['KVMFR_TEST_REPORT'];

// biome-ignore lint/style/noDefaultExport: vitest reads its configuration from the default export
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/seed.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // What a browser or another process does is waited for as long as on a machine that has other work.
    expect: { poll: { timeout: 60_000 } },
    maxWorkers: 2,
    // Some tests run beside a browser, a virtual machine or processes that are killed, on machines
    // that stall. CI tries once more, and scripts/closing-line.mjs names each test that needed it.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    // A forgotten `.only` would leave the rest of its file untested.
    allowOnly: false,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
