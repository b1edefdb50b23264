import { StageHistograms } from './stage-histograms.ts';

/** The stages that a reader measures, in their order. */
export const READER_STAGES = ['producer', 'notice', 'arrive'] as const;
/** The name of a stage of the reader. */
export type ReaderStage = (typeof READER_STAGES)[number];

/** Numbers a client keeps while it lives. They only grow. */
export interface ClientStats {
  /** Publishers attached to, one after the other. */
  sessions: number;
  framesSeen: number;
  /** Frames the guest published that were passed over for newer ones. */
  framesSkipped: number;
  /** Frames whose rows never arrived. */
  framesGivenUp: number;
  /** Frames whose header was not to be believed, or whose format is not read. */
  framesRefused: number;
  /** Entries of a queue that name something outside of the region, and positions outside of it. */
  messagesRefused: number;
  /** Times the publisher stopped waiting for us. */
  timedOut: number;
  cursorMessages: number;
  cursorRefused: number;
  /**
   * How long each frame that came whole was under way to its reader: `producer` (captured -> published,
   * as publishers of KVMFR 34 tell it), `notice` (published -> seen, an upper bound, of frames that
   * were waited for) and `arrive` (seen -> its last row seen to be there).
   */
  readonly stages: StageHistograms<ReaderStage>;
}

/** The numbers of a client that has just been made. */
export function newClientStats(): ClientStats {
  return {
    sessions: 0,
    framesSeen: 0,
    framesSkipped: 0,
    framesGivenUp: 0,
    framesRefused: 0,
    messagesRefused: 0,
    timedOut: 0,
    cursorMessages: 0,
    cursorRefused: 0,
    stages: new StageHistograms(READER_STAGES),
  };
}
