/** What a track sink works with. */
export interface TrackSinkOptions {
  /** Where pictures go into the track that the page's `<video>` plays. */
  readonly writable: WritableStream<VideoFrame>;
}

/** A picture that is not on the screen after so many refreshes is written again: see `waited`. */
const AGAIN_EVERY = 3;
/** A track that shows nothing for so many refreshes, while something waits, will not. */
const LOST_AFTER = 60;

/**
 * Shows the video through a track that a `<video>` below the canvas plays: the browser draws it
 * without the canvas, and without this thread.
 *
 * Ownership: of pictures that are shown; each is closed by the track, or when a newer one overtakes it.
 */
export class TrackSink {
  readonly #writer: WritableStreamDefaultWriter<VideoFrame>;
  #isWriting = false;
  #isLost = false;
  #isBroken = false;
  /** The only picture that waits while another is being written. */
  #next: VideoFrame | undefined;
  /** What was shown last, kept for reading the picture and for writing it again. */
  #last: VideoFrame | undefined;
  #refreshes = 0;

  constructor(options: TrackSinkOptions) {
    this.#writer = options.writable.getWriter();
    this.#writer.closed.then(
      () => this.#break(),
      () => this.#break(),
    );
  }

  /** Whether it does not work in this browser, or does no more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** The newest picture that was to be shown. Ownership: the sink's. */
  get last(): VideoFrame | undefined {
    return this.#last;
  }

  /** Shows a picture; the answer is the timestamp by which the page tells that it is on the screen. */
  show(frame: VideoFrame): number {
    this.#last?.close();
    this.#last = frame.clone();
    this.#push(frame);
    return this.#last.timestamp;
  }

  /** A picture is on the screen: it works. */
  seen(): void {
    this.#refreshes = 0;
  }

  /** Another stream begins: what did not work may do so now, if nothing is broken. */
  retry(): void {
    this.#refreshes = 0;
    this.#isLost = this.#isBroken;
  }

  /**
   * The display was refreshed, and the newest picture is still not on it. A track forgets what comes
   * before somebody plays it, so the picture is written again now and then.
   */
  waited(): void {
    this.#refreshes += 1;
    if (this.#refreshes >= LOST_AFTER) this.#isLost = true;
    else if (this.#refreshes % AGAIN_EVERY === 0) this.again();
  }

  /** Writes the newest picture again. */
  again(): void {
    if (this.#last !== undefined && !this.#isLost) this.#push(this.#last.clone());
  }

  #push(frame: VideoFrame): void {
    if (this.#isWriting) {
      this.#next?.close();
      this.#next = frame;
      return;
    }
    this.#isWriting = true;
    this.#writer
      .write(frame)
      .catch(() => this.#break())
      .finally(() => {
        // The track has closed it, unless the writing failed.
        if (frame.format !== null) frame.close();
        this.#isWriting = false;
        const next = this.#next;
        this.#next = undefined;
        if (next !== undefined) this.#push(next);
      });
  }

  #break(): void {
    this.#isBroken = true;
    this.#isLost = true;
  }
}
