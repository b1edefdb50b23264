import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Rect } from '../../../protocol/rect.ts';
import { decodeVideoStream, readEnvelope } from '../../../protocol/wire/index.ts';
import type {
  SharedPlanes,
  VideoEncoder,
  VideoFormat,
  VideoOutcome,
  VideoRequest,
  VideoState,
} from '../../../viewer/encode/index.ts';
import type { LineState } from '../../../viewer/relay/line.ts';
import {
  KEY_GAP_MS,
  type LaneMember,
  type LanePicture,
  VideoLane,
} from '../../../viewer/relay/video-lane.ts';

const FORMAT: VideoFormat = {
  codec: 'h264',
  codecString: 'avc1.42C028',
  codedWidthPx: 64,
  codedHeightPx: 64,
  widthPx: 64,
  heightPx: 64,
};
const PLANES: SharedPlanes = {
  memory: { path: '/nowhere', inode: 0n, byteLength: 6148 },
  epochOffsetBytes: 6144,
  widthPx: 64,
  heightPx: 64,
  y: { offsetBytes: 0, pitchBytes: 64 },
  u: { offsetBytes: 4096, pitchBytes: 32 },
  v: { offsetBytes: 5120, pitchBytes: 32 },
};
const CLEAR: LineState = { kbits: 0, delayMs: 0, congested: false, near: false };
const FULL: LineState = { kbits: 2000, delayMs: 200, congested: true, near: false };

/** An encoder whose pictures are made when the test says so. */
class FakeEncoder implements VideoEncoder {
  readonly settings = { codec: 'h264', bitrateKbits: 10_000, framesPerSecond: 60 } as const;
  state: VideoState = { kind: 'ready' };
  readonly stats = {
    chunks: 0,
    keyFrames: 0,
    bytes: 0,
    replaced: 0,
    missed: 0,
    restarts: 0,
    startMs: 0,
  };
  readonly pid = undefined;
  readonly printed: readonly string[] = [];
  readonly requests: VideoRequest[] = [];
  readonly bitrates: number[] = [];
  format: VideoFormat = FORMAT;
  closed = false;
  #resolve: ((outcome: VideoOutcome) => void) | undefined;

  encode(_planes: SharedPlanes, request: VideoRequest): Promise<VideoOutcome> {
    this.requests.push(request);
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  async answer(outcome?: VideoOutcome): Promise<void> {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error('nothing was asked');
    const timing = { queuedNs: 1, startedNs: 2, copiedNs: 3, doneNs: 4 };
    const keyFrame = request.keyFrame ?? false;
    const bytes = Uint8Array.of(1);
    const { serial } = request;
    this.#resolve?.(
      outcome ?? { kind: 'chunk', serial, keyFrame, bytes, format: this.format, timing },
    );
    await vi.advanceTimersByTimeAsync(0);
  }

  setBitrate(kbits: number): void {
    this.bitrates.push(kbits);
  }

