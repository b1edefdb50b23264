import { describe, expect, it } from 'vitest';
import { startVideoEncoder, type VideoEncoderOptions } from '../../viewer/encode/video/index.ts';
import { nalUnits, sequenceParameters } from '../support/h264.ts';
import { childProcesses, residentBytes } from '../support/processes.ts';
import { chunkOf, decodeChunks, likeness, plaid, snow, testPicture } from '../support/video.ts';

// What comes out of a video encoder, as a decoder sees it.

const H264: VideoEncoderOptions = { codec: 'h264', bitrateKbits: 8000, framesPerSecond: 60 };
const VP8: VideoEncoderOptions = { ...H264, codec: 'vp8' };
const CODECS = [H264, VP8];
const MIB = 1024 * 1024;

describe.each(CODECS)('a video encoder for $codec', (options) => {
  it('makes pictures that are decoded to what they were, first of all a key frame', async () => {
    using picture = testPicture(320, 192);
    await using encoder = startVideoEncoder(options);
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
    const { y, u, v } = likeness(frames[4], picture);
    expect([y > 34, u > 38, v > 38]).toEqual([true, true, true]);
  });

  it('makes a key frame when it is asked to, and else none, however slow pictures come', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder({ ...options, framesPerSecond: 2 });
    const keys = [];
    for (let serial = 1; serial <= 30; serial++) {
      picture.draw(plaid(serial));
      const keyFrame = serial === 20;
      if (chunkOf(await encoder.encode(picture.planes, { serial, keyFrame })).keyFrame)
        keys.push(serial);
    }
    expect(keys).toEqual([1, 20]);
  });

  it.each([
    [321, 193, 322, 194],
    [17, 9, 18, 16],
  ])('codes %i x %i as %i x %i, the picture at the top left', async (w, h, codedW, codedH) => {
    using picture = testPicture(w, h, 7);
    await using encoder = startVideoEncoder(options);
    picture.draw(plaid(1));
    const chunk = chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    expect(chunk.format).toMatchObject({
      codedWidthPx: codedW,
      codedHeightPx: codedH,
      widthPx: w,
      heightPx: h,
    });
    const [frame] = await decodeChunks([chunk]);
    expect([frame?.widthPx, frame?.heightPx]).toEqual([codedW, codedH]);
    expect(likeness(frame, picture).y).toBeGreaterThan(30);
  });

  it('goes on with a key frame when the picture has another size', async () => {
    using small = testPicture(160, 96);
    using large = testPicture(320, 192);
    await using encoder = startVideoEncoder(options);
    const chunks = [];
    for (const picture of [small, small, large, large, small]) {
      picture.draw(plaid(chunks.length));
      chunks.push(chunkOf(await encoder.encode(picture.planes, { serial: chunks.length + 1 })));
    }
    expect(chunks.map(({ keyFrame }) => keyFrame)).toEqual([true, false, true, false, true]);
    const formats = chunks.map(({ format }) => format);
    expect(formats[0]).toBe(formats[1]);
    expect(formats[2]).toMatchObject({ codedWidthPx: 320, codedHeightPx: 192 });
    expect(formats[2]).toBe(formats[3]);
    const frames = await decodeChunks(chunks.slice(2, 4));
    expect(likeness(frames[1], large).y).toBeGreaterThan(34);
    expect(encoder.stats.restarts).toBe(0);
  });

  it('goes on with a key frame in another bit rate, and keeps to it', async () => {
    using picture = testPicture(320, 192);
    await using encoder = startVideoEncoder({ ...options, bitrateKbits: 3000 });
    const coded = async (serial: number): Promise<{ bytes: number; keyFrame: boolean }> => {
      picture.draw(snow(serial));
      const { bytes, keyFrame } = chunkOf(await encoder.encode(picture.planes, { serial }));
      return { bytes: bytes.byteLength, keyFrame };
    };
    const runs = [];
    for (const kbits of [3000, 1000, 900]) {
      encoder.setBitrate(kbits);
      let bytes = 0;
      const keys = [];
      for (let serial = 1; serial <= 60; serial++) {
        const chunk = await coded(serial);
        if (chunk.keyFrame) keys.push(serial);
        bytes += chunk.bytes;
      }
      runs.push({ keys, kbits: (bytes * 8) / 1000 });
    }
    expect(runs.map(({ keys }) => keys)).toEqual([[1], [1], []]);
    expect(encoder.settings.bitrateKbits).toBe(1000);
    // 60 pictures are a second.
    const [first, second] = runs.map(({ kbits }) => kbits);
    expect(Math.abs((first ?? 0) / 3000 - 1)).toBeLessThan(0.3);
    expect(Math.abs((second ?? 0) / 1000 - 1)).toBeLessThan(0.3);
  });

  it('tells when each stage was passed, on the clock of all processes', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(options);
    const before = Number(process.hrtime.bigint());
    const { timing } = chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    const after = Number(process.hrtime.bigint());
    const { queuedNs, startedNs, copiedNs, doneNs } = timing;
    const times = [before, queuedNs, startedNs, copiedNs, doneNs, after];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('needs no more memory after thousands of pictures and hundreds of sizes', async () => {
    using small = testPicture(160, 96);
    using large = testPicture(176, 96);
    await using encoder = startVideoEncoder(options);
    const measured: number[][] = [];
    for (let serial = 0; serial < 3000; serial++) {
      const picture = serial % 10 === 9 ? large : small;
      small.epoch[1] = serial;
      chunkOf(await encoder.encode(picture.planes, { serial }));
      if (serial === 999 || serial === 2999)
        measured.push([residentBytes(encoder.pid ?? 0), residentBytes(process.pid)]);
    }
    expect(encoder.stats).toMatchObject({ chunks: 3000, keyFrames: 600, restarts: 0 });
    const [[childBefore = 0, before = 0] = [], [childAfter = 0, after = 0] = []] = measured;
    expect(childAfter - childBefore).toBeLessThan(24 * MIB);
    expect(after - before).toBeLessThan(48 * MIB);
    expect(childAfter).toBeLessThan(160 * MIB);
  });

  it('leaves no process behind', async () => {
    const before = childProcesses();
    using picture = testPicture(160, 96);
    const encoder = startVideoEncoder(options);
    chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    expect(new Set(childProcesses())).toEqual(new Set([...before, encoder.pid]));
    await encoder.close();
    expect(childProcesses()).toEqual(before);
    expect(await encoder.encode(picture.planes, { serial: 2 })).toMatchObject({
      kind: 'failed',
      error: { code: 'ERR_KVMFR_CLOSED' },
    });
  });
});

