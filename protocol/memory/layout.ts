import type { Region } from './region.ts';

/** The scalar types a C structure of the wire is made of. */
export type ScalarType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64';

/**
 * One field: its type, its declared offset, how many of it (1 when left out; `'tail'` for the
 * variable end of a structure), and an alignment larger than the type's own.
 * `['struct', offset, bytes, align]` is an embedded structure or array of structures.
 */
export type Field =
  | readonly [type: ScalarType, offsetBytes: number, count?: number | 'tail', alignBytes?: number]
  | readonly [type: 'struct', offsetBytes: number, sizeBytes: number, alignBytes: number];

/** A table of fields in the order of the C declaration. */
export type FieldTable = { readonly [name: string]: Field };

/** Reads and writes one field with plain (not atomic) accesses. `at` is where the structure starts. */
export interface Accessor<Value> {
  (region: Region, at: number, index?: number): Value;
  write(region: Region, at: number, value: Value, index?: number): void;
  readonly offsetBytes: number;
  /** All elements together; 0 for a tail. */
  readonly sizeBytes: number;
}

type ValueOf<F extends Field> = F[0] extends 'u64' ? bigint : number;

/** A structure of the wire: an accessor per field, and its size and offsets. */
export type Layout<T extends FieldTable> = {
  readonly [K in keyof T]: Accessor<ValueOf<T[K]>>;
} & {
  readonly $sizeBytes: number;
  readonly $offsets: { readonly [K in keyof T]: number };
};

const SCALAR_BYTES: { readonly [K in ScalarType]: number } = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
};

type Read = (view: DataView, at: number) => number | bigint;
type Write = (view: DataView, at: number, value: number | bigint) => void;

const READ: { readonly [K in ScalarType]: Read } = {
  u8: (view, at) => view.getUint8(at),
  i8: (view, at) => view.getInt8(at),
  u16: (view, at) => view.getUint16(at, true),
  i16: (view, at) => view.getInt16(at, true),
  u32: (view, at) => view.getUint32(at, true),
  i32: (view, at) => view.getInt32(at, true),
  u64: (view, at) => view.getBigUint64(at, true),
};

const WRITE: { readonly [K in ScalarType]: Write } = {
  u8: (view, at, value) => view.setUint8(at, Number(value)),
  i8: (view, at, value) => view.setInt8(at, Number(value)),
  u16: (view, at, value) => view.setUint16(at, Number(value), true),
  i16: (view, at, value) => view.setInt16(at, Number(value), true),
  u32: (view, at, value) => view.setUint32(at, Number(value), true),
  i32: (view, at, value) => view.setInt32(at, Number(value), true),
  u64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
};

function accessor(type: ScalarType | 'struct', offsetBytes: number, sizeBytes: number): unknown {
  const scalar = type === 'struct' ? 'u8' : type;
  const read = READ[scalar];
  const write = WRITE[scalar];
  const step = SCALAR_BYTES[scalar];
  const get = (region: Region, at: number, index = 0): number | bigint =>
    read(region.view, at + offsetBytes + index * step);
  return Object.freeze(
    Object.assign(get, {
      write: (region: Region, at: number, value: number | bigint, index = 0): void =>
        write(region.view, at + offsetBytes + index * step, value),
      offsetBytes,
      sizeBytes,
    }),
  );
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * Makes the accessors of a structure from its table of fields.
 *
 * The offsets that the rules of C give (each field at the next multiple of its alignment, the size
 * a multiple of the largest) are computed and compared with the declared ones, so a slip in a table
 * shows when the module loads. `packed` structures have no alignment.
 *
 * @throws RangeError when a declared offset or the size is not what the rules give
 */
export function layout<T extends FieldTable>(
  fields: T,
  sizeBytes: number,
  options: { readonly packed?: boolean } = {},
): Layout<T> {
  const result: { [name: string]: unknown } = {};
  const offsets: { [name: string]: number } = {};
  let cursor = 0;
  let largest = 1;
  for (const [name, [type, offset, count, align]] of Object.entries(fields)) {
    const unit = type === 'struct' ? 1 : SCALAR_BYTES[type];
    const size = count === 'tail' ? 0 : unit * (count ?? 1);
    const step = options.packed ? 1 : (align ?? unit);
    const expected = roundUp(cursor, step);
    if (offset !== expected)
      throw new RangeError(`${name} is declared at ${offset}, but its place is ${expected}`);
    result[name] = accessor(type, offset, size);
    offsets[name] = offset;
    cursor = offset + size;
    if (count !== 'tail') largest = Math.max(largest, step);
  }
  // A variable tail starts inside the padding of the structure, as in C.
  if (roundUp(cursor, largest) !== sizeBytes)
    throw new RangeError(
      `the structure is declared ${sizeBytes} bytes, but needs ${roundUp(cursor, largest)}`,
    );
  result['$sizeBytes'] = sizeBytes;
  result['$offsets'] = Object.freeze(offsets);
  return Object.freeze(result) as Layout<T>;
}
