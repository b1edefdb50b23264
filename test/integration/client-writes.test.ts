import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type Client, connect } from '../../client/index.ts';
import { createHost, type Host } from '../../host/index.ts';
import { WIRES, type WireName } from '../../host/wire.ts';
import { Mapping } from '../../native/index.ts';
import { FEATURES } from '../../protocol/kvmfr/session.ts';
import type { LgmpLayout } from '../../protocol/lgmp/index.ts';
import { Region } from '../../protocol/memory/region.ts';
import { storeU64 } from '../../protocol/memory/word.ts';
import { eventually } from '../support/eventually.ts';
import { recordWrites } from '../support/write-recorder.ts';
import { zeros } from './client-guest.ts';

const PIECE = 64 * 1024;

/** A span that the protocol lets clients write. Source: the table in docs/regions.md. */
interface Span {
  readonly what: string;
  readonly at: number;
  readonly bytes: number;
}

/** Where a client may write, by name: all else is the publisher's. */
function clientSpans(region: Region, lgmp: LgmpLayout): readonly Span[] {
  const { header, queue, message, clientMessage } = lgmp;
  const spans: Span[] = [];
  if (header.nextClientID !== undefined)
    spans.push({ what: 'nextClientID', at: header.nextClientID, bytes: 4 });
  const count = region.view.getUint32(header.numQueues, true);
  for (let i = 0; i < count; i++) {
    const at = header.queues + i * queue.sizeBytes;
    const own = (what: string, offset: number, bytes: number): void => {
      spans.push({ what, at: at + offset, bytes });
    };
    own('lock', queue.lock, lgmp.lockBytes);
    own('newSubCount', queue.newSubCount, 4);
    own('start', queue.start, 4);
    own('count', queue.count, 4);
    own('msgTimeout', queue.msgTimeout, 8);
    own('subs', Math.min(lgmp.subs.on, lgmp.subs.bad), lgmp.maxSubscribers === 32 ? 8 : 4);
    own('clientID', queue.clientID, 4 * lgmp.maxSubscribers);
    own('timeout', queue.timeout, 8 * lgmp.maxSubscribers);
    own('cMsgLock', queue.cMsgLock, lgmp.lockBytes);
    own('cMsgAvail', queue.cMsgAvail, 4);
    own('cMsgWPos', queue.cMsgWPos, 4);
    own('cMsgWSerial', queue.cMsgWSerial, 4);
    own('cMsgs', queue.cMsgs, lgmp.clientMessageSlots * clientMessage.sizeBytes);
    const messages = region.view.getUint32(at + queue.messagesOffset, true);
    const slots = region.view.getUint32(at + queue.numMessages, true);
    for (let slot = 0; slot < slots; slot++)
      spans.push({
        what: 'pendingSubs',
        at: messages + slot * message.sizeBytes + message.pendingSubs,
        bytes: 4,
      });
  }
  return [...spans, ...streamSpans(region)];
}

/** Where the client may write that a stream is bound to: nowhere in the others. */
function streamSpans(region: Region): readonly Span[] {
  const spans: Span[] = [];
  for (let at = 0; at + 16640 <= region.byteLength && at < 8 * 2 ** 20; at += 64) {
    if (region.view.getUint32(at, true) !== 0x4853_534c) continue;
    const isClipboard = region.view.getUint32(at + 24, true) === 4;
    // Ready or draining, as the publisher wrote it. Those of the clipboard are for its one client here,
    // who loses them for a moment when it is busy.
    if (region.view.getUint32(at + 64, true) < 2 && !isClipboard) continue;
    const word = (offset: number): number => region.view.getUint32(at + offset, true);
    const isToHost = word(16) === 2;
    const cursorAt = at + (isToHost ? 128 : 192);
    spans.push({ what: 'stamp of a stream', at: cursorAt, bytes: 4 });
    spans.push({ what: 'active of a stream', at: cursorAt + 4, bytes: 8 });
    spans.push({ what: 'value of a stream', at: cursorAt + 16, bytes: 16 });
    const [slots, slotBytes, stride] = [word(24), word(28), word(32)];
    for (let slot = 0; isToHost && slot < slots; slot++) {
      const slotAt = at + 256 + slot * stride;
      spans.push({ what: 'head of a slot', at: slotAt, bytes: 16 });
      // Records of input have half of a slot.
      const bytes = slotBytes === 64 ? 32 : slotBytes;
      spans.push({ what: 'record of a slot', at: slotAt + 64, bytes });
    }
  }
  return spans;
}

