import { beforeEach, describe, expect, it } from 'vitest';
import {
  CLIPBOARD_CHUNK_BYTES,
  type ClipboardRequest,
  type ClipboardState,
  decodeClipboardData,
  decodeClipboardOffer,
  decodeClipboardRequest,
  readEnvelope,
} from '../../../../protocol/wire/index.ts';
import { ClipboardLine } from '../../../../viewer/web/core/clipboard-line.ts';
import type { Report } from '../../../../viewer/web/core/messages.ts';

const STATE: ClipboardState = {
  ...{ policy: 'both', active: true, available: true },
  limits: { text: 1 << 24, png: 1 << 24 },
};
const WINDOW = 4 * CLIPBOARD_CHUNK_BYTES;

let messages: Uint8Array[];
let reports: Report[];
let buffered: number;
let timers: (() => void)[];
let wake: () => void;
let line: ClipboardLine;

beforeEach(() => {
  messages = [];
  reports = [];
  buffered = 0;
  timers = [];
  wake = () => undefined;
  line = new ClipboardLine({
    send: (message) => {
      messages.push(message);
      wake();
    },
    buffered: () => buffered,
    after: (_, run) => {
      timers.push(run);
      return () => undefined;
    },
    report: (report) => reports.push(report),
  });
});

/** The messages of contents that it has sent, once there are so many. */
async function pieces(count: number) {
  const list = () =>
    messages.map((message) => readEnvelope(message)).filter(({ type }) => type === 0xc4);
  while (list().length < count)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  return list().map(decodeClipboardData);
}

function want(wanted: ClipboardRequest | undefined): void {
  line.take(wanted === undefined ? STATE : { ...STATE, wanted });
}

function request(transfer: number, upTo: number, offer = 1): ClipboardRequest {
  return { transfer, offer, kind: 'text', upTo };
}

function textOf(length: number): Blob {
  return new Blob(['x'.repeat(length)], { type: 'text/plain' });
}

describe('contents on their way to the relay', () => {
  it('are told of, and sent as far as they are wanted', async () => {
    line.take(STATE);
    line.offer(1, { text: textOf(100_000) });
    expect(decodeClipboardOffer(readEnvelope(messages[0] ?? new Uint8Array()))).toEqual({
      ...{ offer: 1, kinds: ['text'] },
    });
    want(request(7, 40_000));
    const first = await pieces(2);
    expect(first.map((piece) => 'offset' in piece && [piece.offset, piece.bytes.length])).toEqual([
      [0, 32_768],
      [32_768, 7232],
    ]);
    want(request(7, 100_000));
    const all = await pieces(4);
    const sizes = all.map((piece) => ('bytes' in piece ? piece.bytes.length : 0));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100_000);
    expect(all.every((piece) => piece.transfer === 7)).toBe(true);
  });

  it('wait behind all else, and keys wait for no more than one piece of them', async () => {
    line.take(STATE);
    line.offer(1, { text: textOf(100_000) });
    buffered = 1;
    want(request(7, 100_000));
    while (timers.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(messages).toHaveLength(1);
    // Each piece lies before the network, and the next one waits until it does not.
    for (const count of [1, 2]) {
      buffered = 0;
      expect(line.pieceBytes).toBe(0);
      wake = () => {
        buffered = CLIPBOARD_CHUNK_BYTES;
      };
      for (const run of timers.splice(0)) run();
      expect(await pieces(count)).toHaveLength(count);
      expect(line.pieceBytes).toBe(CLIPBOARD_CHUNK_BYTES);
      expect(timers).toHaveLength(1);
    }
  });

  it('leave pauses when they are large, whatever more is wanted meanwhile', async () => {
    const burst = 8 * CLIPBOARD_CHUNK_BYTES;
    const total = burst + 3 * CLIPBOARD_CHUNK_BYTES;
    line.take(STATE);
    line.offer(1, { text: textOf(total) });
    want(request(7, total - 1));
    // What a person has read goes at once, and a piece more.
    await pieces(9);
    for (const count of [10, 11]) {
      expect(timers).toHaveLength(1);
      want(request(7, total));
      expect(await pieces(0)).toHaveLength(count - 1);
      for (const run of timers.splice(0)) run();
      expect(await pieces(0)).toHaveLength(count);
    }
    expect(timers).toHaveLength(0);
  });

  it('are one piece without bytes when they are empty, and a reason when they are gone', async () => {
    line.take(STATE);
    line.offer(1, { text: textOf(0) });
    want(request(1, WINDOW));
    expect(await pieces(1)).toEqual([
      { transfer: 1, offset: 0, total: 0, bytes: new Uint8Array() },
    ]);
    want(request(2, WINDOW, 99));
    expect((await pieces(2))[1]).toEqual({
      ...{ transfer: 2, refused: 'there is none of it any more' },
    });
    want({ ...request(3, WINDOW), kind: 'png' });
    expect((await pieces(3))[2]).toHaveProperty('refused');
  });
});

describe('contents on their way from the relay', () => {
  it('are asked for as they arrive, and are there when all of them are', async () => {
    line.take(STATE);
    line.read(5, 2, 'text');
    const total = 200_000;
    for (let offset = 0; offset < total; offset += 32_000) {
      const length = Math.min(32_000, total - offset);
      line.takeData({ transfer: 1, offset, total, bytes: new Uint8Array(length).fill(0x61) });
    }
    const asked = messages.map((message) => decodeClipboardRequest(readEnvelope(message)));
    expect(asked[0]).toEqual(request(1, WINDOW, 2));
    expect(asked.at(-1)?.upTo).toBeGreaterThanOrEqual(total);
    const report = reports.at(-1);
    if (report?.kind !== 'clipboardContents') throw new Error('contents must be reported');
    expect([report.ask, report.contents?.size, report.contents?.type]).toEqual([
      ...[5, total, 'text/plain'],
    ]);
    expect(await report.contents?.text()).toBe('a'.repeat(total));
  });

  it('are given up for what is asked for next, for a reason, and for a loss', () => {
    line.take(STATE);
    line.read(1, 2, 'text');
    line.read(2, 2, 'png');
    line.takeData({ transfer: 2, refused: 'the guest did not give it' });
    line.read(3, 2, 'text');
    line.clear();
    line.read(4, 2, 'text');
    const reasons = reports.flatMap((report) =>
      report.kind === 'clipboardContents' ? [`${report.ask}: ${report.reason}`] : [],
    );
    expect(reasons).toEqual([
      '1: something else was asked for meanwhile',
      '2: the guest did not give it',
      '3: the connection was lost on the way',
      '4: there is no connection to the guest',
    ]);
    expect(reports.at(-2)).toEqual({ kind: 'clipboard', state: undefined });
  });

  it('are refused when they have gaps, and passed over when nobody wants them', () => {
    line.take(STATE);
    line.takeData({ transfer: 9, offset: 7, total: 9, bytes: new Uint8Array(2) });
    line.read(1, 2, 'text');
    line.takeData({ transfer: 9, refused: 'late' });
    const piece = { transfer: 1, offset: 5, total: 9, bytes: new Uint8Array(2) };
    expect(() => line.takeData(piece)).toThrow(/must be at 0, but is at 5/);
  });
});
