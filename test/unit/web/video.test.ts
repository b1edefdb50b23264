import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VideoStream } from '../../../protocol/wire/index.ts';
import { StreamDecoder } from '../../../viewer/web/core/decode/video.ts';
import { FakeChunk, FakeClock, FakeDecoder, FrameBook, settle } from './fakes.ts';

const STREAM: VideoStream = {
  stream: 3,
  epoch: 1,
  codec: 'h264',
  codecString: 'avc1.42C028',
  codedWidthPx: 302,
  codedHeightPx: 194,
};

function setUp() {
  const clock = new FakeClock();
  const book = new FrameBook();
  const decoders: FakeDecoder[] = [];
  const asked: number[] = [];
  const gaveUp: string[] = [];
  let refuses = false;
  const decoder = new StreamDecoder({
    clock,
    newDecoder: (handlers) => {
      const made = new FakeDecoder(handlers, book);
      made.refuses = refuses;
      decoders.push(made);
      return made;
    },
    needKey: (stream) => asked.push(stream),
    gaveUp: ({ codec }) => gaveUp.push(codec),
  });
  const refuseFromNowOn = () => {
    refuses = true;
  };
  const answers: (VideoFrame | undefined | 'none yet')[] = [];
  const feed = (key: boolean, stream = 3) => {
    const at = answers.push('none yet') - 1;
    const data = Uint8Array.of(at);
    const message = { epoch: 1, serial: at, stream, key, last: true, data };
    void decoder.decode(message).then((frame) => {
      answers[at] = frame;
    });
  };
  const last = () => {
    const made = decoders.at(-1);
    if (made === undefined) throw new Error('there is no decoder');
    return made;
  };
  return { clock, book, decoders, last, asked, gaveUp, decoder, answers, feed, refuseFromNowOn };
}

beforeEach(() => vi.stubGlobal('EncodedVideoChunk', FakeChunk));
afterEach(() => vi.unstubAllGlobals());

