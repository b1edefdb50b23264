import type { PictureView } from '../../client/tiles/view.ts';
import type { Encoding, TileCodingName } from '../../protocol/wire/index.ts';

/**
 * What brings a viewer from one serial of the picture to another: messages to send in this order,
 * the last one flagged as such. Each is ready when its promise settles, so the first can be on its
 * way while the last is still being coded.
 *
 * Ownership: shared by all viewers that ask for the same; the messages are never written again.
 */
export interface EncodedUpdate {
  readonly epoch: number;
  /** Serial of the picture that was coded. */
  readonly to: number;
  /** All tiles that it draws, in rising order: images may draw more than was asked for. */
  readonly tiles: Uint32Array;
  readonly tileCount: number;
  /** Whether the tiles arrive exact to the bit. */
  readonly exact: boolean;
  /** Those of the tiles that another thread may have been changing while they were copied. */
  readonly torn: Uint32Array;
  readonly parts: readonly Promise<Uint8Array>[];
}

/** What an encoder has done since it was made. */
export interface EncoderStats {
  /** Updates that were coded. */
  readonly updates: number;
  /** Updates that somebody else had already asked for. */
  readonly shared: number;
  /** Bytes of pixels before coding. */
  readonly rawBytes: number;
  /** Bytes of messages after coding. */
  readonly codedBytes: number;
  /** Time from the start to the end of each part, added up over parts that run side by side. */
  readonly seconds: number;
}

/**
 * One way of coding the picture, shared by all viewers that are served in it.
 *
 * A picture changes between two calls, never during one: an encoder copies the pixels it needs
 * before {@link encode} returns and codes the copy afterwards.
 */
export interface Encoder {
  readonly encoding: Encoding;
  readonly stats: EncoderStats;
  /**
   * The update that brings tiles to how they are in the picture, or undefined while a large one is
   * being coded: ask again when the encoder says that it is idle. Two large ones at a time would
   * only make each other slow; when the first is done there is a newer picture to code. It may have
   * a few tiles more, when somebody else asked for those.
   *
   * @param tiles indices in rising order; the first `count` of them
   * @param coding a coding of lossless tiles that whoever it is for takes; one that everybody takes
   *   when left out
   * @param newest whether it is to lead to the picture's serial, whatever it has in it
   * @throws ERR_KVMFR_CLOSED after {@link close}
   */
  encodeTiles(
    picture: PictureView,
    tiles: Uint32Array,
    count: number,
    coding?: TileCodingName,
    newest?: boolean,
  ): EncodedUpdate | undefined;
  /** As {@link encodeTiles}, for all tiles that changed after a serial. */
  encode(picture: PictureView, from: number, coding?: TileCodingName): EncodedUpdate | undefined;
  /** Drops what is kept to be shared or used again, because nobody looks any more. */
  rest(): void;
  /** Settles when nothing is being coded any more. */
  close(): Promise<void>;
}

/** What every encoder is made with. */
export interface EncoderOptions {
  /** Called after a large update has been coded: whoever was refused can ask again. */
  readonly onIdle?: () => void;
}