function nameOf(spans: readonly Span[], at: number, bytes: number): string {
  const found = spans.find((span) => at >= span.at && at + bytes <= span.at + span.bytes);
  return found?.what ?? `${bytes} bytes at 0x${at.toString(16)}`;
}

/** Pieces of two equally long arrays that differ. */
function* differing(one: Uint8Array, other: Uint8Array): Generator<readonly [number, number]> {
  for (let at = 0; at < one.length; at += PIECE) {
    const end = at + PIECE;
    if (Buffer.compare(one.subarray(at, end), other.subarray(at, end)) !== 0) yield [at, end];
  }
}

/** A publisher that only moves when it is told to; what changes in between is somebody else's doing. */
class SteppedHost {
  readonly host: Host;
  readonly region: Region;
  /** What others have written in between, by name. */
  readonly found: Set<string> = new Set();
  readonly #spans: () => readonly Span[];
  readonly #bytes: Uint8Array;
  readonly #heartAt: number;
  readonly #clock: () => number;
  #word = 1;

  constructor(host: Host, region: Region, lgmp: LgmpLayout, clock: () => number) {
    this.host = host;
    this.region = region;
    this.#spans = () => clientSpans(region, lgmp);
    this.#heartAt = lgmp.header.timestamp;
    this.#clock = clock;
    // In a buffer of another size than any mapping of the region has: it is not recorded.
    this.#bytes = new Uint8Array(new ArrayBuffer(region.byteLength + 1), 0, region.byteLength);
    this.#bytes.set(region.bytes);
  }

