import type { Rect } from '../../protocol/rect.ts';
import type { Channel } from './channel.ts';
import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import { FrameStream } from './frames.ts';
import type { ChannelPart } from './part.ts';
import { copyOf, Surface } from './surface.ts';
import { type Body, brokenSpice } from './wire/body.ts';
import {
  DISPLAY_CAPABILITIES,
  DISPLAY_FROM_SERVER,
  type DrawBase,
  decodeBitmap,
  decodeBrush,
  decodeDrawBase,
  decodeDrawImage,
  decodeHasMask,
  decodeImageHeader,
  decodeSurfaceCreate,
  encodeDisplayInit,
  encodeUncompressed,
  IMAGE_CACHE_ME,
  IMAGE_TYPES,
  type Palettes,
  type Pixels,
  ROP,
} from './wire/display.ts';
import {
  MAX_DISPLAY_MESSAGE_BYTES,
  MAX_IMAGE_CACHE_BYTES,
  MAX_PALETTES,
  MAX_SURFACES,
  MAX_SURFACES_PX,
} from './wire/limits.ts';

/** Draws with one message more of this are the last ones of the table of the server. */
const FIRST_DRAW = DISPLAY_FROM_SERVER.drawFill;
const LAST_DRAW = DISPLAY_FROM_SERVER.drawComposite;

/** Which screen there is to show. */
export interface ScreenChange {
  /** Undefined while the server shows none. */
  readonly screen: Surface | undefined;
}

/** The screen that QEMU has: firmware, boot loader, text console, and adapters that it emulates. */
export class SpiceDisplay implements ChannelPart {
  readonly channel = 'display';
  /** Of the codecs of video streams none is named, so the server sends none. */
  readonly capabilities: readonly number[] = [
    DISPLAY_CAPABILITIES.sizedStream,
    DISPLAY_CAPABILITIES.monitorsConfig,
    DISPLAY_CAPABILITIES.preferredCompression,
    DISPLAY_CAPABILITIES.multiCodec,
  ];
  readonly maxMessageBytes: number = MAX_DISPLAY_MESSAGE_BYTES;
  readonly #surfaces = new Map<number, Surface>();
  #surfacesPx = 0;
  readonly #images = new Map<bigint, Pixels>();
  #imageBytes = 0;
  readonly #palettes: Palettes = new Map();
  readonly #streams = new Set<FrameStream>();
  readonly #screens: EventSource<ScreenChange> = new EventSource(1);
  #toldScreen: Surface | undefined;
  #primary: number | undefined;
  #shown = false;
  #serial = 0;
  #passedOver = 0;
  #closed = false;

  /** The screen; undefined while the server shows none. */
  get screen(): Surface | undefined {
    return this.#shown && this.#primary !== undefined
      ? this.#surfaces.get(this.#primary)
      : undefined;
  }

  /** Number of the newest draw. */
  get serial(): number {
    return this.#serial;
  }

  /** Draws that are not done here: compressed images, masks, patterns, video. The screen lacks them. */
  get passedOver(): number {
    return this.#passedOver;
  }