describe('StreamDecoder', () => {
  it('is set up with what the wire promises, so that nothing is guessed and nothing held back', () => {
    const { decoder, feed, last } = setUp();
    decoder.start(STREAM);
    feed(true);
    expect(last().configs).toEqual([
      {
        codec: 'avc1.42C028',
        codedWidth: 302,
        codedHeight: 194,
        optimizeForLatency: true,
        hardwareAcceleration: 'no-preference',
        colorSpace: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false },
      },
    ]);
    expect(last().chunks).toMatchObject([{ type: 'key', data: Uint8Array.of(0) }]);
  });

  it('answers each chunk with its own picture, also when several come in one instant', async () => {
    const { decoder, feed, last, answers, book } = setUp();
    decoder.start(STREAM);
    for (const key of [true, false, false]) feed(key);
    const stamps = last().chunks.map(({ timestamp }) => timestamp);
    expect(new Set(stamps).size).toBe(3);
    const pictures = [last().output(), last().output(), last().output()];
    await settle();
    expect(answers).toEqual(pictures);
    expect(book.open).toBe(3);
  });

  it('answers nothing for a picture that was passed over, and goes on', async () => {
    const { decoder, feed, last, answers } = setUp();
    decoder.start(STREAM);
    for (const key of [true, false, false]) feed(key);
    const second = last().output(1);
    await settle();
    expect(answers).toEqual([undefined, second, 'none yet']);
  });

  it('closes a picture that nobody asked for', () => {
    const { decoder, feed, last, book } = setUp();
    decoder.start(STREAM);
    feed(true);
    const { handlers } = last();
    last().output();
    handlers.output(book.frame(1, { widthPx: 302, heightPx: 194 }));
    expect(book.open).toBe(1);
    decoder.stop();
    handlers.output(book.frame(2, { widthPx: 302, heightPx: 194 }));
    expect(book.open).toBe(1);
    expect(book.faults).toEqual([]);
  });

  it('asks for a key picture once after a failure, and goes on from it', async () => {
    const { decoder, feed, last, answers, asked, decoders } = setUp();
    decoder.start(STREAM);
    feed(true);
    feed(false);
    last().fail();
    feed(false);
    feed(false);
    await settle();
    expect(answers).toEqual([undefined, undefined, undefined, undefined]);
    expect(asked).toEqual([3]);
    feed(true);
    feed(false);
    expect(decoders).toHaveLength(2);
    expect(decoders[0]?.closings).toBe(0);
    const pictures = [last().output(), last().output()];
    await settle();
    expect(answers.slice(4)).toEqual(pictures);
    last().fail();
    expect(asked).toEqual([3, 3]);
  });

  it('asks for a key picture once when a stream begins without one', async () => {
    const { decoder, feed, answers, asked, decoders } = setUp();
    decoder.start(STREAM);
    feed(false);
    feed(false);
    await settle();
    expect(answers).toEqual([undefined, undefined]);
    expect(asked).toEqual([3]);
    expect(decoders).toEqual([]);
  });

  it('answers nothing for chunks of another stream', async () => {
    const { decoder, feed, answers, asked } = setUp();
    feed(true);
    decoder.start(STREAM);
    feed(true, 2);
    await settle();
    expect(answers).toEqual([undefined, undefined]);
    expect(asked).toEqual([]);
  });

  it('takes over the next stream with the same decoder; pictures under way still come', async () => {
    const { decoder, feed, last, answers, decoders, asked } = setUp();
    decoder.start(STREAM);
    feed(true);
    decoder.start({ ...STREAM, stream: 4 });
    feed(false, 4);
    feed(true, 4);
    expect(decoders).toHaveLength(1);
    const pictures = [last().output(), last().output()];
    await settle();
    expect(answers).toEqual([pictures[0], undefined, pictures[1]]);
    expect(asked).toEqual([4]);
  });

  it('refuses pictures of another size than was announced', async () => {
    const { decoder, feed, last, answers, asked, book } = setUp();
    decoder.start(STREAM);
    feed(true);
    const stamp = last().chunks[0]?.timestamp ?? 0;
    last().handlers.output(book.frame(stamp, { widthPx: 4096, heightPx: 194 }));
    await settle();
    expect(answers).toEqual([undefined]);
    expect(asked).toEqual([3]);
    expect(book.open).toBe(0);
  });

  it('fails when a decoder says nothing for three seconds, or too much is waiting', async () => {
    const { decoder, feed, last, answers, asked, clock } = setUp();
    decoder.start(STREAM);
    feed(true);
    clock.pass(2999);
    feed(false);
    expect(asked).toEqual([]);
    clock.pass(1);
    expect(asked).toEqual([3]);
    expect(last().closings).toBe(1);
    feed(true);
    for (let chunk = 1; chunk < 16; chunk++) feed(false);
    expect(asked).toEqual([3]);
    feed(false);
    expect(asked).toEqual([3, 3]);
    await settle();
    expect(answers).toEqual(Array.from({ length: 19 }, () => undefined));
    expect(clock.waitingMs).toEqual([]);
  });

  it('gives a codec up that fails four times without a picture', async () => {
    const { decoder, feed, last, gaveUp, asked, refuseFromNowOn } = setUp();
    decoder.start(STREAM);
    for (let round = 0; round < 3; round++) {
      feed(true);
      last().fail();
    }
    feed(true);
    last().output();
    expect(gaveUp).toEqual([]);
    last().fail();
    refuseFromNowOn();
    for (let round = 0; round < 2; round++) feed(true);
    expect(gaveUp).toEqual([]);
    feed(true);
    expect(gaveUp).toEqual(['h264']);
    expect(asked).toEqual([3, 3, 3, 3, 3, 3]);
  });

  it('does without the hardware after two failures without a picture', () => {
    const { decoder, feed, last, decoders } = setUp();
    decoder.start(STREAM);
    for (let round = 0; round < 2; round++) {
      feed(true);
      last().fail();
    }
    feed(true);
    last().output();
    last().fail();
    feed(true);
    expect(decoders.map(({ configs }) => configs[0]?.hardwareAcceleration)).toEqual([
      'no-preference',
      'no-preference',
      'prefer-software',
      'no-preference',
    ]);
  });

  it('stops at once, and answers what is under way', async () => {
    const { decoder, feed, last, answers, asked, clock } = setUp();
    decoder.start(STREAM);
    feed(true);
    decoder.stop();
    await settle();
    expect(answers).toEqual([undefined]);
    expect(last().closings).toBe(1);
    expect(clock.waitingMs).toEqual([]);
    decoder.stop();
    expect(last().closings).toBe(1);
    expect(asked).toEqual([]);
  });
});