describe('a stream of H.264', () => {
  it('lets no decoder wait for pictures out of order, and says how its colours are meant', async () => {
    using picture = testPicture(1920, 1080);
    await using encoder = startVideoEncoder(H264);
    picture.draw(plaid(0));
    const key = chunkOf(await encoder.encode(picture.planes, { serial: 1 }));
    const delta = chunkOf(await encoder.encode(picture.planes, { serial: 2 }));
    // Sequence parameters, picture parameters, one slice of an IDR picture; then one of another.
    expect(nalUnits(key.bytes).map(({ type }) => type)).toEqual([7, 8, 5]);
    expect(nalUnits(delta.bytes).map(({ type }) => type)).toEqual([1]);
    const [parameters] = nalUnits(key.bytes);
    if (parameters === undefined) throw new Error('no parameter set');
    expect(sequenceParameters(parameters)).toEqual({
      profileIdc: 66,
      // constraint_set0 and 1: constrained baseline, which has no B slices.
      constraints: 0b1100_0000,
      levelIdc: 42,
      // Output order is decoding order.
      pictureOrderType: 2,
      referenceFrames: 1,
      widthPx: 1920,
      heightPx: 1088,
      visible: [1920, 1080],
      // BT.709, limited.
      colour: { fullRange: false, codes: [1, 1, 1] },
      restriction: [0, 1],
    });
    expect(key.format.codecString).toBe('avc1.42C02A');
  });

  it('is refused for a picture that no level has room for, and the encoder goes on', async () => {
    using picture = testPicture(160, 96);
    await using encoder = startVideoEncoder(H264);
    const memory = { path: '/proc/self/fd/0', inode: 1n, byteLength: 5120 * 2880 * 2 };
    const planes = {
      memory,
      epochOffsetBytes: 0,
      widthPx: 5120,
      heightPx: 2880,
      y: { offsetBytes: 0, pitchBytes: 5120 },
      u: { offsetBytes: 0, pitchBytes: 2560 },
      v: { offsetBytes: 0, pitchBytes: 2560 },
    };
    expect(await encoder.encode(planes, { serial: 1 })).toMatchObject({
      kind: 'failed',
      error: { code: 'ERR_KVMFR_UNSUPPORTED' },
    });
    chunkOf(await encoder.encode(picture.planes, { serial: 2 }));
  });
});
