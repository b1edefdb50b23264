/** A piece of the guest's sound, decoded. */
export interface SoundPiece {
  readonly stream: number;
  readonly sequence: number;
  /** When the guest played its first frame, by the relay's clock. Units: milliseconds since 1970. */
  readonly atMs: number;
  /** Whether its stream ends with it. */
  readonly last: boolean;
  /** Shape: as many frames in both, 48 000 in a second, -1 to 1. */
  readonly left: Float32Array<ArrayBuffer>;
  readonly right: Float32Array<ArrayBuffer>;
}
