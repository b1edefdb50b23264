import { randomInt } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../../client/clock.ts';
import type { Client, CursorStream, SessionInfo } from '../../client/index.ts';
import type { PictureView } from '../../client/tiles/view.ts';
import { type MarkedPicture, readMarker } from '../../host/index.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { FEATURES } from '../../protocol/kvmfr/session.ts';
import type { Acknowledgement, PictureUpdate, ViewerInfo } from '../../viewer/relay/index.ts';
import type { Measurement } from './measurement.ts';

/** Longest time until an answer is no longer waited for. */
const ANSWER_MS = 2000;
/** Until a browser has shown what is in the picture. */
const ACK_MS = 1000;
/** Messages without any answer after which the publisher is given up. */
const MAX_SILENCE = 3;
/** Between an answer and the next message: at random, so that no rhythm of the guest's is met. */
const MIN_PAUSE_MS = 30;
const MAX_PAUSE_MS = 130;
const RETRY_MS = 20;
/** Where the pointer goes: positions that every pattern has. */
const FIELD = { x: 16, y: 16, width: 287, height: 168 } as const;

/** The tiles of a picture in which the marker is. */
const MARKER_TILES: Uint32Array = Uint32Array.of(0, 1);

interface Question {
  readonly x: number;
  readonly y: number;
  readonly postedMs: number;
  readonly answered: () => void;
  /** Where the answer is in the picture; undefined until it is there. */
  picture?: { readonly epoch: number; readonly serial: number };
}

/** The loop over a guest's pointer, by which it is asked to move it. */
type PointerLoop = AsyncIterable<unknown> & Pick<CursorStream, 'moveTo' | 'return'>;

/** What a stimulus needs of a client. */
export interface StimulatedClient extends Pick<Client, 'path' | 'attached'> {
  cursor(options: { readonly signal: AbortSignal }): PointerLoop;
}

/** What a stimulus needs of a relay. */
export interface StimulatedRelay {
  readonly viewers: readonly Pick<ViewerInfo, 'visible'>[];
  readonly reader: {
    readonly picture: MarkedPicture & Pick<PictureView, 'epoch' | 'serial' | 'grid' | 'beginRead'>;
  };
}

/** What a stimulus is made with. */
export interface StimulusOptions {
  readonly client: StimulatedClient;
  readonly relay: StimulatedRelay;
  readonly measurement: Pick<Measurement, 'answered'>;
}

/**
 * Asks a synthetic guest to move its pointer, again and again, and measures until the marker that it
 * answers with is in the picture, and until a browser has shown that.
 *
 * The message is SETCURSORPOS, which moves the pointer and nothing else, in every publisher.
 */
export class Stimulus {
  readonly #options: StimulusOptions;
  readonly #torn: Uint32Array<ArrayBuffer> = new Uint32Array(MARKER_TILES.length);
  #question: Question | undefined;
  #sent = 0;
  #seen = 0;

  constructor(options: StimulusOptions) {
    this.#options = options;
  }

