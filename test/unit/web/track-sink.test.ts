import { describe, expect, it } from 'vitest';
import { TrackSink } from '../../../viewer/web/core/render/track-sink.ts';
import { FrameBook, settle } from './fakes.ts';

const SIZE = { widthPx: 6, heightPx: 4 };

describe('TrackSink', () => {
  it('keeps one picture waiting for the track, the newest', async () => {
    const book = new FrameBook();
    const written: number[] = [];
    const going: (() => void)[] = [];
    const writable = new WritableStream<VideoFrame>({
      write(frame) {
        written.push(frame.timestamp);
        frame.close();
        return new Promise((resolve) => going.push(resolve));
      },
    });
    const sink = new TrackSink({ writable });
    for (const timestamp of [10, 20, 30, 40]) sink.show(book.frame(timestamp, SIZE));
    await settle();
    expect(written).toEqual([10]);
    // The one that waits, and the copy of it for reading.
    expect(book.open).toBe(2);
    going[0]?.();
    await settle();
    expect(written).toEqual([10, 40]);
    expect(book.open).toBe(1);
    expect(book.faults).toEqual([]);
  });

  it('is lost for good when the track ends, and closes what it was given', async () => {
    const book = new FrameBook();
    const writable = new WritableStream<VideoFrame>({
      write: () => Promise.reject(new Error('the track has ended')),
    });
    const sink = new TrackSink({ writable });
    sink.show(book.frame(10, SIZE));
    await settle();
    expect(sink.isLost).toBe(true);
    sink.retry();
    expect(sink.isLost).toBe(true);
    expect(book.open).toBe(1);
    expect(book.faults).toEqual([]);
  });
});
