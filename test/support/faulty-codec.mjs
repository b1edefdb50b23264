// A WebCodecs implementation that does wrong what its URL says, after it has done it right for a
// while: `?throw=2` throws at the second picture of each process.
import process from 'node:process';
import { FaultyEncoder, wrongOf } from './faulty-encoder.mjs';

const wrong = wrongOf(import.meta.url);
const KEY = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0, 0, 0, 1, 0x65, 0x88];
const DELTA = [0, 0, 0, 1, 0x41, 0x9a];

if (wrong.has('exit')) {
  process.stderr.write('the codec is tired\n');
  process.exit(Number(wrong.get('exit')));
}

export class VideoFrame {
  constructor(pixels, init) {
    this.pixels = pixels.slice();
    this.timestamp = init.timestamp;
  }

  close() {}
}

export class VideoEncoder extends FaultyEncoder {
  #output;

  constructor({ output, error }) {
    super(wrong, error);
    this.#output = output;
  }

  static async isConfigSupported() {
    return { supported: !wrong.has('unsupported') };
  }

  encode(frame, { keyFrame }) {
    if (this.begin() === undefined) return;
    const data = keyFrame && !wrong.has('headless') ? KEY : DELTA;
    setImmediate(() =>
      this.#output({
        type: keyFrame ? 'key' : 'delta',
        timestamp: frame.timestamp,
        byteLength: data.length,
        copyTo: (out) => out.set(data),
      }),
    );
  }
}
