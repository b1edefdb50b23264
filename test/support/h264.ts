/** A unit of an H.264 stream, without its start code and emulation prevention. */
export interface NalUnit {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** The numbers of a sequence parameter set that say how a decoder must behave. */
export interface SequenceParameters {
  readonly profileIdc: number;
  /** Bit 7 is constraint_set0_flag. */
  readonly constraints: number;
  readonly levelIdc: number;
  readonly pictureOrderType: number;
  readonly referenceFrames: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Width and height after cropping. */
  readonly visible: readonly [widthPx: number, heightPx: number];
  readonly colour: Colour | undefined;
  /** max_num_reorder_frames, max_dec_frame_buffering. */
  readonly restriction: readonly [reorder: number, buffering: number] | undefined;
}

/** What video_signal_type says. */
export interface Colour {
  readonly fullRange: boolean;
  /** colour_primaries, transfer_characteristics, matrix_coefficients. */
  readonly codes: readonly number[];
}

/** The units of a stream in Annex B. */
export function nalUnits(stream: Uint8Array): readonly NalUnit[] {
  const starts: number[] = [];
  for (let at = 0; at + 3 < stream.length; at++)
    if (stream[at] === 0 && stream[at + 1] === 0 && stream[at + 2] === 1) starts.push(at + 3);
  return starts.map((start, index) => {
    const next = starts[index + 1];
    let end = next === undefined ? stream.length : next - 3;
    while (end > start && stream[end - 1] === 0) end--;
    return {
      type: (stream[start] ?? 0) & 0x1f,
      payload: withoutEscapes(stream.subarray(start + 1, end)),
    };
  });
}

function withoutEscapes(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    const prevents = zeros >= 2 && byte === 3;
    zeros = byte === 0 ? zeros + 1 : 0;
    if (!prevents) out.push(byte);
  }
  return Uint8Array.from(out);
}

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next bits as a number. */
  u(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      const byte = this.#bytes[this.#at >> 3];
      if (byte === undefined) throw new Error('the parameter set ends too early');
      value = value * 2 + ((byte >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  flag(): boolean {
    return this.u(1) === 1;
  }

  /** Exp-Golomb. */
  ue(): number {
    let zeros = 0;
    while (!this.flag()) zeros++;
    return 2 ** zeros - 1 + this.u(zeros);
  }
}

/**
 * Reads a sequence parameter set of the baseline profile.
 *
 * Source: ITU-T H.264, 7.3.2.1.1 and E.1.1.
 */
export function sequenceParameters(unit: NalUnit): SequenceParameters {
  const bits = new Bits(unit.payload);
  const profileIdc = bits.u(8);
  const constraints = bits.u(8);
  const levelIdc = bits.u(8);
  if (profileIdc >= 100) throw new Error(`profile ${profileIdc} has fields that are not read here`);
  bits.ue();
  bits.ue();
  const pictureOrderType = bits.ue();
  if (pictureOrderType === 0) bits.ue();
  else if (pictureOrderType === 1) throw new Error('picture order type 1 is not read here');
  const referenceFrames = bits.ue();
  bits.flag();
  const widthPx = (bits.ue() + 1) * 16;
  const heightPx = (bits.ue() + 1) * 16;
  if (!bits.flag()) throw new Error('the stream is interlaced');
  bits.flag();
  const [left = 0, right = 0, top = 0, bottom = 0] = bits.flag()
    ? [bits.ue(), bits.ue(), bits.ue(), bits.ue()]
    : [];
  return {
    profileIdc,
    constraints,
    levelIdc,
    pictureOrderType,
    referenceFrames,
    widthPx,
    heightPx,
    visible: [widthPx - 2 * (left + right), heightPx - 2 * (top + bottom)],
    ...(bits.flag() ? usability(bits) : { colour: undefined, restriction: undefined }),
  };
}

function usability(bits: Bits): Pick<SequenceParameters, 'colour' | 'restriction'> {
  if (bits.flag() && bits.u(8) === 255) bits.u(32);
  if (bits.flag()) bits.flag();
  const colour = bits.flag() ? readColour(bits) : undefined;
  if (bits.flag()) {
    bits.ue();
    bits.ue();
  }
  if (bits.flag()) bits.u(65);
  if (bits.flag() || bits.flag()) throw new Error('HRD parameters are not read here');
  bits.flag();
  if (!bits.flag()) return { colour, restriction: undefined };
  bits.flag();
  for (let i = 0; i < 4; i++) bits.ue();
  return { colour, restriction: [bits.ue(), bits.ue()] };
}

function readColour(bits: Bits): Colour {
  bits.u(3);
  const fullRange = bits.flag();
  return { fullRange, codes: bits.flag() ? [bits.u(8), bits.u(8), bits.u(8)] : [] };
}
