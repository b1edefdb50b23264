import {
  encodeSound,
  type MicrophoneMessage,
  SOUND_RATE_HZ,
  type SoundState,
  type SoundWish,
  wireError,
} from '../../protocol/wire/index.ts';
import {
  SOUND_BLOCK_FRAMES,
  type SoundChunk,
  type SoundEncoder,
  type SoundEncoderOptions,
  startSoundEncoder,
} from '../encode/index.ts';
import type { GuestMicrophone, GuestSound } from '../hands/index.ts';
import { SOUND_PIECE_FRAMES, SoundBlocks, SoundPairs, type SoundPiece } from './sound-blocks.ts';
import { DeskSeat, type SoundSeat, type SoundSeatOptions } from './sound-seat.ts';

export type { SoundSeat, SoundSeatOptions } from './sound-seat.ts';

/** What a microphone may say in advance. Units: frames. */
const MICROPHONE_BURST = SOUND_RATE_HZ / 2;
/** An encoder is a process: whoever changes its mind all the time does not start one each time. */
const ENCODER_PAUSE_MS = 1000;

/** How a desk is made. */
export interface SoundDeskOptions {
  readonly sound: GuestSound | undefined;
  readonly microphone: GuestMicrophone | undefined;
  readonly openEncoder?: (options: SoundEncoderOptions) => SoundEncoder;
  readonly log: (line: string) => void;
  /** Units: milliseconds of any clock that does not jump. */
  readonly nowMs?: () => number;
}

/** What has become of sound since the desk was made. */
export interface SoundCounts {
  /** Pieces of 10 ms that the guest played while somebody listened. */
  played: number;
  /** Messages of sound that went to viewers. */
  sent: number;
  /** Messages that did not, because a viewer reads too slowly. */
  skipped: number;
  /** Pairs of pieces, of 20 ms, that the encoder could not take. */
  uncoded: number;
  /** Pieces of microphones that went to the guest. */
  said: number;
  /** Pieces of viewers that are not heard, or that say more than time has. */
  unsaid: number;
}

/**
 * Brings the guest's sound to all who listen, and one microphone to the guest: that of who has the
 * input.
 *
 * While nobody listens nothing is read, coded or sent. Nothing is queued: what a viewer's socket has
 * not written soon is not followed by more, and its gap is seen by the numbers.
 */