  /** The screen as it is now, then each time that it has changed; slow loops get the newest. */
  frames(options: EventStreamOptions = {}): FrameStream {
    const stream = new FrameStream({
      feed: this,
      signal: options.signal,
      onEnd: (ended) => this.#streams.delete(ended),
    });
    if (this.#closed) stream.end();
    else if (options.signal?.aborted !== true) this.#streams.add(stream);
    return stream;
  }

  /** The screen now, then each time that there is another one, or none. */
  screens(options: EventStreamOptions = {}): EventStream<ScreenChange> {
    return this.#screens.stream(options, { screen: this.screen });
  }

  /** For the session: a channel is linked. */
  attach(channel: Channel): void {
    this.#forget();
    channel.send(encodeDisplayInit());
    channel.send(encodeUncompressed());
  }

  /** For the session: a message came. */
  message(type: number, body: Body): boolean {
    if (type >= FIRST_DRAW && type <= LAST_DRAW && this.#isDraw(type)) {
      this.#draw(type, body);
      return true;
    }
    switch (type) {
      case DISPLAY_FROM_SERVER.copyBits:
        this.#copyBits(body);
        return true;
      case DISPLAY_FROM_SERVER.surfaceCreate:
        this.#create(body);
        return true;
      case DISPLAY_FROM_SERVER.surfaceDestroy:
        this.#destroy(body.u32('surface'));
        return true;
      case DISPLAY_FROM_SERVER.mark:
        this.#show();
        return true;
      case DISPLAY_FROM_SERVER.reset:
        this.#forget();
        return true;
      case DISPLAY_FROM_SERVER.invalList:
        this.#invalidate(body);
        return true;
      case DISPLAY_FROM_SERVER.invalAllPixmaps:
        this.#images.clear();
        this.#imageBytes = 0;
        return true;
      case DISPLAY_FROM_SERVER.invalPalette:
        this.#palettes.delete(body.u64('palette id'));
        return true;
      case DISPLAY_FROM_SERVER.invalAllPalettes:
        this.#palettes.clear();
        return true;
      case DISPLAY_FROM_SERVER.mode:
      case DISPLAY_FROM_SERVER.monitorsConfig:
      case DISPLAY_FROM_SERVER.streamDestroy:
      case DISPLAY_FROM_SERVER.streamDestroyAll:
        return true;
      case DISPLAY_FROM_SERVER.streamCreate:
      case DISPLAY_FROM_SERVER.streamData:
      case DISPLAY_FROM_SERVER.streamDataSized:
      case DISPLAY_FROM_SERVER.streamClip:
        this.#passedOver += 1;
        return true;
      default:
        return false;
    }
  }

  /** For the session: the channel is gone. The screen stays with who holds a frame of it. */
  detach(): void {
    this.#forget();
  }

  /** For the session: nothing follows. */
  close(): void {
    this.#closed = true;
    this.#forget();
    for (const stream of [...this.#streams]) stream.end();
    this.#screens.close();
  }

  #tellScreen(): void {
    const { screen } = this;
    if (screen === this.#toldScreen) return;
    this.#toldScreen = screen;
    this.#screens.emit({ screen });
  }

  #isDraw(type: number): boolean {
    return type < DISPLAY_FROM_SERVER.surfaceCreate || type === DISPLAY_FROM_SERVER.drawComposite;
  }

  #forget(): void {
    this.#surfaces.clear();
    this.#surfacesPx = 0;
    this.#images.clear();
    this.#imageBytes = 0;
    this.#palettes.clear();
    this.#primary = undefined;
    this.#shown = false;
    this.#tellScreen();
  }

  #create(body: Body): void {
    const { id, widthPx, heightPx, isPrimary } = decodeSurfaceCreate(body);
    this.#destroy(id);
    const sizePx = widthPx * heightPx;
    if (this.#surfaces.size >= MAX_SURFACES || this.#surfacesPx + sizePx > MAX_SURFACES_PX)
      throw brokenSpice(
        `at most ${MAX_SURFACES} surfaces of ${MAX_SURFACES_PX} pixels together are kept, but ${this.#surfaces.size} of ${this.#surfacesPx} are there and ${widthPx} x ${heightPx} more are wanted`,
      );
    this.#surfaces.set(id, new Surface(widthPx, heightPx));
    this.#surfacesPx += sizePx;
    if (!isPrimary) return;
    this.#primary = id;
    this.#shown = false;
    this.#tellScreen();
  }

  #destroy(id: number): void {
    const surface = this.#surfaces.get(id);
    if (surface === undefined) return;
    this.#surfaces.delete(id);
    this.#surfacesPx -= surface.widthPx * surface.heightPx;
    if (id !== this.#primary) return;
    this.#primary = undefined;
    this.#shown = false;
    this.#tellScreen();
  }

  #show(): void {
    if (this.#primary === undefined || this.#shown) return;
    this.#shown = true;
    this.#tellScreen();
    for (const stream of this.#streams) stream.changed();
  }

  #surfaceOf(base: DrawBase): Surface {
    const surface = this.#surfaces.get(base.surface);
    if (surface !== undefined) return surface;
    throw brokenSpice(`a draw must be on a surface that there is, but is on ${base.surface}`);
  }

  #drawn(base: DrawBase, parts: readonly Rect[]): void {
    this.#serial += 1;
    if (base.surface !== this.#primary) return;
    this.#show();
    for (const part of parts) for (const stream of this.#streams) stream.changed(part);
  }

  #draw(type: number, body: Body): void {
    const base = decodeDrawBase(body);
    const surface = this.#surfaceOf(base);
    const parts = surface.parts(base.box, base.clip);
    if (this.#drawParts(type, body, { base, surface, parts })) this.#drawn(base, parts);
    else this.#passedOver += 1;
  }

  #drawParts(
    type: number,
    body: Body,
    at: { readonly base: DrawBase; readonly surface: Surface; readonly parts: readonly Rect[] },
  ): boolean {
    switch (type) {
      case DISPLAY_FROM_SERVER.drawCopy:
      case DISPLAY_FROM_SERVER.drawBlend:
        return this.#drawImage(body, at);
      case DISPLAY_FROM_SERVER.drawOpaque:
        return this.#drawOpaque(body, at);
      case DISPLAY_FROM_SERVER.drawFill: {
        const brush = decodeBrush(body);
        const rop = body.u16('rop');
        if (decodeHasMask(body) || brush.kind === 'pattern') return false;
        const color = brush.kind === 'solid' ? brush.color : undefined;
        if (color !== undefined) for (const part of at.parts) at.surface.fill(part, color, rop);
        return true;
      }
      case DISPLAY_FROM_SERVER.drawBlackness:
        return this.#drawAll(body, at, ROP.blackness);
      case DISPLAY_FROM_SERVER.drawWhiteness:
        return this.#drawAll(body, at, ROP.whiteness);
      case DISPLAY_FROM_SERVER.drawInvers:
        return this.#drawAll(body, at, ROP.invers);
      default:
        return false;
    }
  }

  #drawAll(
    body: Body,
    at: { readonly surface: Surface; readonly parts: readonly Rect[] },
    rop: number,
  ): boolean {
    if (decodeHasMask(body)) return false;
    for (const part of at.parts) at.surface.fill(part, 0, rop);
    return true;
  }

