import { StageHistograms } from '../../client/stage-histograms.ts';
import {
  type AckMessage,
  RELAY_STAGES,
  type RelayStage,
  type RelayTimes,
  UNKNOWN_US,
  VIEWER_STAGES,
  type ViewerStage,
} from '../../protocol/wire/index.ts';

/** A stage of the way of a frame, or all of it from being published to being presented. */
export type LatencyStage = RelayStage | ViewerStage | 'total';

/** Every {@link LatencyStage}, in order. */
export const LATENCY_STAGES: readonly LatencyStage[] = [...RELAY_STAGES, ...VIEWER_STAGES, 'total'];

/** What a viewer tells of an update. Units: microseconds; `UNKNOWN_US` when not known. */
export type ViewerTimes = Pick<AckMessage, 'networkUs' | 'decodeUs' | 'presentUs'>;

/** The stages of `total`. The producer's is a span of the guest's clock, and before publishing. */
const SUMMED: readonly RelayStage[] = ['notice', 'arrive', 'apply', 'queue', 'encode', 'send'];

/**
 * How long each stage took, for every update that a viewer has acknowledged.
 *
 * `total` is the sum of the stages from `notice` on that are known, of updates whose viewer told all
 * of its own. It is an upper bound, as `notice` is.
 */
export class Latency {
  readonly histograms: StageHistograms<LatencyStage> = new StageHistograms(LATENCY_STAGES);

  /** Counts an update. Times of a viewer that cannot be true are left out. */
  record(stages: RelayTimes, viewer: ViewerTimes): void {
    const { histograms } = this;
    for (const stage of RELAY_STAGES) histograms.record(stage, stages[stage]);
    // What is not known is longer than anything that is believed.
    const { networkUs, decodeUs, presentUs } = viewer;
    const network = histograms.record('network', networkUs);
    const decode = histograms.record('decode', decodeUs);
    const present = histograms.record('present', presentUs);
    if (!network || !decode || !present) return;
    let totalUs = networkUs + decodeUs + presentUs;
    for (const stage of SUMMED) if (stages[stage] !== UNKNOWN_US) totalUs += stages[stage];
    histograms.record('total', totalUs);
  }
}
