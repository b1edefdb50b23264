import { KvmfrError } from '../../protocol/error.ts';
import { ElementAttributes } from './element-attributes.ts';
import { errorCode, type KvmfrViewEventMap } from './events.ts';

/** A view as something to be listened to. */
export class ElementEvents extends ElementAttributes {
  /** Like `addEventListener` of every element, with the events of a view. */
  override addEventListener<Type extends keyof KvmfrViewEventMap>(
    type: Type,
    listener: (this: this, event: KvmfrViewEventMap[Type]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }
}

/** Events of a view that carry what they are about. */
export type DetailedEvent = 'statechange' | 'picture' | 'presented' | 'stats' | 'latency';

/** Tells everybody who listens to a view. */
export function emit<Type extends DetailedEvent>(
  view: EventTarget,
  type: Type,
  detail: KvmfrViewEventMap[Type]['detail'],
): void {
  view.dispatchEvent(new CustomEvent(type, { detail }));
}

/** Tells everybody who listens to a view what went wrong. */
export function emitError(view: EventTarget, code: string, message: string): void {
  const error = new KvmfrError(errorCode(code), message);
  view.dispatchEvent(new ErrorEvent('error', { error, message }));
}
