import fc from 'fast-check';

/**
 * The suite runs its properties from one seed, so that what was green stays green: new ground is
 * gone over by `npm run fuzz`, by more runs (`KVMFR_FUZZ_RUNS`) and by other seeds (`KVMFR_FUZZ_SEED`).
 */
const SUITE_SEED = 20_260_101;

const asked = process.env['KVMFR_FUZZ_SEED'];
if (asked !== undefined) fc.configureGlobal({ seed: Number(asked) });
else if (process.env['KVMFR_FUZZ_RUNS'] === undefined) fc.configureGlobal({ seed: SUITE_SEED });
