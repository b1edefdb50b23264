import { EncodedVideoChunk, VideoDecoder } from 'node-webcodecs';

/** A decoded picture: rows without padding. */
export interface CodedFrame {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly y: Uint8Array;
  readonly u: Uint8Array;
  readonly v: Uint8Array;
}

/** Decodes by the library's own decoder, which is that of FFmpeg and none of the encoders'. */
export async function decodeFrames(
  codec: string,
  chunks: readonly { readonly data: Uint8Array; readonly type: 'key' | 'delta' }[],
): Promise<readonly CodedFrame[]> {
  const frames: Promise<CodedFrame>[] = [];
  let failure: unknown;
  const decoder = new VideoDecoder({
    output: (frame) => {
      frames.push(
        (async () => {
          const { codedWidth: widthPx, codedHeight: heightPx } = frame;
          const pixels = new Uint8Array(frame.allocationSize({ format: 'I420' }));
          await frame.copyTo(pixels, { format: 'I420' });
          frame.close();
          const luma = widthPx * heightPx;
          return {
            widthPx,
            heightPx,
            y: pixels.subarray(0, luma),
            u: pixels.subarray(luma, luma + luma / 4),
            v: pixels.subarray(luma + luma / 4, luma + luma / 2),
          };
        })(),
      );
    },
    error: (error) => {
      failure = error;
    },
  });
  decoder.configure({ codec });
  for (const [index, { data, type }] of chunks.entries())
    decoder.decode(new EncodedVideoChunk({ type, data, timestamp: index * 1000 }));
  await decoder.flush();
  decoder.close();
  if (failure !== undefined) throw failure;
  return await Promise.all(frames);
}
