/** A store to a watched buffer, by whatever call of JavaScript. */
export interface RecordedWrite {
  readonly call: string;
  readonly at: number;
  readonly bytes: number;
}

type Call = (this: unknown, ...args: unknown[]) => unknown;

const ATOMIC_WRITES = ['store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange'];
const ARRAY_WRITES = ['set', 'fill', 'copyWithin', 'sort', 'reverse'];

/**
 * Records each store to some buffers until it is stopped: by Atomics, by methods of typed arrays, and by
 * DataView. What is stored by index is not seen: compare the bytes for that.
 *
 * @param isWatched says of a buffer whether its stores are to be recorded
 */
export function recordWrites(isWatched: (buffer: ArrayBufferLike) => boolean): {
  readonly writes: readonly RecordedWrite[];
  stop(): void;
} {
  const writes: RecordedWrite[] = [];
  const undo: (() => void)[] = [];
  const wrap = (owner: object, name: string, record: (self: unknown, args: unknown[]) => void) => {
    const original = Reflect.get(owner, name) as Call;
    function recorded(this: unknown, ...args: unknown[]): unknown {
      record(this, args);
      return original.apply(this, args);
    }
    Reflect.defineProperty(owner, name, { value: recorded, writable: true, configurable: true });
    undo.push(() =>
      Reflect.defineProperty(owner, name, { value: original, writable: true, configurable: true }),
    );
  };
  for (const name of ATOMIC_WRITES)
    wrap(Atomics, name, (_, [array, index]) => {
      if (!ArrayBuffer.isView(array) || !isWatched(array.buffer)) return;
      const bytes = (array as Uint8Array).BYTES_PER_ELEMENT;
      const at = array.byteOffset + Number(index) * bytes;
      writes.push({ call: `Atomics.${name}`, at, bytes });
    });
  for (const name of ARRAY_WRITES)
    wrap(Object.getPrototypeOf(Uint8Array.prototype), name, (self, [from, offset]) => {
      const array = self as Uint8Array;
      if (!isWatched(array.buffer)) return;
      const bytes = array.BYTES_PER_ELEMENT;
      const isSet = name === 'set' && typeof from === 'object' && from !== null;
      const at = array.byteOffset + (isSet ? Number(offset ?? 0) * bytes : 0);
      const length = isSet ? (from as ArrayLike<unknown>).length * bytes : array.byteLength;
      writes.push({ call: `set of an array by ${name}`, at, bytes: length });
    });
  for (const name of Object.getOwnPropertyNames(DataView.prototype)) {
    const width = /^set\w+?(\d+)$/.exec(name)?.[1];
    if (width === undefined) continue;
    wrap(DataView.prototype, name, (self, [offset]) => {
      const view = self as DataView;
      if (!isWatched(view.buffer)) return;
      const at = view.byteOffset + Number(offset);
      writes.push({ call: `DataView.${name}`, at, bytes: Number(width) / 8 });
    });
  }
  return {
    writes,
    stop: () => {
      for (const step of undo.splice(0)) step();
    },
  };
}