  /** Messages that were posted, and those whose marker was seen. */
  get counts(): { readonly sent: number; readonly seen: number } {
    return { sent: this.#sent, seen: this.#seen };
  }

  /**
   * Asks until the signal fires.
   *
   * @throws ERR_KVMFR_UNSUPPORTED when the publisher is not our pattern, or takes no such message;
   *   ERR_KVMFR_TIMEOUT when it never answers
   */
  async run(signal: AbortSignal): Promise<void> {
    const cursor = this.#options.client.cursor({ signal });
    const drained = drain(cursor);
    const hear = (message: unknown): void => {
      if (isAcknowledgement(message)) this.#acknowledged(message);
    };
    subscribe('kvmfr:relay:acknowledged', hear);
    try {
      for (let turn = 0; !signal.aborted; turn++) {
        const session = await this.#options.client.attached(signal);
        checkPattern(session);
        await this.#ask(cursor, turn, signal);
        if (this.#seen === 0 && this.#sent >= MAX_SILENCE) throw noAnswer(this.#options.client);
        await sleep(randomInt(MIN_PAUSE_MS, MAX_PAUSE_MS), undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unsubscribe('kvmfr:relay:acknowledged', hear);
      await cursor.return();
      await drained;
    }
  }

  /** Looks for the marker in a picture that was brought up to date. */
  updated({ outcome, epoch, serial, times }: PictureUpdate): void {
    const question = this.#question;
    if (question === undefined || question.picture !== undefined || outcome !== 'changed') return;
    const { relay, measurement } = this.#options;
    const { picture } = relay.reader;
    // Another thread may be at a newer frame than the one that is told. Then the times are not those
    // of what is seen, and the next update has it as well.
    if (picture.epoch !== epoch || picture.serial !== serial) return;
    if (picture.grid.tileCount < MARKER_TILES.length) return;
    const read = picture.beginRead();
    const found = readMarker(picture);
    if (read.end(MARKER_TILES, MARKER_TILES.length, this.#torn) > 0) return;
    if (found?.x !== question.x || found.y !== question.y) return;
    this.#seen++;
    measurement.answered('inputToPicture', times.appliedMs - question.postedMs);
    question.picture = { epoch, serial };
    if (!relay.viewers.some(({ visible }) => visible)) question.answered();
  }

  #acknowledged({ epoch, serial }: Acknowledgement): void {
    const question = this.#question;
    const picture = question?.picture;
    if (question === undefined || picture?.epoch !== epoch || serial < picture.serial) return;
    // The acknowledgement of what follows says nothing more.
    this.#question = undefined;
    this.#options.measurement.answered('inputToAck', monotonicMs() - question.postedMs);
    question.answered();
  }

  /** Posts a message and waits for its answer. */
  async #ask(cursor: PointerLoop, turn: number, signal: AbortSignal): Promise<void> {
    const x = FIELD.x + (turn % FIELD.width);
    const y = FIELD.y + ((turn * 7) % FIELD.height);
    const { promise, resolve } = newPromise();
    const postedMs = monotonicMs();
    this.#question = { x, y, postedMs, answered: resolve };
    if (!cursor.moveTo({ x, y })) {
      this.#question = undefined;
      await sleep(RETRY_MS, undefined, { signal });
      return;
    }
    this.#sent++;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), ANSWER_MS + ACK_MS);
    const stop = AbortSignal.any([signal, patience.signal]);
    stop.addEventListener('abort', resolve, { once: true });
    await promise;
    clearTimeout(timer);
    stop.removeEventListener('abort', resolve);
    this.#question = undefined;
  }
}

function newPromise(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Reads the pointer's messages away: a subscriber that does not would hold the guest up. */
async function drain(cursor: PointerLoop): Promise<void> {
  for await (const _ of cursor);
}

/** @throws ERR_KVMFR_UNSUPPORTED */
function checkPattern({ release, vm, features }: SessionInfo): void {
  const hint =
    'Publish one with kvmfr host REGION --source pattern, or measure without --stimulus.';
  if (vm?.capture !== 'pattern')
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `--stimulus pattern needs the pattern of kvmfr host, which answers to input; this guest (Looking Glass ${release}) captures with ${vm?.capture || 'something it does not name'}`,
      { hint },
    );
  if ((features & FEATURES.setCursorPos) === 0)
    throw new KvmfrError(
      'ERR_KVMFR_UNSUPPORTED',
      `--stimulus pattern needs a guest that takes SETCURSORPOS, and this one says that it does not`,
      { hint },
    );
}

function noAnswer(client: StimulatedClient): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_TIMEOUT',
    `the pattern in ${client.path} was asked ${MAX_SILENCE} times to move its pointer, and showed no marker in ${ANSWER_MS} ms each`,
    {
      hint: 'It may be of an older version of kvmfr, or another client moves its pointer all the time.',
    },
  );
}

function isAcknowledgement(message: unknown): message is Acknowledgement {
  return (
    typeof message === 'object' && message !== null && 'serial' in message && 'epoch' in message
  );
}
