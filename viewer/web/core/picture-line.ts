import { type Envelope, type VideoStream, WIRE_TYPES } from '../../../protocol/wire/index.ts';
import type { UpdateName } from './decode/updates.ts';
import { describeFault } from './fault.ts';
import { Intake } from './intake.ts';
import type { Report } from './messages.ts';
import type { Platform } from './platform.ts';
import { type PresentedUpdate, Presenter } from './render/presenter.ts';
import { Screen } from './render/screen.ts';
import type { Part, PictureCanvas } from './render/surface.ts';
import { TrackSink } from './render/track-sink.ts';
import type { VideoState } from './stats.ts';

/** What a picture's way to the display works with. */
export interface PictureLineOptions {
  /** The canvas on the page. Ownership: the line's. */
  readonly picture: PictureCanvas;
  /** Makes a canvas that is not on the page. Units: pixels. */
  readonly newCanvas: (widthPx: number, heightPx: number) => PictureCanvas;
  /** Where pictures of the video go that a `<video>` plays; undefined where there is none. */
  readonly track: WritableStream<VideoFrame> | undefined;
  readonly platform: Platform;
  readonly visible: boolean;
  readonly presented: (updates: readonly PresentedUpdate[]) => void;
  /** An update of a picture that is no more has come to its end: there is nothing to present. */
  readonly void: (update: UpdateName) => void;
  /** An update was overtaken before it could be seen. */
  readonly dropped: () => void;
  readonly needKey: (stream: number) => void;
  readonly gaveUp: (stream: VideoStream) => void;
  readonly failed: (error: unknown) => void;
  /** Takes what is told; `transfer` names buffers that are given away with it. */
  readonly report: (report: Report, transfer: readonly ArrayBuffer[]) => void;
}

/** A picture's way through a viewer: from messages of pixels to what is seen. */
export class PictureLine {
  readonly #options: PictureLineOptions;
  readonly #screen: Screen;
  readonly #presenter: Presenter;
  readonly #intake: Intake;
  #isClear = false;
  /** Quarter turns of what is on the canvas, which the canvas does not have. */
  #turns = 0;

  /** @throws ERR_KVMFR_UNSUPPORTED when the canvas cannot be drawn on */
  constructor(options: PictureLineOptions) {
    const { platform, picture, newCanvas, track } = options;
    const { clock } = platform;
    this.#options = options;
    this.#screen = new Screen({
      picture,
      newCanvas,
      track: track === undefined ? undefined : new TrackSink({ writable: track }),
      placeVideo: (region) => this.#report({ kind: 'videoPlace', region }),
    });
    this.#presenter = new Presenter({
      clock,
      requestFrame: platform.requestFrame,
      layers: {
        paint: (part, onScreen) => this.#paint(part, onScreen),
        show: (video, isFirst) => {
          const shownUs = this.#screen.show(video, isFirst);
          this.#tellClear();
          return shownUs;
        },
        seen: () => this.#screen.seen(),
        waited: () => this.#screen.waited(),
        wake: () => this.#screen.wake(),
      },
      presented: options.presented,
      dropped: options.dropped,
      failed: options.failed,
    });
    this.#presenter.setVisible(options.visible);
    this.#intake = new Intake({
      clock,
      makeBitmap: platform.makeBitmap,
      newDecoder: platform.newDecoder,
      ready: (update) => this.#presenter.submit(update),
      void: options.void,
      needKey: options.needKey,
      gaveUp: options.gaveUp,
      failed: options.failed,
    });
  }

  /** The video that is decoded now. */
  get video(): VideoState | undefined {
    const { stream } = this.#intake;
    if (stream === undefined) return undefined;
    return { codec: stream.codec, codecString: stream.codecString, drawnBy: this.#screen.sink };
  }

  /** A connection begins. Units: the side of a tile in pixels. */
  begin(tilePx: number): void {
    this.#intake.begin(tilePx);
  }

  /** The connection has ended: what is decoded is seen, and what is not is forgotten. */
  lost(): void {
    this.#intake.clear();
    this.#presenter.flush();
  }

  setVisible(visible: boolean): void {
    this.#presenter.setVisible(visible);
  }

  /** A picture of the video was on the display. Units: of the clock. */
  onScreen(timestampUs: number, atMs: number): void {
    this.#presenter.onScreen(timestampUs, atMs);
  }

  /**
   * Takes a message, if it is one about the picture.
   *
   * @returns whether it was
   * @throws ERR_KVMFR_WIRE
   */
  take(envelope: Envelope): boolean {
    switch (envelope.type) {
      case WIRE_TYPES.picture:
        this.#intake.picture(envelope);
        return true;
      case WIRE_TYPES.tiles:
        this.#intake.tiles(envelope);
        return true;
      case WIRE_TYPES.moves:
        this.#intake.moves(envelope);
        return true;
      case WIRE_TYPES.image:
        this.#intake.image(envelope);
        return true;
      case WIRE_TYPES.videoStream:
        this.#intake.videoStream(envelope);
        this.#screen.restart();
        this.#report({ kind: 'stream' });
        return true;
      case WIRE_TYPES.cover:
        this.#intake.cover(envelope);
        return true;
      case WIRE_TYPES.video:
        this.#intake.video(envelope);
        return true;
      case WIRE_TYPES.times:
        this.#intake.times(envelope);
        return true;
      default:
        return false;
    }
  }

  /** Answers a question for the pixels that are seen. */
  readPixels(ask: number): void {
    try {
      this.#presenter.flush();
      const pixels = this.#screen.read();
      this.#options.report({ kind: 'pixels', ask, ...pixels }, [pixels.rgba.buffer]);
    } catch (error) {
      this.#report({ kind: 'refused', ask, ...describeFault(error) });
    }
  }

  /** Answers a question for a file of what is seen. */
  snapshot(ask: number): void {
    this.#presenter.flush();
    this.#screen.png(this.#turns).then(
      (png) => this.#report({ kind: 'snapshot', ask, png }),
      (error: unknown) => this.#report({ kind: 'refused', ask, ...describeFault(error) }),
    );
  }

  #paint(part: Part, onScreen: boolean): void {
    this.#screen.paint(part, onScreen);
    this.#tellClear();
    if (part.kind !== 'size') return;
    this.#turns = part.picture.rotation;
    this.#report({ kind: 'picture', picture: part.picture });
  }

  #tellClear(): void {
    const { isClear } = this.#screen;
    if (isClear === this.#isClear) return;
    this.#isClear = isClear;
    this.#report({ kind: 'clear', isClear });
  }

  #report(report: Report): void {
    this.#options.report(report, []);
  }
}
