import { type Codec, WIRE_SUBPROTOCOL } from '../../../protocol/wire/index.ts';
import { browserClock, type Clock } from './clock.ts';
import type { LossReason, OpenSocket } from './connection.ts';
import { newVideoDecoder, supportedCodecs } from './decode/codecs.ts';
import type { MakeBitmap } from './decode/image.ts';
import { canInflate } from './decode/inflate.ts';
import type { NewDecoder } from './decode/video.ts';

/** What the engine needs of the browser. Tests bring their own. */
export interface Platform {
  readonly clock: Clock;
  readonly openSocket: OpenSocket;
  readonly probe: (url: string) => Promise<LossReason>;
  readonly makeBitmap: MakeBitmap;
  /** Asks for a call right before the display is next refreshed. */
  readonly requestFrame: (run: () => void) => void;
  /**
   * Asks for a call at the next refresh of the display, with its time in milliseconds; undefined
   * where nothing follows the display.
   */
  readonly onRefresh?: ((run: (atMs: number) => void) => void) | undefined;
  /** A number from 0 to 1. */
  readonly random: () => number;
  /** When the clock was at 0. Units: milliseconds since 1970, by the browser's monotonic clock. */
  readonly originMs: number;
  /** Time of day. Units: milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly canInflate: boolean;
  /** Which video codecs can be decoded, the best first. */
  readonly codecs: () => Promise<readonly Codec[]>;
  readonly newDecoder: NewDecoder;
}

/** Opens a WebSocket with the project's subprotocol. */
export const openWebSocket: OpenSocket = (url, handlers) => {
  const socket = new WebSocket(url, WIRE_SUBPROTOCOL);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => handlers.opened();
  socket.onclose = () => handlers.closed();
  socket.onmessage = ({ data }: { readonly data: unknown }) =>
    handlers.message(data instanceof ArrayBuffer ? new Uint8Array(data) : undefined);
  return {
    send: (bytes) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: (code, reason) => socket.close(code, reason),
  };
};

/**
 * Asks the relay beside a socket's address why the socket was refused: browsers tell a page only
 * that it was.
 */
export async function probeRelay(url: string): Promise<LossReason> {
  const at = new URL('api/session', url);
  at.protocol = at.protocol === 'wss:' ? 'https:' : 'http:';
  at.search = new URL(url).search;
  const answer = await fetch(at, { cache: 'no-store', credentials: 'same-origin' });
  // The body is of no interest, but the connection should be free for the next attempt.
  await answer.body?.cancel();
  return answer.status === 401 ? 'unauthorized' : 'refused';
}

/** The browser this runs in: a page or a worker. */
export function browserPlatform(): Platform {
  return {
    clock: browserClock,
    openSocket: openWebSocket,
    probe: probeRelay,
    makeBitmap: (file, options) => createImageBitmap(file, options),
    requestFrame: (run) => {
      if (typeof requestAnimationFrame === 'function') requestAnimationFrame(() => run());
      else setTimeout(run, 16);
    },
    onRefresh:
      typeof requestAnimationFrame === 'function'
        ? (run) => void requestAnimationFrame(run)
        : undefined,
    random: () => Math.random(),
    originMs: performance.timeOrigin,
    wallMs: () => Date.now(),
    canInflate: canInflate(),
    codecs: supportedCodecs,
    newDecoder: newVideoDecoder,
  };
}