  async settled(): Promise<VideoState> {
    return this.state;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class Member implements LaneMember {
  ready = true;
  takes = true;
  lineState = CLEAR;
  slowed = 0;
  readonly pictures: LanePicture[] = [];

  takeVideo(picture: LanePicture): boolean {
    if (this.takes) this.pictures.push(picture);
    return this.takes;
  }

  slowDown(): void {
    this.slowed++;
  }

  get got(): string {
    return this.pictures.map(({ serial, key }) => `${serial}${key ? 'K' : ''}`).join(' ');
  }
}

let encoder: FakeEncoder;
let source: {
  epoch: number;
  serial: number;
  region: Rect | undefined;
  planes: SharedPlanes | undefined;
};
let failures: string[];
let lane: VideoLane;

beforeEach(() => {
  vi.useFakeTimers();
  encoder = new FakeEncoder();
  source = { epoch: 1, serial: 1, region: undefined, planes: PLANES };
  failures = [];
  let stream = 0;
  lane = new VideoLane({
    source,
    encoder,
    nextStream: () => ++stream,
    failed: (message, forGood) => failures.push(`${message}, ${forGood}`),
  });
});

afterEach(async () => {
  await lane.close();
  vi.useRealTimers();
});

/** Joins a member and gives it the key picture. */
async function synced(): Promise<Member> {
  const member = new Member();
  lane.join(member);
  lane.pump();
  await encoder.answer();
  return member;
}

describe('a lane of video', () => {
  it('codes nothing for nobody, nothing without a picture, and nothing for who has no room', () => {
    lane.pump();
    const member = new Member();
    member.ready = false;
    lane.join(member);
    lane.pump();
    member.ready = true;
    source.planes = undefined;
    lane.pump();
    expect(encoder.requests).toEqual([]);
  });

  it('begins with a key picture and goes on with the newest one only', async () => {
    const member = await synced();
    lane.pump();
    expect(encoder.requests).toHaveLength(1);
    source.serial = 2;
    lane.pump();
    source.serial = 5;
    lane.pump();
    await encoder.answer();
    await encoder.answer();
    expect(encoder.requests.map(({ serial }) => serial)).toEqual([1, 2, 5]);
    expect(member.got).toBe('1K 2 5');
    expect(
      decodeVideoStream(readEnvelope(member.pictures[0]?.announcement ?? new Uint8Array())),
    ).toEqual({
      stream: 1,
      epoch: 1,
      codec: 'h264',
      codecString: 'avc1.42C028',
      codedWidthPx: 64,
      codedHeightPx: 64,
    });
  });

  it('begins another stream with a key picture when another part of the picture is coded', async () => {
    const member = await synced();
    const region = { x: 64, y: 128, width: 256, height: 192 };
    source.region = region;
    lane.pump();
    await encoder.answer();
    expect(member.got).toBe('1K 1K');
    const announced = member.pictures.map(({ announcement }) =>
      decodeVideoStream(readEnvelope(announcement)),
    );
    expect(announced).toMatchObject([{ stream: 1 }, { stream: 2, region }]);
    expect(announced[0]).not.toHaveProperty('region');
    expect(member.pictures.map((picture) => picture.region)).toEqual([undefined, region]);
    // Still the same part: nothing to code until something in it is new.
    lane.pump();
    expect(encoder.requests).toHaveLength(2);
  });

  it('lets a second viewer in with one key picture for both, not before half a second has passed', async () => {
    const first = await synced();
    const second = new Member();
    lane.join(second);
    for (let ask = 0; ask < 1000; ask++) lane.needKey(second);
    expect(encoder.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(KEY_GAP_MS);
    expect(encoder.requests).toHaveLength(2);
    await encoder.answer();
    expect(first.got).toBe('1K 1K');
    expect(second.got).toBe('1K');
  });

  it('sends nothing after a gap until the next key picture', async () => {
    const member = await synced();
    member.takes = false;
    source.serial = 2;
    lane.pump();
    await encoder.answer();
    member.takes = true;
    source.serial = 3;
    lane.pump();
    await vi.advanceTimersByTimeAsync(KEY_GAP_MS);
    await encoder.answer();
    expect(member.got).toBe('1K 3K');
  });

  it('begins a new stream with a key picture in another epoch, at once', async () => {
    const member = await synced();
    source.epoch = 2;
    source.serial = 7;
    lane.pump();
    await encoder.answer();
    expect(member.got).toBe('1K 7K');
    expect(member.pictures.map(({ stream }) => stream)).toEqual([1, 2]);
  });

  it('begins a new stream when the coded format is another one', async () => {
    const member = await synced();
    encoder.format = { ...FORMAT, codecString: 'avc1.42C02A' };
    source.serial = 2;
    lane.pump();
    await encoder.answer();
    expect(member.pictures.map(({ stream }) => stream)).toEqual([1, 2]);
  });

  it('asks again for a picture that was missed', async () => {
    const member = await synced();
    source.serial = 2;
    lane.pump();
    await encoder.answer({ kind: 'missed' });
    await vi.advanceTimersByTimeAsync(10);
    await encoder.answer();
    expect(member.got).toBe('1K 2');
  });

  it('says that it has failed, and codes no more', async () => {
    const { KvmfrError } = await import('../../../protocol/error.ts');
    await synced();
    source.serial = 2;
    lane.pump();
    encoder.state = { kind: 'failed', error: new KvmfrError('ERR_KVMFR_UNSUPPORTED', 'gone') };
    await encoder.answer({ kind: 'failed', error: encoder.state.error });
    expect(failures).toEqual(['gone, true']);
    expect(lane.usable).toBe(false);
    lane.pump();
    expect(encoder.requests).toHaveLength(2);
  });

  it('gives fewer bits at once when half of the lines are congested, and more slowly when none is', async () => {
    const member = await synced();
    member.lineState = FULL;
    lane.follow(20_000, 500);
    expect(encoder.bitrates.at(-1)).toBe(1700);
    member.lineState = CLEAR;
    for (let second = 0; second < 3; second++) lane.follow(20_000, 500);
    expect(encoder.bitrates.at(-1)).toBe(1700);
    lane.follow(20_000, 500);
    expect(encoder.bitrates.at(-1)).toBe(2550);
    for (let second = 0; second < 60; second++) lane.follow(20_000, 500);
    expect(encoder.bitrates.at(-1)).toBe(20_000);
    member.lineState = { ...FULL, kbits: 1 };
    lane.follow(20_000, 500);
    expect(encoder.bitrates.at(-1)).toBe(500);
  });

  it('sends one bad line of three away after a few seconds, and keeps the bits of the others', async () => {
    const members = [await synced(), new Member(), new Member()];
    for (const member of members) lane.join(member);
    const [bad] = members;
    if (bad === undefined) throw new Error('no member');
    bad.lineState = FULL;
    for (let second = 0; second < 4; second++) lane.follow(10_000, 500);
    expect(members.map(({ slowed }) => slowed > 0)).toEqual([true, false, false]);
    expect(encoder.bitrates.at(-1)).toBe(10_000);
  });
});
