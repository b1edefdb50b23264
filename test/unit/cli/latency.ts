import { Measurement } from '../../../cli/latency/measurement.ts';
import { StageHistograms } from '../../../client/index.ts';
import { LocalReader } from '../../../client/reader/local.ts';
import { LATENCY_STAGES, type LatencyStage } from '../../../viewer/relay/index.ts';
import { FakeGuest } from '../relay/fake-guest.ts';

/** A measurement on a relay that does what the test says. */
export interface MeasuredStage {
  readonly guest: FakeGuest;
  readonly reader: LocalReader;
  readonly latency: StageHistograms<LatencyStage>;
  readonly measurement: Measurement;
}

/** Makes a measurement on a fake guest. */
export function measuredStage(
  options: { readonly listening?: boolean; readonly stimulus?: boolean } = {},
): MeasuredStage {
  const guest = new FakeGuest();
  const reader = new LocalReader(guest);
  const latency = new StageHistograms<LatencyStage>(LATENCY_STAGES);
  const measurement = new Measurement({
    relay: { latency, reader, viewers: [] },
    listening: options.listening ?? false,
    stimulus: options.stimulus ?? false,
    maxFps: undefined,
  });
  return { guest, reader, latency, measurement };
}
