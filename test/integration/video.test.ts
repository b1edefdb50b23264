import { describe, expect, it } from 'vitest';
import { startVideoEncoder, type VideoEncoderOptions } from '../../viewer/encode/video/index.ts';
import { chunkOf, decodeChunks, plaid, psnr, testPicture } from '../support/video.ts';

const H264: VideoEncoderOptions = { codec: 'h264', bitrateKbits: 8000, framesPerSecond: 60 };

describe('a video encoder', () => {
  it('makes a picture that is decoded to what it was, first of all a key frame', async () => {
    using picture = testPicture(320, 192);
    await using encoder = startVideoEncoder(H264);
    const chunks = [];
    for (let step = 0; step < 5; step++) {
      picture.draw(plaid(step));
      chunks.push(chunkOf(await encoder.encode(picture.planes, { serial: step + 1 })));
    }
    expect(chunks.map(({ serial, keyFrame }) => [serial, keyFrame])).toEqual([
      [1, true],
      [2, false],
      [3, false],
      [4, false],
      [5, false],
    ]);
    const frames = await decodeChunks(chunks);
    expect(frames).toHaveLength(5);
    const { y, u, v } = picture.pixels();
    const last = frames[4];
    expect([last?.widthPx, last?.heightPx]).toEqual([320, 192]);
    expect(psnr(last?.y ?? y.subarray(1), y)).toBeGreaterThan(35);
    expect(psnr(last?.u ?? u.subarray(1), u)).toBeGreaterThan(38);
    expect(psnr(last?.v ?? v.subarray(1), v)).toBeGreaterThan(38);
  });

  it('starts again when its process is killed, with the picture that was asked for', async () => {
    using picture = testPicture(320, 192);
    await using encoder = startVideoEncoder(H264);
    picture.draw(plaid(0));
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    const { pid } = encoder;
    if (pid === undefined) throw new Error('a ready encoder has a process');
    picture.draw(plaid(1));
    process.kill(pid, 'SIGKILL');
    const next = chunkOf(await encoder.encode(picture.planes, { serial: 2 }));
    expect(next).toMatchObject({ serial: 2, keyFrame: true });
    expect(encoder.pid).not.toBe(pid);
    expect(encoder.stats).toMatchObject({ chunks: 2, keyFrames: 2, restarts: 1 });
    const [frame] = await decodeChunks([next]);
    expect(psnr(frame?.y ?? new Uint8Array(1), picture.pixels().y)).toBeGreaterThan(35);
  });
});
