import { afterEach, describe, expect, it } from 'vitest';
import {
  CLIPBOARD_CHUNK_BYTES,
  type ClipboardKind,
  type ClipboardPolicy,
  type ClipboardState,
  encodeClipboardData,
  encodeClipboardOffer,
  encodeClipboardRequest,
  encodeInput,
  encodeInputWish,
} from '../../protocol/wire/index.ts';
import { eventually } from '../support/eventually.ts';
import { parseExposition } from '../support/exposition.ts';
import { WrittenClipboard } from '../support/written-clipboard.ts';
import { WrittenInput } from '../support/written-input.ts';
import { join } from '../unit/relay/hands.ts';
import { closeStages, PING, Stage } from '../unit/relay/stage.ts';
import type { TestViewer } from '../unit/relay/test-viewer.ts';

afterEach(closeStages);

const LIMITS = { text: 1 << 20, png: 1 << 20 };
const PNG_HEAD = '89504e470d0a1a0a0000000d49484452000000020000000308060000';
const POSITION = encodeInput({ atMs: undefined, events: [{ kind: 'position', x: 1, y: 1 }] });

interface Open {
  readonly guest: WrittenClipboard;
  readonly stage: Stage;
}

async function open(
  options: {
    readonly policy?: ClipboardPolicy | 'off';
    readonly viewOnly?: boolean;
    readonly idleGraceMs?: number;
  } = {},
): Promise<Open> {
  const guest = new WrittenClipboard();
  const { policy = 'both', ...rest } = options;
  const clipboard = { guest, policy, limits: LIMITS };
  return { guest, stage: await Stage.open({ input: new WrittenInput(), clipboard, ...rest }) };
}

/** Has the input from now on. */
async function hold(viewer: TestViewer): Promise<void> {
  viewer.send(POSITION);
  await viewer.until(() => stateOf(viewer)?.active === true);
}

function stateOf(viewer: TestViewer): ClipboardState | undefined {
  return viewer.clipboards.at(-1);
}

function patternOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => 0x20 + (at % 89));
}

function pngOf(length: number): Uint8Array {
  const file = new Uint8Array(length);
  file.set(Buffer.from(PNG_HEAD, 'hex'));
  return file;
}

/** Sends all of what is wanted, as it is asked for; ends when nothing is wanted any more. */
async function serve(viewer: TestViewer, bytes: Uint8Array): Promise<void> {
  await viewer.until(() => stateOf(viewer)?.wanted !== undefined);
  let sent = 0;
  while (sent < bytes.length) {
    const at = sent;
    await viewer.until(() => (stateOf(viewer)?.wanted?.upTo ?? 0) > at);
    const wanted = stateOf(viewer)?.wanted;
    if (wanted === undefined) throw new Error('nothing is wanted any more');
    const end = Math.min(sent + CLIPBOARD_CHUNK_BYTES, wanted.upTo, bytes.length);
    const piece = { transfer: wanted.transfer, offset: sent, total: bytes.length };
    viewer.send(encodeClipboardData({ ...piece, bytes: bytes.subarray(sent, end) }, 'viewer'));
    sent = end;
  }
}

/** Gets all of what the guest has, giving credit piece by piece; or the reason why not. */
async function get(
  viewer: TestViewer,
  transfer: number,
  kind: ClipboardKind = 'text',
): Promise<Uint8Array | string> {
  const offer = stateOf(viewer)?.guest?.offer ?? 0;
  const pieces: Uint8Array[] = [];
  const first = viewer.contents.length;
  for (let received = 0; ; ) {
    const upTo = received + CLIPBOARD_CHUNK_BYTES;
    viewer.send(encodeClipboardRequest({ transfer, offer, kind, upTo }));
    const at = first + pieces.length;
    await viewer.until(() => viewer.contents.length > at);
    const piece = viewer.contents[at];
    if (piece === undefined) throw new Error('a piece must be there');
    expect(piece.transfer).toBe(transfer);
    if ('refused' in piece) return piece.refused;
    expect(piece.offset).toBe(received);
    pieces.push(piece.bytes);
    received += piece.bytes.length;
    if (received === piece.total) return Buffer.concat(pieces);
  }
}

function give(viewer: TestViewer, offer: number, ...kinds: readonly ClipboardKind[]): void {
  viewer.send(encodeClipboardOffer({ offer, kinds }));
}