export class SoundDesk {
  readonly counts: SoundCounts = {
    ...{ played: 0, sent: 0, skipped: 0, uncoded: 0, said: 0, unsaid: 0 },
  };
  readonly #options: SoundDeskOptions;
  readonly #nowMs: () => number;
  readonly #seats = new Set<DeskSeat>();
  readonly #unwatch: readonly (() => void)[];
  readonly #blocks = new SoundBlocks((piece) => this.#play(piece));
  readonly #pairs = new SoundPairs((block) => {
    if (this.#encoder?.encode(block) !== true) this.counts.uncoded += 1;
  });
  #encoder: SoundEncoder | undefined;
  #encoderOpenedMs = Number.NEGATIVE_INFINITY;
  #stopListening: (() => void) | undefined;
  #speaker: DeskSeat | undefined;
  #credit = { frames: 0, atMs: 0 };

  constructor(options: SoundDeskOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    const look = (): void => this.#tell();
    this.#unwatch = [options.sound, options.microphone].flatMap((watched) =>
      watched === undefined ? [] : [watched.watch(look)],
    );
  }

  /** Who listens now. */
  get listeners(): number {
    let count = 0;
    for (const seat of this.#seats) if (seat.codec !== undefined) count++;
    return count;
  }

  /** Whether somebody speaks to the guest now. */
  get isHeard(): boolean {
    return this.#speaker !== undefined;
  }

  /** A viewer comes. */
  seat(options: SoundSeatOptions): SoundSeat {
    const seat: DeskSeat = new DeskSeat(options, {
      state: () => this.#stateOf(seat),
      wish: (wish) => this.#wish(seat, wish),
      microphoneWish: (on) => this.#microphoneWish(seat, on),
      say: (piece) => this.#say(seat, piece),
      look: () => this.#look(seat),
      moved: () => this.#attend(),
      nowMs: this.#nowMs,
      leave: () => this.#leave(seat),
      counts: this.counts,
    });
    this.#seats.add(seat);
    return seat;
  }

  /** Hears and says nothing any more. */
  async close(): Promise<void> {
    for (const unwatch of this.#unwatch) unwatch();
    this.#seats.clear();
    this.#speaker = undefined;
    this.#stopListening?.();
    this.#stopListening = undefined;
    await this.#closeEncoder();
  }

  #wish(seat: DeskSeat, { sound, codecs }: SoundWish): void {
    const takesOpus = codecs.includes('opus');
    seat.codec = sound ? (takesOpus ? 'opus' : 'pcm') : undefined;
    seat.takesOpus = takesOpus;
    if (!sound) seat.way = undefined;
    seat.measure();
    this.#attend();
    seat.look();
  }

  /** Listens while somebody wants to hear, and codes while somebody takes that. */
  #attend(): void {
    const { sound } = this.#options;
    const isWanted = this.listeners > 0;
    if (isWanted && this.#stopListening === undefined && sound !== undefined)
      this.#stopListening = sound.listen({
        packet: (packet) => this.#blocks.push(packet),
        ended: () => this.#blocks.end(),
      });
    if (!isWanted && this.#stopListening !== undefined) {
      this.#stopListening();
      this.#stopListening = undefined;
      // Whoever listens next hears another stream.
      this.#blocks.end();
    }
    const takesOpus = [...this.#seats].some(({ wantsOpus }) => wantsOpus);
    if (!takesOpus || sound === undefined) void this.#closeEncoder();
    else if (
      this.#encoder === undefined &&
      this.#nowMs() - this.#encoderOpenedMs >= ENCODER_PAUSE_MS
    ) {
      this.#encoderOpenedMs = this.#nowMs();
      this.#encoder = this.#openEncoder();
    }
  }

  #openEncoder(): SoundEncoder {
    const { openEncoder = startSoundEncoder, log } = this.#options;
    return openEncoder({
      onChunk: (chunk) => this.#coded(chunk),
      onState: (state) => {
        if (state.kind !== 'failed' || this.#encoder === undefined) return;
        log(`sound goes without compression: ${state.error.message}`);
        this.#tell();
      },
    });
  }

  async #closeEncoder(): Promise<void> {
    const encoder = this.#encoder;
    this.#encoder = undefined;
    await encoder?.close();
  }

  #play(piece: SoundPiece): void {
    this.counts.played += 1;
    // Between the halves of a pair nobody comes to another way: it would hear one of them twice.
    if (piece.sequence % 2 === 0) this.#choose();
    let plain: Uint8Array | undefined;
    let isCoded = false;
    for (const seat of this.#seats) {
      if (seat.way === 'opus') isCoded = true;
      if (seat.way !== 'pcm') continue;
      plain ??= plainMessage(piece);
      seat.play(plain, 'pcm');
    }
    if (isCoded) this.#pairs.push(piece);
  }

  #choose(): void {
    for (const seat of this.#seats) seat.measure();
    // One that was wanted too soon after another is begun now.
    if (this.#encoder === undefined && [...this.#seats].some(({ wantsOpus }) => wantsOpus))
      this.#attend();
    const isCoding = this.#encoder?.state.kind === 'ready';
    for (const seat of this.#seats)
      if (seat.codec !== undefined) seat.way = isCoding && seat.wantsOpus ? 'opus' : 'pcm';
  }

  #coded({ stream, sequence, atMs, last, bytes: data }: SoundChunk): void {
    const frames = SOUND_BLOCK_FRAMES;
    const message = encodeSound({ stream, sequence, atMs, last, frames, codec: 'opus', data });
    for (const seat of this.#seats) if (seat.way === 'opus') seat.play(message, 'opus');
  }

  #microphoneWish(seat: DeskSeat, on: boolean): void {
    if (on && this.#canSpeak(seat)) {
      this.#speaker = seat;
      seat.sequence = -1;
      this.#credit = { frames: MICROPHONE_BURST, atMs: this.#nowMs() };
    } else if (this.#speaker === seat) this.#speaker = undefined;
    // Also who is refused waits for an answer.
    seat.answer();
  }

  #say(seat: DeskSeat, { sequence, samples }: MicrophoneMessage): void {
    this.#look(seat);
    if (this.#speaker !== seat) {
      this.counts.unsaid += 1;
      return;
    }
    if (sequence <= seat.sequence)
      throw wireError(
        `pieces of a microphone rise, but ${sequence} has come after ${seat.sequence}`,
      );
    seat.sequence = sequence;
    const nowMs = this.#nowMs();
    const { frames, atMs } = this.#credit;
    const earned = ((nowMs - atMs) * SOUND_RATE_HZ) / 1000;
    const left = Math.min(MICROPHONE_BURST, frames + earned) - samples.length;
    const isInTime = left >= 0;
    this.#credit = { frames: isInTime ? left : left + samples.length, atMs: nowMs };
    if (isInTime) this.#options.microphone?.say(samples);
    this.counts[isInTime ? 'said' : 'unsaid'] += 1;
  }

  #canSpeak(seat: DeskSeat): boolean {
    const { microphone } = this.#options;
    return seat.mayAct && microphone?.ability.available === true && seat.holdsInput();
  }

  /** Who does not have the input any more is not heard any more. */
  #look(seat: DeskSeat): void {
    if (this.#speaker === seat && !this.#canSpeak(seat)) this.#speaker = undefined;
  }

  #leave(seat: DeskSeat): void {
    this.#seats.delete(seat);
    if (this.#speaker === seat) this.#speaker = undefined;
    this.#attend();
  }

  #stateOf(seat: DeskSeat): SoundState {
    const { sound, microphone } = this.#options;
    const ability = sound?.ability ?? { available: false, reason: NO_SOUND };
    const hasFailed = this.#encoder?.state.kind === 'failed';
    const mute = this.#whyMute(seat);
    return {
      available: ability.available,
      codec: seat.takesOpus && !seat.isNear && !hasFailed ? 'opus' : 'pcm',
      microphone: this.#speaker === seat ? 'on' : mute.none ? 'none' : 'off',
      recording: microphone?.recording === true,
      guestVolume: Math.round((sound?.loudness ?? 1) * 100) / 100,
      ...(ability.reason === undefined ? {} : { reason: ability.reason }),
      ...(mute.reason === undefined ? {} : { microphoneReason: mute.reason }),
    };
  }

  #whyMute(seat: DeskSeat): { readonly none: boolean; readonly reason?: string } {
    const ability = this.#options.microphone?.ability;
    if (ability === undefined) return { none: true };
    if (!seat.mayAct) return { none: true, reason: 'who only looks is not heard' };
    const { reason } = ability;
    if (!ability.available) return { none: true, ...(reason === undefined ? {} : { reason }) };
    if (seat.holdsInput()) return { none: false };
    return { none: false, reason: 'only who has keyboard and mouse is heard' };
  }

  #tell(): void {
    for (const seat of this.#seats) seat.look();
  }
}

const NO_SOUND = 'this relay was given no sound';

function plainMessage({ stream, sequence, atMs, last, samples }: SoundPiece): Uint8Array {
  const data = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const frames = SOUND_PIECE_FRAMES;
  return encodeSound({ stream, sequence, atMs, last, frames, codec: 'pcm', data });
}