  #drawImage(
    body: Body,
    at: { readonly base: DrawBase; readonly surface: Surface; readonly parts: readonly Rect[] },
  ): boolean {
    const { imageAt, source } = decodeDrawImage(body);
    const rop = body.u16('rop');
    body.skip(1, 'scale mode');
    if (decodeHasMask(body)) return false;
    const image = this.#image(body, imageAt);
    if (image === undefined) return false;
    const { box } = at.base;
    for (const part of at.parts) at.surface.draw(image, { box, source, part, rop });
    return true;
  }

  /** The image is put, then the brush is laid over it. */
  #drawOpaque(
    body: Body,
    at: { readonly base: DrawBase; readonly surface: Surface; readonly parts: readonly Rect[] },
  ): boolean {
    const { imageAt, source } = decodeDrawImage(body);
    const brush = decodeBrush(body);
    const rop = body.u16('rop');
    body.skip(1, 'scale mode');
    if (decodeHasMask(body) || brush.kind === 'pattern') return false;
    const image = this.#image(body, imageAt);
    if (image === undefined) return false;
    const { box } = at.base;
    for (const part of at.parts) {
      at.surface.draw(image, { box, source, part, rop: ROP.put });
      if (brush.kind === 'solid') at.surface.fill(part, brush.color, rop);
    }
    return true;
  }

  #image(body: Body, imageAt: number): Pixels | undefined {
    const { id, type, flags } = decodeImageHeader(body, imageAt);
    switch (type) {
      case IMAGE_TYPES.bitmap: {
        const image = decodeBitmap(body, this.#palettes, MAX_PALETTES);
        if (image !== undefined && (flags & IMAGE_CACHE_ME) !== 0) this.#keep(id, image);
        return image;
      }
      case IMAGE_TYPES.fromCache:
      case IMAGE_TYPES.fromCacheLossless:
        return this.#images.get(id);
      case IMAGE_TYPES.surface:
        return this.#surfaces.get(body.u32('source surface'))?.asPixels;
      default:
        return undefined;
    }
  }

  #keep(id: bigint, image: Pixels): void {
    const size = image.widthPx * image.heightPx * 4;
    if (this.#images.has(id) || this.#imageBytes + size > MAX_IMAGE_CACHE_BYTES) return;
    this.#imageBytes += size;
    this.#images.set(id, copyOf(image));
  }

  #invalidate(body: Body): void {
    const count = body.u16('number of resources');
    for (let i = 0; i < count; i++) {
      body.skip(1, 'resource type');
      const id = body.u64('resource id');
      const image = this.#images.get(id);
      if (image === undefined) continue;
      this.#images.delete(id);
      this.#imageBytes -= image.widthPx * image.heightPx * 4;
    }
  }

  #copyBits(body: Body): void {
    const base = decodeDrawBase(body);
    const surface = this.#surfaceOf(base);
    const from = { x: body.i32('source x'), y: body.i32('source y') };
    const parts = surface.parts(base.box, base.clip);
    for (const part of parts)
      surface.copyBits(part, {
        x: from.x + part.x - base.box.x,
        y: from.y + part.y - base.box.y,
      });
    this.#drawn(base, parts);
  }
}
