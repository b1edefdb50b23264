// A WebCodecs implementation that does wrong what its URL says, after it has done it right for a
// while: `?throw=2` throws at the second picture of each process.
import process from 'node:process';

const wrong = new Map(new URL(import.meta.url).searchParams);
const KEY = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0, 0, 0, 1, 0x65, 0x88];
const DELTA = [0, 0, 0, 1, 0x41, 0x9a];

if (wrong.has('exit')) {
  process.stderr.write('the codec is tired\n');
  process.exit(Number(wrong.get('exit')));
}
if (wrong.has('refuse')) throw new Error('there is no such processor');

export class VideoFrame {
  constructor(pixels, init) {
    this.pixels = pixels.slice();
    this.timestamp = init.timestamp;
  }

  close() {}
}

export class VideoEncoder {
  #output;
  #error;
  #pictures = 0;

  constructor({ output, error }) {
    this.#output = output;
    this.#error = error;
  }

  static async isConfigSupported() {
    return { supported: !wrong.has('unsupported') };
  }

  configure() {}

  encode(frame, { keyFrame }) {
    const at = String(++this.#pictures);
    if (wrong.get('throw') === at) throw new Error('out of ideas');
    if (wrong.get('error') === at) {
      this.#error(new Error('lost the thread'));
      return;
    }
    if (wrong.get('silent') === at) return;
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

  close() {}
}