describe('the clipboard through the relay', () => {
  it('brings what a viewer has to the guest when it is pasted there, byte for byte', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    expect(viewer.clipboards).toEqual([
      { policy: 'both', active: false, available: true, limits: LIMITS },
    ]);
    // An offer takes the input, as every act does, and is no contents yet.
    give(viewer, 3, 'text', 'png');
    await viewer.until(() => stateOf(viewer)?.given === 3);
    expect(guest.offers).toEqual([['text', 'png']]);
    expect(stateOf(viewer)?.wanted).toBeUndefined();
    const text = patternOf(600_001);
    const [pasted] = await Promise.all([guest.paste('text'), serve(viewer, text)]);
    expect(Buffer.compare(pasted ?? new Uint8Array(), text)).toBe(0);
    await viewer.until(() => stateOf(viewer)?.wanted === undefined);
    // The second time it is there already.
    expect((await guest.paste('text'))?.length).toBe(text.length);
    const png = pngOf(70_000);
    const both = Promise.all([guest.paste('png'), guest.paste('png'), serve(viewer, png)]);
    expect(Buffer.compare((await both)[1] ?? new Uint8Array(), png)).toBe(0);
    // The guest got two contents, however often it pasted them.
    const json = await (await fetch(`${stage.door.url}api/session?token=secret`)).json();
    expect(json.clipboard).toEqual({
      ...{ policy: 'both', available: true, toGuest: 2, toGuestBytes: 670_001 },
      ...{ fromGuest: 0, fromGuestBytes: 0, ignored: 0, refused: 0 },
    });
  });

  it('brings what was copied in the guest to who asks for it, as much as it takes', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    await hold(viewer);
    const text = Buffer.from('Grüße 🐟\n'.repeat(40_000));
    guest.copy({ text, png: pngOf(100) });
    await viewer.until(() => stateOf(viewer)?.guest !== undefined);
    expect(stateOf(viewer)?.guest).toEqual({ offer: 1, kinds: ['text', 'png'] });
    expect(guest.reads).toEqual([]);
    expect(Buffer.compare(Buffer.from(await get(viewer, 1)), text)).toBe(0);
    expect(await get(viewer, 2, 'png')).toEqual(Buffer.from(pngOf(100)));
    guest.copy({ text: new Uint8Array() });
    await viewer.until(() => stateOf(viewer)?.guest?.offer === 2);
    expect(await get(viewer, 3)).toEqual(Buffer.alloc(0));
    // No more than was asked for, until more is.
    guest.copy({ text });
    await viewer.until(() => stateOf(viewer)?.guest?.offer === 3);
    const { length } = viewer.contents;
    viewer.send(encodeClipboardRequest({ transfer: 4, offer: 3, kind: 'text', upTo: 10 }));
    await viewer.until(() => viewer.contents.length > length);
    await viewer.settle(PING);
    expect(viewer.contents.slice(length)).toEqual([
      { transfer: 4, offset: 0, total: text.length, bytes: text.subarray(0, 10) },
    ]);
    // A new transfer ends it.
    expect(Buffer.from(await get(viewer, 5)).length).toBe(text.length);
  });

  it('is with who has the input, and goes with it', async () => {
    const { guest, stage } = await open();
    const [first, second] = [await join(stage), await join(stage)];
    give(first, 1, 'text');
    await first.until(() => stateOf(first)?.given === 1);
    const pasting = guest.paste('text');
    await first.until(() => stateOf(first)?.wanted !== undefined);
    // What others offer or ask for is passed over, or refused.
    give(second, 1, 'text');
    second.send(encodeClipboardRequest({ transfer: 1, offer: 1, kind: 'text', upTo: 9 }));
    await second.until(() => second.contents.length > 0);
    expect(second.contents[0]).toMatchObject({ refused: expect.stringMatching(/somebody else/) });
    expect(guest.offers).toEqual([['text']]);
    second.send(encodeInputWish('take'));
    await second.settle(PING);
    first.send(encodeInputWish('give'));
    await second.until(() => stateOf(second)?.active === true);
    // The guest is left with nothing of who has gone.
    expect(await pasting).toBeUndefined();
    expect(guest.offers).toEqual([['text'], []]);
    await first.until(() => stateOf(first)?.active === false);
    guest.copy({ text: patternOf(5) });
    await second.until(() => stateOf(second)?.guest !== undefined);
    await first.settle(PING);
    expect(stateOf(first)).toEqual({
      ...{ policy: 'both', active: false, available: true, limits: LIMITS },
    });
  });

  it('is stopped on its way when the input goes to somebody else', async () => {
    const { guest, stage } = await open();
    const [first, second] = [await join(stage), await join(stage)];
    await hold(first);
    guest.copy({ text: patternOf(100_000) });
    await first.until(() => stateOf(first)?.guest !== undefined);
    first.send(encodeClipboardRequest({ transfer: 1, offer: 1, kind: 'text', upTo: 10 }));
    await first.until(() => first.contents.length === 1);
    second.send(encodeInputWish('take'));
    await second.settle(PING);
    first.send(encodeInputWish('give'));
    await first.until(() => first.contents.length === 2);
    expect(first.contents[1]).toMatchObject({ transfer: 1, refused: expect.any(String) });
  });

  it('is what was copied last: in the guest, or at the viewer', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    give(viewer, 1, 'text');
    await viewer.until(() => stateOf(viewer)?.given === 1);
    const pasting = guest.paste('text');
    await viewer.until(() => stateOf(viewer)?.wanted !== undefined);
    guest.copy({ text: patternOf(5) });
    expect(await pasting).toBeUndefined();
    await viewer.until(() => stateOf(viewer)?.guest !== undefined);
    expect(stateOf(viewer)?.given).toBeUndefined();
    expect(stateOf(viewer)?.wanted).toBeUndefined();
    give(viewer, 2, 'text');
    await viewer.until(() => stateOf(viewer)?.given === 2);
    expect(stateOf(viewer)?.guest).toBeUndefined();
    give(viewer, 3);
    await viewer.until(() => stateOf(viewer)?.given === undefined);
    expect(guest.offers.at(-1)).toEqual([]);
  });

  it('waits for a guest whose agent is away, and says why it does not take part', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    guest.turn({ available: false, reason: 'no agent runs there' });
    await viewer.until(() => stateOf(viewer)?.available === false);
    expect(stateOf(viewer)?.reason).toBe('no agent runs there');
    give(viewer, 1, 'text');
    await viewer.until(() => stateOf(viewer)?.active === true);
    expect(stateOf(viewer)?.given).toBeUndefined();
    guest.turn({ available: true });
    await viewer.until(() => stateOf(viewer)?.given === 1);
    const [pasted] = await Promise.all([guest.paste('text'), serve(viewer, patternOf(9))]);
    expect(pasted).toEqual(patternOf(9));
  });

  it.each([
    ['to-guest', true, false],
    ['from-guest', false, true],
  ] as const)('goes one way where the policy is %s', async (policy, toGuest, fromGuest) => {
    const { guest, stage } = await open({ policy });
    const viewer = await join(stage);
    await hold(viewer);
    guest.copy({ text: patternOf(5) });
    await viewer.settle(PING);
    expect(stateOf(viewer)).toMatchObject({ policy });
    expect(stateOf(viewer)?.guest !== undefined).toBe(fromGuest);
    viewer.send(encodeClipboardRequest({ transfer: 1, offer: 1, kind: 'text', upTo: 99 }));
    await viewer.until(() => viewer.contents.length > 0);
    expect('refused' in (viewer.contents[0] ?? {})).toBe(!fromGuest);
    expect(guest.reads).toHaveLength(fromGuest ? 1 : 0);
    give(viewer, 1, 'text');
    await viewer.settle(PING);
    expect(guest.offers).toHaveLength(toGuest ? 1 : 0);
  });

  it('is not there at all where the policy is off, or a viewer may only look', async () => {
    const off = await open({ policy: 'off' });
    const viewer = await join(off.stage);
    expect(viewer.clipboards).toEqual([]);
    give(viewer, 1, 'text');
    await viewer.untilClosed();
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
    const looking = await open({ viewOnly: true });
    for (const message of [
      encodeClipboardOffer({ offer: 1, kinds: ['text'] }),
      encodeClipboardRequest({ transfer: 1, offer: 1, kind: 'text', upTo: 9 }),
      encodeClipboardData({ transfer: 1, refused: '' }, 'viewer'),
    ]) {
      const other = await join(looking.stage);
      looking.guest.copy({ text: patternOf(5) });
      await other.settle(PING);
      expect(other.clipboards).toEqual([]);
      other.send(message);
      await other.untilClosed();
      expect(other.bye?.code).toBe('ERR_KVMFR_DENIED');
    }
    expect([...looking.guest.offers, ...looking.guest.reads]).toEqual([]);
    expect(looking.guest.attended).toEqual([]);
  });

  it('is had from the guest while there is a viewer, and given back after the last', async () => {
    const { guest, stage } = await open();
    expect(guest.attended).toEqual([]);
    const [first, second] = [await join(stage), await join(stage)];
    first.socket.terminate();
    await eventually(() => stage.relay.viewers.length === 1);
    expect(guest.attended).toEqual([true]);
    second.socket.terminate();
    await eventually(() => guest.attended.length === 2);
    await join(stage);
    expect(guest.attended).toEqual([true, false, true]);
  });

  it('is kept over a viewer that comes back', async () => {
    const { guest, stage } = await open({ idleGraceMs: 60_000 });
    const viewer = await join(stage);
    viewer.socket.terminate();
    await eventually(() => stage.relay.viewers.length === 0);
    await join(stage);
    expect(guest.attended).toEqual([true]);
    await stage.relay.close();
    expect(guest.attended).toEqual([true, false]);
  });

  it.each([
    ['starts in the middle', 'text', { offset: 5, total: 10, bytes: patternOf(5) }],
    [
      'is larger than what passes',
      'text',
      { offset: 0, total: (1 << 20) + 1, bytes: patternOf(5) },
    ],
    ['is no text', 'text', { offset: 0, total: 2, bytes: Uint8Array.of(0x61, 0xff) }],
    ['is no picture', 'png', { offset: 0, total: 5, bytes: patternOf(5) }],
    [
      'is a picture that fills the memory',
      'png',
      {
        ...{ offset: 0, total: 28 },
        bytes: Buffer.from(PNG_HEAD.replace('0000000200000003', 'ffffffffffffffff'), 'hex'),
      },
    ],
  ] as const)('takes nothing that %s, and ends the connection', async (_, kind, piece) => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    give(viewer, 1, kind);
    await viewer.until(() => stateOf(viewer)?.given === 1);
    const pasting = guest.paste(kind);
    await viewer.until(() => stateOf(viewer)?.wanted !== undefined);
    viewer.send(encodeClipboardData({ transfer: 1, ...piece }, 'viewer'));
    await viewer.untilClosed();
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
    expect(await pasting).toBeUndefined();
  });

  it('takes no piece twice', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    give(viewer, 1, 'text');
    await viewer.until(() => stateOf(viewer)?.given === 1);
    const pasting = guest.paste('text');
    await viewer.until(() => stateOf(viewer)?.wanted !== undefined);
    const piece = { transfer: 1, offset: 0, total: 1000, bytes: patternOf(100) };
    viewer.send(encodeClipboardData(piece, 'viewer'));
    viewer.send(encodeClipboardData(piece, 'viewer'));
    await viewer.untilClosed();
    expect(viewer.bye?.code).toBe('ERR_KVMFR_WIRE');
    expect(await pasting).toBeUndefined();
  });

  it('passes over what comes late, and counts it', async () => {
    const { stage } = await open();
    const viewer = await join(stage);
    await hold(viewer);
    const late = { transfer: 9, offset: 0, total: 3, bytes: patternOf(3) };
    viewer.send(encodeClipboardData(late, 'viewer'));
    viewer.send(encodeClipboardData({ transfer: 9, refused: 'gone' }, 'viewer'));
    await viewer.settle(PING);
    expect(viewer.closeCode).toBeUndefined();
    const metrics = await (await fetch(`${stage.door.url}metrics?token=secret`)).text();
    const stopped = parseExposition(metrics).get('kvmfr_clipboard_stopped_total')?.samples;
    expect(stopped?.get('kvmfr_clipboard_stopped_total')).toEqual([
      { labels: { outcome: 'ignored' }, value: 2 },
      { labels: { outcome: 'refused' }, value: 0 },
    ]);
  });

  it('is told in no log, and counted without being told', async () => {
    const lines: string[] = [];
    const guest = new WrittenClipboard();
    const stage = await Stage.open({
      input: new WrittenInput(),
      clipboard: { guest, limits: LIMITS },
      log: (line) => lines.push(line),
    });
    const secret = Buffer.from('hunter2 is nobody else’s business');
    const viewer = await join(stage);
    give(viewer, 1, 'text', 'png');
    await viewer.until(() => stateOf(viewer)?.given === 1);
    await Promise.all([guest.paste('text'), serve(viewer, secret)]);
    const told = [];
    for (const path of ['api/session', 'metrics'])
      told.push(await (await fetch(`${stage.door.url}${path}?token=secret`)).text());
    expect(told[1]).toContain('kvmfr_clipboard_bytes_total{direction="to-guest"} 35');
    // What is refused is not quoted.
    const pasting = guest.paste('png');
    await viewer.until(() => stateOf(viewer)?.wanted?.kind === 'png');
    const piece = { transfer: 2, offset: 0, total: secret.length, bytes: secret };
    viewer.send(encodeClipboardData(piece, 'viewer'));
    await viewer.untilClosed();
    expect(await pasting).toBeUndefined();
    await eventually(() => lines.some((line) => line.includes('has gone: wire')));
    expect([...told, ...lines, viewer.bye?.message].join('\n')).not.toContain('hunter2');
  });

  it('says why what the guest has does not pass', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    await hold(viewer);
    const copied = async (contents: Parameters<WrittenClipboard['copy']>[0]) => {
      const before = stateOf(viewer)?.guest?.offer ?? 0;
      guest.copy(contents);
      await viewer.until(() => (stateOf(viewer)?.guest?.offer ?? 0) > before);
    };
    await copied({ text: patternOf((1 << 20) + 1) });
    expect(await get(viewer, 1)).toMatch(/has 1\.0 MiB, and at most 1\.0 pass/);
    await copied({ text: Uint8Array.of(0xff), png: patternOf(100) });
    expect(await get(viewer, 2)).toMatch(/is not UTF-8/);
    expect(await get(viewer, 3, 'png')).toMatch(/is not a PNG/);
    await copied({ text: undefined });
    expect(await get(viewer, 4)).toMatch(/did not give/);
    expect(await get(viewer, 5, 'png')).toMatch(/nothing of this kind/);
    viewer.send(encodeClipboardRequest({ transfer: 6, offer: 1, kind: 'text', upTo: 9 }));
    await viewer.until(() => viewer.contents.at(-1)?.transfer === 6);
    expect(viewer.contents.at(-1)).toMatchObject({ refused: expect.stringMatching(/by now/) });
  });

  it('is asked of the guest a few times a second, however often a viewer does', async () => {
    const { guest, stage } = await open();
    const viewer = await join(stage);
    await hold(viewer);
    guest.copy({ text: patternOf(5) });
    await viewer.until(() => stateOf(viewer)?.guest !== undefined);
    for (let transfer = 1; transfer <= 500; transfer++)
      viewer.send(encodeClipboardRequest({ transfer, offer: 1, kind: 'text', upTo: 9 }));
    await viewer.until(() => viewer.contents.at(-1)?.transfer === 500);
    // Whatever the clock did meanwhile, it was not twenty seconds.
    expect(guest.reads.length).toBeLessThan(400);
  });

  it('leaves keys their way while it waits for a viewer that does not read', async () => {
    const guest = new WrittenClipboard();
    const input = new WrittenInput();
    const stage = await Stage.open({ input, clipboard: { guest } });
    const viewer = await join(stage);
    await hold(viewer);
    // More than any socket takes at once.
    const text = patternOf(16 << 20);
    guest.copy({ text });
    await viewer.until(() => stateOf(viewer)?.guest !== undefined);
    viewer.socket.pause();
    const upTo = text.length;
    viewer.send(encodeClipboardRequest({ transfer: 1, offer: 1, kind: 'text', upTo }));
    await eventually(() => (stage.relay.viewers[0]?.bytesSent ?? 0) > 1 << 20);
    input.clear();
    viewer.send(POSITION);
    await eventually(() => input.got.length === 1);
    viewer.socket.resume();
    const isWhole = (): boolean => {
      const last = viewer.contents.at(-1);
      return last !== undefined && 'bytes' in last && last.offset + last.bytes.length === upTo;
    };
    await viewer.until(isWhole);
    const pieces = viewer.contents.map((piece) => ('bytes' in piece ? piece.bytes : text));
    expect(Buffer.concat(pieces).equals(text)).toBe(true);
  });

  it('is taken back from the guest when the viewer goes, and when the relay closes', async () => {
    const { guest, stage } = await open();
    const first = await join(stage);
    give(first, 1, 'text');
    await first.until(() => stateOf(first)?.given === 1);
    const pasting = guest.paste('text');
    await first.until(() => stateOf(first)?.wanted !== undefined);
    first.socket.terminate();
    expect(await pasting).toBeUndefined();
    expect(guest.offers).toEqual([['text'], []]);
    const second = await join(stage);
    give(second, 1, 'png');
    await second.until(() => stateOf(second)?.given === 1);
    await stage.relay.close();
    expect(guest.offers.slice(2)).toEqual([['png'], []]);
  });
});
