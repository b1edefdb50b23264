import type { Rect } from '../../../protocol/rect.ts';
import type {
  ClipboardKind,
  ClipboardState,
  Codec,
  Encoding,
  InputEvent,
  InputState,
  InputWish,
  PictureMessage,
  SoundState,
} from '../../../protocol/wire/index.ts';
import type { LatencySample } from './latency.ts';
import type { SoundCommand } from './sound/listening.ts';
import type { ViewStats } from './stats.ts';
import type { ViewStatus } from './status.ts';

/** Contents of a clipboard, of each kind that there is. */
export type ClipboardContents = { readonly [kind in ClipboardKind]?: Blob };

/** How a viewer wants the picture to travel. */
export type EncodingChoice = Encoding | 'auto';

/** The first message to a worker, once. Ownership: the canvas is the worker's from here on. */
export interface StartCommand {
  readonly kind: 'start';
  readonly canvas: OffscreenCanvas;
  /** Where pictures of the video go that a `<video>` of the page plays, if it can. */
  readonly track: WritableStream<VideoFrame> | undefined;
  readonly visible: boolean;
}

/** What the element asks of the engine. The same over the border of a worker and without one. */
export type Command =
  | { readonly kind: 'connect'; readonly url: string }
  | { readonly kind: 'disconnect' }
  /** The network may be back. */
  | { readonly kind: 'hurry' }
  | { readonly kind: 'visible'; readonly visible: boolean }
  /**
   * A picture of the video is on the screen. Units: microseconds, the picture's own timestamp;
   * milliseconds since 1970 by the page's monotonic clock.
   */
  | { readonly kind: 'onScreen'; readonly timestampUs: number; readonly atMs: number }
  | { readonly kind: 'encoding'; readonly encoding: EncodingChoice }
  /** Whether `latency` is to be reported of each update. */
  | { readonly kind: 'trace'; readonly on: boolean }
  /** What a person has done. Units: milliseconds since 1970 by the page's monotonic clock. */
  | { readonly kind: 'input'; readonly events: readonly InputEvent[]; readonly atMs: number }
  | { readonly kind: 'inputWish'; readonly wish: InputWish }
  /** What this side has for the guest's clipboard, under a number that no other offer has. */
  | {
      readonly kind: 'clipboardOffer';
      readonly offer: number;
      readonly contents: ClipboardContents;
    }
  /** What the guest offered under this number is wanted. */
  | {
      readonly kind: 'clipboardRead';
      readonly ask: number;
      readonly offer: number;
      readonly contents: ClipboardKind;
    }
  | { readonly kind: 'sound'; readonly command: SoundCommand }
  | { readonly kind: 'pixels'; readonly ask: number }
  | { readonly kind: 'snapshot'; readonly ask: number };

/** The pointer's position in pixels of the guest's screen. */
export interface CursorPosition {
  readonly visible: boolean;
  readonly x: number;
  readonly y: number;
  readonly shapeId: number;
}

/** The pointer's shape: R, G, B, A by rows, straight alpha. */
export interface CursorShape {
  readonly shapeId: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly hotspotX: number;
  readonly hotspotY: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** What the engine tells the element. */
export type Report =
  /** The engine runs. Comes first, once. */
  | { readonly kind: 'ready' }
  /** The relay has introduced itself. */
  | {
      readonly kind: 'hello';
      readonly version: string;
      readonly encodings: readonly Encoding[];
      readonly codecs: readonly Codec[];
      readonly viewOnly: boolean;
    }
  /** Which video codecs this browser decodes. Comes once it is known, and when one has failed. */
  | { readonly kind: 'codecs'; readonly codecs: readonly Codec[] }
  | { readonly kind: 'status'; readonly status: ViewStatus }
  /** The relay will send video. */
  | { readonly kind: 'stream' }
  /** The first update of this picture is on the canvas. */
  | { readonly kind: 'picture'; readonly picture: PictureMessage }
  /** Whether nothing is on the canvas any more, because the video is seen everywhere. */
  | { readonly kind: 'clear'; readonly isClear: boolean }
  /** The `<video>` is to lie below this part of the picture. */
  | { readonly kind: 'videoPlace'; readonly region: Rect }
  | { readonly kind: 'presented'; readonly epoch: number; readonly serial: number }
  /** Who may act on the guest; undefined when nobody can. */
  | { readonly kind: 'input'; readonly state: InputState | undefined }
  /** How it stands with the clipboards; undefined when they stay apart. */
  | { readonly kind: 'clipboard'; readonly state: ClipboardState | undefined }
  /** What was asked for of the guest's clipboard; undefined for a reason. */
  | {
      readonly kind: 'clipboardContents';
      readonly ask: number;
      readonly contents: Blob | undefined;
      readonly reason: string;
    }
  /** What of the guest's sound there is; undefined when there is none. */
  | { readonly kind: 'sound'; readonly state: SoundState | undefined }
  | { readonly kind: 'cursor'; readonly cursor: CursorPosition }
  | { readonly kind: 'cursorShape'; readonly shape: CursorShape }
  | { readonly kind: 'stats'; readonly stats: ViewStats }
  | { readonly kind: 'latency'; readonly sample: LatencySample }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'pixels';
      readonly ask: number;
      readonly widthPx: number;
      readonly heightPx: number;
      readonly rgba: Uint8ClampedArray<ArrayBuffer>;
    }
  | { readonly kind: 'snapshot'; readonly ask: number; readonly png: Blob }
  /** A question could not be answered. */
  | {
      readonly kind: 'refused';
      readonly ask: number;
      readonly code: string;
      readonly message: string;
    };
