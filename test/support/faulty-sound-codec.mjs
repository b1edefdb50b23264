// A WebCodecs implementation that does wrong what its URL says: `?throw=2` throws at the second
// piece of sound of each process.
import process from 'node:process';
import { FaultyEncoder, wrongOf } from './faulty-encoder.mjs';

const wrong = wrongOf(import.meta.url);

if (wrong.has('die')) process.exit(3);

export class AudioData {
  close() {}
}

export class AudioEncoder extends FaultyEncoder {
  #output;

  constructor({ output, error }) {
    super(wrong, error);
    this.#output = output;
  }

  static async isConfigSupported() {
    return { supported: !wrong.has('unsupported') };
  }

  encode() {
    const at = this.begin();
    if (at === undefined) return;
    if (wrong.get('exit') === at) process.exit(3);
    setImmediate(() =>
      this.#output({ byteLength: 3, copyTo: (out) => out.set([0xfc, 0xff, 0xfe]) }),
    );
  }
}
