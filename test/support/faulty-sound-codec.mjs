// A WebCodecs implementation that does wrong what its URL says: `?throw=2` throws at the second
// piece of sound of each process.
import process from 'node:process';

const wrong = new Map(new URL(import.meta.url).searchParams);

if (wrong.has('die')) process.exit(3);
if (wrong.has('refuse')) throw new Error('there is no such processor');

export class AudioData {
  close() {}
}

export class AudioEncoder {
  #output;
  #error;
  #pieces = 0;

  constructor({ output, error }) {
    this.#output = output;
    this.#error = error;
  }

  static async isConfigSupported() {
    return { supported: !wrong.has('unsupported') };
  }

  configure() {}

  encode() {
    const at = String(++this.#pieces);
    if (wrong.get('throw') === at) throw new Error('out of ideas');
    if (wrong.get('exit') === at) process.exit(3);
    if (wrong.get('error') === at) {
      this.#error(new Error('lost the thread'));
      return;
    }
    if (wrong.get('silent') === at) return;
    setImmediate(() =>
      this.#output({ byteLength: 3, copyTo: (out) => out.set([0xfc, 0xff, 0xfe]) }),
    );
  }

  close() {}
}
