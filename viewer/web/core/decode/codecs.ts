import type { Codec } from '../../../../protocol/wire/index.ts';
import type { NewDecoder } from './video.ts';

/** What a codec of the wire is called by WebCodecs, as the relay codes it; the best first. */
const CANDIDATES: readonly { readonly codec: Codec; readonly codecString: string }[] = [
  { codec: 'h264', codecString: 'avc1.42C028' },
  { codec: 'vp8', codecString: 'vp8' },
];

/** Asks the browser which video codecs it decodes, the one to be preferred first. */
export async function supportedCodecs(): Promise<readonly Codec[]> {
  // Absent in old browsers, and in pages that came over plain http from another machine.
  if (typeof VideoDecoder === 'undefined') return [];
  const asked = CANDIDATES.map(async ({ codec, codecString }) => {
    try {
      const config = { codec: codecString, optimizeForLatency: true };
      const { supported } = await VideoDecoder.isConfigSupported(config);
      return supported === true ? [codec] : [];
    } catch {
      return [];
    }
  });
  return (await Promise.all(asked)).flat();
}

/** The browser's decoder. */
export const newVideoDecoder: NewDecoder = (handlers) => new VideoDecoder(handlers);
