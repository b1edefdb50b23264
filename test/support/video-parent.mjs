// A program with a video encoder: prints the number of the encoder's process, and waits.
import { startVideoEncoder } from '../../dist/viewer/encode/video/index.js';

const encoder = startVideoEncoder({ codec: 'h264', bitrateKbits: 1000, framesPerSecond: 60 });
await encoder.settled();
process.stdout.write(`${encoder.pid}\n`);