  step(): void {
    const { bytes } = this.region;
    for (const [from, end] of differing(this.#bytes, bytes)) {
      const spans = this.#spans();
      for (let at = from; at < end; at++)
        if (this.#bytes[at] !== bytes[at]) this.found.add(nameOf(spans, at, 1));
    }
    const words = new Uint32Array(32 * 16).fill(this.#word++);
    const pixels = new Uint8Array(words.buffer);
    this.host.housekeep();
    this.host.publish({ pixels, format: 'BGRA', widthPx: 32, heightPx: 16 });
    this.host.setCursor({ position: { x: this.#word, y: 1 }, visible: true });
    // With each step, in every version: what a step takes is the machine's to say.
    storeU64(this.region, this.#heartAt, BigInt(this.#clock()));
    for (const [from, end] of differing(this.#bytes, bytes))
      this.#bytes.set(bytes.subarray(from, end), from);
  }
}

const KINDS = ['clientID', 'lock', 'newSubCount', 'pendingSubs', 'subs', 'timeout'];
const STREAM_KINDS = [
  'active of a stream',
  'head of a slot',
  'record of a slot',
  'stamp of a stream',
  'value of a stream',
];
const MESSAGE_KINDS = ['cMsgAvail', 'cMsgLock', 'cMsgWPos', 'cMsgWSerial', 'cMsgs'];

/** Uses keyboard and pointer for a while; gives where that client might write. */
async function typeAndPoint(client: Client, host: Host, region: Region): Promise<readonly Span[]> {
  const input = client.input();
  await eventually(() => input.state.available);
  const spans = streamSpans(region);
  for (let i = 0; i < 200; i++) {
    input.keyboard({ modifiers: i & 1, keys: [4 + (i % 8)] });
    input.move({ buttons: i & 1, deltaX: i, deltaY: -i });
    const before = host.stats.input?.accepted ?? 0;
    await eventually(() => (host.stats.input?.accepted ?? 0) > before);
  }
  await input.close();
  return spans;
}

/** Has the clipboard for a while, and contents both ways; gives where that client might write. */
async function copyAndPaste(client: Client, host: Host, region: Region): Promise<readonly Span[]> {
  const clipboard = client.clipboard();
  await eventually(() => clipboard.state.available);
  const spans = streamSpans(region);
  const contents = new Uint8Array(300_000).fill(7);
  host.setClipboard(new Map([['text', contents]]));
  let read: Uint8Array | undefined;
  while (read === undefined) {
    await turn();
    read = await clipboard.read('text');
  }
  clipboard.offer(['text'], () => Promise.resolve(contents));
  let given: Uint8Array | undefined;
  while (given === undefined) {
    await turn();
    given = await host.readClipboard('text');
  }
  await clipboard.close();
  return spans;
}

/** Does something, and reads frames and pointer meanwhile: who does not is given up. */
async function readingOn(
  frames: AsyncIterator<unknown>,
  cursor: AsyncIterator<unknown>,
  work: () => Promise<void>,
): Promise<void> {
  let works = true;
  const reading = (async () => {
    while (works) await Promise.all([frames.next(), cursor.next()]);
  })();
  await work();
  works = false;
  await reading;
}

it.each(['B6', 'B7', 'dev7', 'dev10', 'dev12'] as const)(
  'a session of a client writes what the protocol gives to clients, and nothing else: %s',
  async (wire: WireName) => {
    const path = zeros(8);
    const { lgmp } = WIRES[wire];
    using mapping = Mapping.open(path);
    const region = new Region(mapping.buffer);
    let nowMs = 1000;
    const host = await createHost(region, {
      wire,
      housekeepingMs: 0,
      // Its time goes by in steps, however slow the machine is: who reads along is not given up.
      clock: () => nowMs,
      features: FEATURES.setCursorPos,
      recovery: false,
      input: wire === 'dev12',
      clipboard: wire === 'dev12',
    });
    onTestFinished(() => host.close());
    const stepped = new SteppedHost(host, region, lgmp, () => nowMs);
    const timer = setInterval(() => {
      nowMs += 1;
      stepped.step();
    }, 2);
    onTestFinished(() => clearInterval(timer));
    const size = region.byteLength;
    const recorder = recordWrites(
      (buffer) => buffer.byteLength === size && buffer !== region.buffer,
    );
    onTestFinished(() => recorder.stop());

    const client = await connect(path);
    client.schedule({ periodNs: 5_000_000 });
    const cursor = client.cursor();
    const frames = client.frames({ partial: true });
    for (let i = 0; i < 20; i++) {
      const { value: frame } = await frames.next();
      await frame?.whenRows(frame.dataHeightPx);
      await cursor.next();
    }
    await eventually(() => cursor.moveTo({ x: 5, y: 6 }));
    const isDev12 = wire === 'dev12';
    const streams: Span[] = [];
    if (isDev12)
      await readingOn(frames, cursor, async () => {
        streams.push(...(await typeAndPoint(client, host, region)));
        streams.push(...(await copyAndPaste(client, host, region)));
      });
    // A second reader comes and goes, so that messages are waited for by two.
    const others = client.frames();
    for (let i = 0; i < 5; i++) await Promise.all([others.next(), frames.next(), cursor.next()]);
    await others.return?.();
    await client.close();
    stepped.step();
    recorder.stop();
    clearInterval(timer);

    const spans = [...clientSpans(region, lgmp), ...streams];
    const names = new Set(recorder.writes.map(({ at, bytes }) => nameOf(spans, at, bytes)));
    const allowed = new Set(spans.map(({ what }) => what));
    expect([...names].filter((name) => !allowed.has(name))).toEqual([]);
    expect([...stepped.found].filter((name) => !allowed.has(name))).toEqual([]);
    // And it did write: what was seen in the bytes was seen as stores as well.
    expect([...names].sort()).toEqual(
      expect.arrayContaining([...KINDS, ...MESSAGE_KINDS, ...(isDev12 ? STREAM_KINDS : [])].sort()),
    );
    for (const name of stepped.found) expect(names).toContain(name);
    // Nothing is left of it but what counts on.
    const left = spans.filter(
      ({ what, at, bytes }) =>
        ['subs', 'clientID', 'lock', 'cMsgLock'].includes(what) &&
        region.bytes.subarray(at, at + bytes).some((byte) => byte !== 0),
    );
    expect(left).toEqual([]);
    expect(host.stats.subscribersTimedOut).toBe(0);
  },
);
