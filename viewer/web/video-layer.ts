import type { Command } from './core/messages.ts';

/** A track that is made of pictures as they come. Source: W3C MediaStreamTrack Insertable Media. */
interface GeneratedTrack extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

type NewGenerator = new (init: { readonly kind: 'video' }) => GeneratedTrack;

/** A `<video>` that plays what is written. */
export interface PlayingTrack {
  /** Ownership: to be given to who writes. */
  readonly writable: WritableStream<VideoFrame>;
  /** Puts the `<video>` on the page, if it is not there yet. */
  play(): void;
  /** Ends it. */
  stop(): void;
}

/**
 * Plays pictures in a `<video>`, and tells of each that is on the screen; undefined where the
 * browser cannot do that, or has no decoder whose pictures it would play.
 */
export function newTrack(
  newVideo: () => HTMLVideoElement,
  send: (command: Command) => void,
): PlayingTrack | undefined {
  const Generator: unknown = Reflect.get(globalThis, 'MediaStreamTrackGenerator');
  if (!isGenerator(Generator) || typeof VideoDecoder === 'undefined') return undefined;
  if (!('requestVideoFrameCallback' in HTMLVideoElement.prototype)) return undefined;
  const track = new Generator({ kind: 'video' });
  const ended = new AbortController();
  const { signal } = ended;
  const attach = () => {
    if (signal.aborted) return;
    const video = playInto(newVideo(), track, signal);
    watch(video, (command) => {
      if (!signal.aborted) send(command);
    });
  };
  let isPlaying = false;
  return {
    writable: track.writable,
    play() {
      if (isPlaying) return;
      isPlaying = true;
      // A page with a `<video>` that has no picture yet would not count as loaded.
      if (document.readyState === 'complete') attach();
      else window.addEventListener('load', attach, { once: true, signal });
    },
    stop() {
      ended.abort();
      track.stop();
    },
  };
}

function playInto(
  video: HTMLVideoElement,
  track: MediaStreamTrack,
  signal: AbortSignal,
): HTMLVideoElement {
  video.muted = true;
  video.playsInline = true;
  video.disablePictureInPicture = true;
  video.disableRemotePlayback = true;
  video.setAttribute('aria-hidden', 'true');
  video.srcObject = new MediaStream([track]);
  const play = () => void video.play().catch(() => undefined);
  // An element that is moved within the page, or was in the background for long, is paused.
  video.addEventListener('pause', play, { signal });
  document.addEventListener('visibilitychange', play, { signal });
  play();
  signal.addEventListener('abort', () => {
    video.srcObject = null;
    video.remove();
  });
  return video;
}

function watch(video: HTMLVideoElement, send: (command: Command) => void): void {
  video.requestVideoFrameCallback((_, { mediaTime }) => {
    const timestampUs = Math.round(mediaTime * 1_000_000);
    // The time that comes with the call is that of the refresh's beginning.
    send({ kind: 'onScreen', timestampUs, atMs: performance.timeOrigin + performance.now() });
    watch(video, send);
  });
}

function isGenerator(value: unknown): value is NewGenerator {
  return typeof value === 'function';
}
