// The last word of a test run, for machines: `N passed, N failed, N skipped`, alone on the last line.
//
//   node scripts/closing-line.mjs REPORT RUNNER_STATUS
//
// REPORT is what vitest's json reporter wrote, RUNNER_STATUS the exit status of the run. Exits 1
// when the run failed in any way, and when it ran no test at all. Tests that passed at their second
// try are named before it; more than a few of them are a failure.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** How many tests may need a second try before the run counts as failed. */
const MOST_SECOND_TRIES = 3;

const [reportPath, runnerStatus] = process.argv.slice(2);
const report = readReport(reportPath);
const counts = { passed: 0, failed: 0, skipped: 0 };
let secondTries = 0;
for (const file of report.testResults) {
  let failedHere = 0;
  for (const test of file.assertionResults) {
    if (test.status === 'passed') {
      counts.passed++;
      // What failed in a try that was not the last stays with the test.
      const [first] = test.failureMessages ?? [];
      if (first === undefined) continue;
      secondTries++;
      process.stdout.write(
        `passed at the second try: ${test.fullName} (${relative('.', file.name)}): ${first.split('\n', 1)[0]}\n`,
      );
    } else if (test.status === 'failed') failedHere++;
    else {
      counts.skipped++;
      process.stdout.write(`skipped: ${test.fullName} (${relative('.', file.name)})\n`);
    }
  }
  // A file that could not be loaded, or a hook that threw, fails without a failed test of its own.
  if (file.status === 'failed' && failedHere === 0) {
    failedHere = 1;
    process.stdout.write(`failed as a whole: ${relative('.', file.name)}: ${file.message}\n`);
  }
  counts.failed += failedHere;
}
if (secondTries > MOST_SECOND_TRIES) {
  counts.failed++;
  process.stdout.write(
    `${secondTries} tests passed at the second try only, of which at most ${MOST_SECOND_TRIES} may\n`,
  );
}
// What went wrong outside of every test, for instance a rejection that nobody handled.
if (counts.failed === 0 && (runnerStatus !== '0' || !report.success)) {
  counts.failed = 1;
  process.stdout.write(`the runner ended with status ${runnerStatus}, with no test to blame\n`);
}
if (counts.passed + counts.failed === 0) process.stdout.write('no test was run\n');
process.stdout.write(
  `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    process.stdout.write(`the runner left no report: ${error.message}\n`);
    return { success: false, testResults: [] };
  }
}
