import { channel } from 'node:diagnostics_channel';
import { MAX_STAGE_US } from '../../client/stage-histograms.ts';
import type { AckMessage } from '../../protocol/wire/index.ts';
import type { Acknowledged } from './flight.ts';
import type { Latency } from './latency.ts';
import type { Acknowledgement, ViewerTotals } from './viewer-info.ts';

/** Told of every {@link Acknowledgement} while somebody listens. */
const acknowledgements = channel('kvmfr:relay:acknowledged');

/** Where it is written down what viewers have presented. */
export interface ReceiptBook {
  readonly totals: ViewerTotals;
  readonly latency: Latency;
}

/** Takes note of what a viewer has presented, and tells who listens. */
export function recordReceipt(
  { totals, latency }: ReceiptBook,
  receipt: { readonly viewer: number; readonly ack: AckMessage; readonly done: Acknowledged },
): void {
  const { viewer, ack, done } = receipt;
  if (done.news) latency.record(done.stages, ack);
  if (acknowledgements.hasSubscribers) {
    const { epoch, serial } = ack;
    const message: Acknowledgement = { viewer, epoch, serial };
    acknowledgements.publish(message);
  }
  totals.updatesAcked += done.count;
  totals.decodeUs += believed(ack.decodeUs);
  totals.presentUs += believed(ack.presentUs);
}

/** What a viewer tells of its own times, as far as it can be true. */
function believed(us: number): number {
  return us <= MAX_STAGE_US ? us : 0;
}
