import { EventSource, type EventStream, type EventStreamOptions } from './events.ts';
import type { ChannelPart } from './part.ts';
import type { Body } from './wire/body.ts';
import { CURSOR_FROM_SERVER, decodeCursor, type SpiceCursorShape } from './wire/cursor.ts';
import { MAX_CURSOR_MESSAGE_BYTES, MAX_CURSOR_SHAPES } from './wire/limits.ts';

/** The guest's pointer, as a loop over it gets it. */
export interface SpiceCursorState {
  readonly visible: boolean;
  /** Where its hotspot is. Units: pixels of the screen. */
  readonly x: number;
  readonly y: number;
  /** Undefined before the guest gave one. The same object while the shape is the same. */
  readonly shape: SpiceCursorShape | undefined;
}

const HIDDEN: SpiceCursorState = { visible: false, x: 0, y: 0, shape: undefined };

/**
 * The pointer of the adapter that QEMU emulates; std VGA has none of its own.
 *
 * In mouse mode `client` a server tells shapes but no moves: the pointer is where it was put.
 */
export class SpiceCursor implements ChannelPart {
  readonly channel = 'cursor';
  readonly capabilities: readonly number[] = [];
  readonly maxMessageBytes: number = MAX_CURSOR_MESSAGE_BYTES;
  readonly #states: EventSource<SpiceCursorState> = new EventSource(1);
  readonly #kept = new Map<bigint, SpiceCursorShape>();
  #state: SpiceCursorState = HIDDEN;
  #unknownShapes = 0;

  /** The pointer now. */
  get state(): SpiceCursorState {
    return this.#state;
  }

  /** Shapes of kinds that are not known here, or that were not kept; the pointer stayed as it was. */
  get unknownShapes(): number {
    return this.#unknownShapes;
  }

  /** The pointer now, then each time that it changed; slow loops get the newest. */
  states(options: EventStreamOptions = {}): EventStream<SpiceCursorState> {
    return this.#states.stream(options, this.#state);
  }

  /** For the session: a channel is linked. */
  attach(): void {
    this.#kept.clear();
  }

  /** For the session: a message came. */
  message(type: number, body: Body): boolean {
    switch (type) {
      case CURSOR_FROM_SERVER.init:
        this.#kept.clear();
        this.#set(body, true);
        return true;
      case CURSOR_FROM_SERVER.set:
        this.#set(body, false);
        return true;
      case CURSOR_FROM_SERVER.move:
        this.#change({ x: body.i16('x'), y: body.i16('y'), visible: true });
        return true;
      case CURSOR_FROM_SERVER.hide:
        this.#change({ visible: false });
        return true;
      case CURSOR_FROM_SERVER.reset:
        this.#kept.clear();
        this.#change(HIDDEN);
        return true;
      case CURSOR_FROM_SERVER.invalOne:
        this.#kept.delete(body.u64('cursor id'));
        return true;
      case CURSOR_FROM_SERVER.invalAll:
        this.#kept.clear();
        return true;
      case CURSOR_FROM_SERVER.trail:
        return true;
      default:
        return false;
    }
  }

  /** For the session: the channel is gone. */
  detach(): void {
    this.#kept.clear();
    if (this.#state !== HIDDEN) this.#change(HIDDEN);
  }

  /** For the session: nothing follows. */
  close(): void {
    this.detach();
    this.#states.close();
  }

  #set(body: Body, isInit: boolean): void {
    const x = body.i16('x');
    const y = body.i16('y');
    if (isInit) body.skip(4, 'trail');
    const visible = body.u8('visible') !== 0;
    const update = decodeCursor(body);
    const known = update?.kind === 'kept' ? this.#kept.get(update.id) : undefined;
    const isUnknown = update === undefined || (update.kind === 'kept' && known === undefined);
    if (isUnknown) this.#unknownShapes += 1;
    const shape = update?.kind === 'shape' ? update.shape : known;
    if (update?.kind === 'shape' && update.keep) this.#keep(update.shape);
    this.#change({ x, y, visible, shape: shape ?? this.#state.shape });
  }

  #keep(shape: SpiceCursorShape): void {
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= MAX_CURSOR_SHAPES && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(shape.id, shape);
  }

  #change(change: Partial<SpiceCursorState>): void {
    this.#state = { ...this.#state, ...change };
    this.#states.emit(this.#state);
  }
}
