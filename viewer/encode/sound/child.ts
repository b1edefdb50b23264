import { SOUND_BLOCK_FRAMES, type SoundBlock } from './encoder.ts';
import {
  type LibraryAudioChunk,
  type LibraryAudioConfig,
  type LibraryAudioEncoder,
  loadSoundLibrary,
  type SoundLibrary,
} from './library.ts';
import type { SoundCommand, SoundReply } from './messages.ts';

// The process of the sound encoder. A codec that crashes or hangs takes nothing else with it. It
// obeys its parent, and ends with it.

const RATE_HZ = 48_000;
const CHANNELS = 2;
const BLOCK_US = (SOUND_BLOCK_FRAMES * 1_000_000) / RATE_HZ;

let library: SoundLibrary | undefined;
let encoder: LibraryAudioEncoder | undefined;
let count = 0;
/** What was given to the codec and has not come back: one packet for each, in order. */
const coding: SoundBlock[] = [];
/** `node-webcodecs` takes samples that are not interleaved floats for something else, and codes silence. */
const floats = new Float32Array(SOUND_BLOCK_FRAMES * CHANNELS);

function say(reply: SoundReply): void {
  // The parent may be gone already; then so are we, in a moment.
  process.send?.(reply, undefined, undefined, () => undefined);
}

function fault(error: unknown): void {
  say({ kind: 'fault', reason: error instanceof Error ? error.message : String(error) });
}

async function start(command: SoundCommand & { readonly do: 'start' }): Promise<void> {
  const config: LibraryAudioConfig = {
    codec: 'opus',
    sampleRate: RATE_HZ,
    numberOfChannels: CHANNELS,
    bitrate: command.bitrateKbits * 1000,
    opus: { frameDuration: BLOCK_US },
  };
  try {
    library = await loadSoundLibrary(command.library, config);
    encoder = new library.AudioEncoder({ output: finish, error: fault });
    encoder.configure(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    say({ kind: 'unavailable', reason });
    return;
  }
  say({ kind: 'ready' });
}

function encode(block: SoundBlock): void {
  if (library === undefined || encoder === undefined)
    throw new Error('a piece came before the library was loaded');
  for (const [index, sample] of block.samples.entries()) floats[index] = sample / 0x8000;
  coding.push(block);
  const audio = new library.AudioData({
    format: 'f32',
    sampleRate: RATE_HZ,
    numberOfFrames: SOUND_BLOCK_FRAMES,
    numberOfChannels: CHANNELS,
    timestamp: BLOCK_US * count++,
    data: floats,
  });
  encoder.encode(audio);
  audio.close();
}

function finish(packet: LibraryAudioChunk): void {
  const block = coding.shift();
  if (block === undefined) {
    fault('a packet came unasked');
    return;
  }
  const bytes = new Uint8Array(packet.byteLength);
  packet.copyTo(bytes);
  const { stream, sequence, atMs, last } = block;
  say({ kind: 'coded', chunk: { stream, sequence, atMs, last, bytes } });
}

process.on('message', (command: SoundCommand) => {
  if (command.do === 'start') {
    start(command).catch(fault);
    return;
  }
  try {
    encode(command.block);
  } catch (error) {
    fault(error);
  }
});
// Nothing is left to be put away, and a codec that hangs would hold up an orderly end for ever.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// An interrupt from the terminal goes to the whole group: the parent decides.
process.on('SIGINT', () => undefined);
