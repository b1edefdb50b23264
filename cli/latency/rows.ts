import { LATENCY_STAGES, type LatencyStage } from '../../viewer/relay/index.ts';

/** What is measured: the stages of the way of a frame, and the answer to input. */
export type RowName = LatencyStage | 'inputToPicture' | 'inputToAck';

/** Every {@link RowName}, in order. */
export const ROW_NAMES: readonly RowName[] = [...LATENCY_STAGES, 'inputToPicture', 'inputToAck'];

/** What a stage is called, and from what to what it goes. */
export interface RowText {
  readonly title: string;
  readonly meaning: string;
}

/** The words for each row. */
export const ROW_TEXTS: { readonly [name in RowName]: RowText } = {
  producer: { title: 'producer', meaning: 'captured → published, says the guest' },
  notice: { title: 'notice', meaning: 'published → seen, at most' },
  arrive: { title: 'arrive', meaning: 'seen → its last row was there' },
  apply: { title: 'apply', meaning: '→ compared, copied, converted' },
  queue: { title: 'queue', meaning: '→ taken to be encoded' },
  encode: { title: 'encode', meaning: '→ coded' },
  send: { title: 'send', meaning: '→ handed to the socket' },
  network: { title: 'network', meaning: '→ received by the browser' },
  decode: { title: 'decode', meaning: '→ decoded' },
  present: { title: 'present', meaning: '→ handed to the display' },
  total: { title: 'total', meaning: 'published → displayed, at most' },
  inputToPicture: {
    title: 'input to picture',
    meaning: 'message posted → marker in picture',
  },
  inputToAck: { title: 'input to ack', meaning: 'message posted → shown' },
};

/** The stages that are stacked over time: they follow each other from the publishing on. */
export const STACKED: readonly RowName[] = LATENCY_STAGES.filter(
  (name) => name !== 'producer' && name !== 'total',
);

/** Why a row has no times. */
export interface Circumstances {
  /** What the guest's Looking Glass is called; undefined when none was seen. */
  readonly release: string | undefined;
  readonly listening: boolean;
  readonly frames: number;
  /** Whether a browser has looked. */
  readonly looked: boolean;
  readonly stimulus: boolean;
}

/** Why nobody has measured a row, in a word or two. */
export function missingReason(name: RowName, found: Circumstances): string {
  if (name === 'inputToPicture' || name === 'inputToAck') {
    if (!found.stimulus) return 'no --stimulus';
    if (name === 'inputToPicture' || found.looked) return 'no answer';
  }
  if (found.frames === 0) return 'no frames';
  if (name === 'producer') return `not told by ${found.release ?? 'the guest'}`;
  if (name === 'notice') return 'never waited for';
  if (name === 'arrive' || name === 'apply') return 'no frames';
  if (!found.listening) return 'no --listen';
  return found.looked ? 'not told' : 'no browser';
}
