import { describe, expect, it } from 'vitest';
import { SpiceAgent } from '../../../client/spice/agent.ts';
import type { SpiceState } from '../../../client/spice/index.ts';
import { SpiceClipboard } from '../../../viewer/hands/index.ts';
import { bodyOf } from '../spice/display-bytes.ts';
import { fields } from '../spice/fake-server.ts';

const ANNOUNCE = 6;
const GRAB = 7;
const REQUEST = 8;
const CLIPBOARD = 4;
const RELEASE = 9;
const BY_DEMAND = 1 << 5;
const SELECTION = 1 << 6;
const LF = 1 << 8;
const CRLF = 1 << 9;
const TEXT = 1;
const PNG = 2;

const PNG_FILE = Buffer.from('89504e470d0a1a0a0000000d49484452000000020000000308060000', 'hex');

function message(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([fields([4, 1], [4, type], [8, 0], [4, body.length]), body]);
}

/** What of a message to the agent comes behind the two headers, put together. */
function sentBodies(sent: readonly Buffer[]): readonly string[] {
  const all = Buffer.concat(
    sent.filter((piece) => piece.readUInt16LE(0) === 0x6b).map((piece) => piece.subarray(6)),
  );
  const bodies: string[] = [];
  for (let at = 0; at < all.length; ) {
    const [type, size] = [all.readUInt32LE(at + 4), all.readUInt32LE(at + 16)];
    const body = all.subarray(at + 20, at + 20 + size);
    const words = [...Array(Math.min(2, size >>> 2)).keys()].map((i) => body.readUInt32LE(i * 4));
    bodies.push(`${type} ${words.join(' ')} ${body.subarray(8).toString()}`.replace(/ $/, ''));
    at += 20 + size;
  }
  return bodies;
}

class Guest {
  readonly agent = new SpiceAgent();
  readonly sent: Buffer[] = [];
  state: SpiceState = { name: 'connected', message: 'connected' };
  readonly clipboard: SpiceClipboard;
  readonly timers = new Set<() => void>();

  constructor() {
    this.clipboard = new SpiceClipboard(this, {
      after: (_, run) => {
        this.timers.add(run);
        return () => this.timers.delete(run);
      },
    });
  }

  async *states(): AsyncIterableIterator<SpiceState> {
    yield this.state;
  }

  /** An agent comes, and says what it can do. */
  async come(capabilities = BY_DEMAND | SELECTION | LF, tokens = 1_000_000): Promise<void> {
    this.agent.attach((bytes) => this.sent.push(bytes), tokens);
    await this.say(message(ANNOUNCE, fields([4, 0], [4, capabilities])));
    this.sent.length = 0;
  }

  /** Takes what the agent says, until all of it has been done. */
  async say(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += 2048)
      this.agent.receive(bodyOf(bytes.subarray(at, at + 2048)));
    await settled();
  }

  grab(...types: readonly number[]): Promise<void> {
    return this.say(
      message(GRAB, fields([4, 0], ...types.map((type): readonly [4, number] => [4, type]))),
    );
  }

  give(type: number, bytes: Uint8Array): Promise<void> {
    return this.say(message(CLIPBOARD, Buffer.concat([fields([4, 0], [4, type]), bytes])));
  }

  ask(type: number, selection = 0): Promise<void> {
    return this.say(message(REQUEST, fields([4, selection], [4, type])));
  }

  /** What was sent to the agent since the last call. */
  take(): readonly string[] {
    return sentBodies(this.sent.splice(0));
  }
}

/** All that follows from what has happened is done: promises need no more turns than these. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function provideText(text: string) {
  return async () => Buffer.from(text);
}

describe('the clipboard of a guest by SPICE', () => {
  it('says why it is not there, and that it is', async () => {
    const guest = new Guest();
    const told: boolean[] = [];
    guest.clipboard.watch(() => told.push(guest.clipboard.availability.available));
    expect(guest.clipboard.availability.reason).toMatch(/no SPICE agent runs/);
    await guest.come();
    expect(guest.clipboard.availability).toEqual({ available: true });
    await guest.come(0);
    expect(guest.clipboard.availability.reason).toMatch(/shares no clipboard/);
    guest.agent.detach();
    guest.state = { name: 'waiting', message: 'nothing listens there' };
    expect(guest.clipboard.availability.reason).toBe('nothing listens there');
    expect(told).toContain(true);
  });

  it('tells what was copied in the guest, of the kinds that travel, and gets it', async () => {
    const guest = new Guest();
    await guest.come();
    await guest.grab(3, PNG, TEXT);
    expect(guest.clipboard.offered).toEqual({ serial: 1, kinds: ['text', 'png'] });
    const text = guest.clipboard.read('text');
    // The second kind waits for the first, since the agent gives one at a time.
    const png = guest.clipboard.read('png');
    await settled();
    expect(guest.take()).toEqual(['8 0 1']);
    await guest.give(TEXT, Buffer.from('grüße 🐟\r\n'));
    expect(Buffer.from((await text) ?? []).toString()).toBe('grüße 🐟\r\n');
    expect(guest.take()).toEqual(['8 0 2']);
    await guest.give(PNG, PNG_FILE);
    expect(Buffer.from((await png) ?? []).equals(PNG_FILE)).toBe(true);
    await guest.say(message(RELEASE, fields([4, 0])));
    expect(guest.clipboard.offered).toBeUndefined();
    expect(await guest.clipboard.read('text')).toBeUndefined();
    expect(guest.take()).toEqual([]);
  });

  it('leaves out what is selected with the mouse', async () => {
    const guest = new Guest();
    await guest.come();
    await guest.say(message(GRAB, fields([4, 1], [4, TEXT])));
    expect(guest.clipboard.offered).toBeUndefined();
    guest.clipboard.offer(['text'], provideText('x'));
    guest.take();
    await guest.ask(TEXT, 1);
    expect(guest.take()).toEqual(['4 1 1']);
  });

  it('gives what was offered when it is asked for, and nothing else', async () => {
    const guest = new Guest();
    await guest.come();
    const asked: string[] = [];
    guest.clipboard.offer(['text'], async (kind) => {
      asked.push(kind);
      return Buffer.from('hällo');
    });
    expect(guest.take()).toEqual(['7 0 1']);
    expect(guest.clipboard.holdsOurs).toBe(true);
    expect(asked).toEqual([]);
    await guest.ask(TEXT);
    await guest.ask(PNG);
    await guest.ask(99);
    expect(guest.take()).toEqual(['4 0 1 hällo', '4 0 2', '4 0 0']);
    expect(asked).toEqual(['text']);
    guest.clipboard.offer([], provideText(''));
    expect(guest.take()).toEqual(['9 0']);
    await guest.ask(TEXT);
    expect(guest.take()).toEqual(['4 0 1']);
  });

  it.each([
    ['CR LF', CRLF, 'a\r\nb\r\n\r\nc\r', 'a\nb\n\nc\r'],
    ['LF', LF, 'a\nb\n\nc\r', 'a\nb\n\nc\r'],
  ])('has lines end in LF here and in %s there', async (_, capability, there, here) => {
    const guest = new Guest();
    await guest.come(BY_DEMAND | SELECTION | capability);
    await guest.grab(TEXT);
    const text = guest.clipboard.read('text');
    await settled();
    await guest.give(TEXT, Buffer.from(there));
    expect(Buffer.from((await text) ?? []).toString()).toBe(here);
    guest.clipboard.offer(['text'], provideText(here));
    guest.take();
    await guest.ask(TEXT);
    expect(guest.take()).toEqual([`4 0 1 ${there}`]);
    // Of a page on Windows, whose lines end in both already.
    guest.clipboard.offer(['text'], provideText('x\r\ny'));
    guest.take();
    await guest.ask(TEXT);
    expect(guest.take()).toEqual([capability === CRLF ? '4 0 1 x\r\ny' : '4 0 1 x\ny']);
  });

  it('ends our offer when something is copied in the guest, and never tells ours as its', async () => {
    const guest = new Guest();
    await guest.come();
    await guest.grab(TEXT);
    guest.clipboard.offer(['text'], provideText('ours'));
    expect(guest.clipboard.offered).toBeUndefined();
    // The guest lets go of its own after that: ours stays.
    await guest.say(message(RELEASE, fields([4, 0])));
    expect(guest.clipboard.holdsOurs).toBe(true);
    await guest.grab(TEXT);
    expect(guest.clipboard).toMatchObject({ holdsOurs: false, offered: { serial: 2 } });
    guest.take();
    await guest.ask(TEXT);
    guest.clipboard.offer([], provideText(''));
    // There is nothing of ours in the guest to take back.
    expect(guest.take()).toEqual(['4 0 1']);
  });

  it('offers again to an agent that comes later, or again', async () => {
    const guest = new Guest();
    guest.clipboard.offer(['text', 'png'], provideText('ours'));
    expect(guest.clipboard.holdsOurs).toBe(false);
    guest.agent.attach((bytes) => guest.sent.push(bytes), 100);
    await guest.say(message(ANNOUNCE, fields([4, 0], [4, BY_DEMAND | SELECTION])));
    expect(guest.take().at(-1)).toBe('7 0 1 \u0002\0\0\0');
    expect(guest.clipboard.holdsOurs).toBe(true);
    guest.agent.detach();
    await settled();
    expect(guest.clipboard.holdsOurs).toBe(false);
    guest.agent.attach((bytes) => guest.sent.push(bytes), 100);
    await guest.say(message(ANNOUNCE, fields([4, 0], [4, BY_DEMAND | SELECTION])));
    expect(guest.clipboard.holdsOurs).toBe(true);
  });

  it.each([
    ['text that is not UTF-8', TEXT, Buffer.from([0x61, 0xff])],
    ['a PNG that is none', PNG, Buffer.from('<svg>')],
    [
      'a PNG that fills the memory',
      PNG,
      Buffer.concat([PNG_FILE.subarray(0, 16), fields([4, -1], [4, -1])]),
    ],
    ['another kind', 3, PNG_FILE],
  ])('takes no %s', async (_, type, bytes) => {
    const guest = new Guest();
    await guest.come();
    await guest.grab(TEXT, PNG);
    const read = guest.clipboard.read(type === TEXT ? 'text' : 'png');
    await settled();
    await guest.give(type, bytes);
    expect(await read).toBeUndefined();
  });

  it('waits no longer for a guest that does not answer, goes, or has copied something else', async () => {
    const guest = new Guest();
    await guest.come();
    await guest.grab(TEXT, PNG);
    const slow = guest.clipboard.read('text');
    await settled();
    for (const run of guest.timers) run();
    expect(await slow).toBeUndefined();
    const old = guest.clipboard.read('png');
    await settled();
    await guest.grab(TEXT);
    expect(await old).toBeUndefined();
    const fresh = guest.clipboard.read('text');
    await settled();
    await guest.give(TEXT, Buffer.from('new'));
    expect(Buffer.from((await fresh) ?? []).toString()).toBe('new');
    const last = guest.clipboard.read('text');
    await settled();
    guest.agent.detach();
    expect(await last).toBeUndefined();
    expect(guest.timers.size).toBe(0);
  });

  it('asks for contents a few times, however often the guest does, and answers each time', async () => {
    const guest = new Guest();
    await guest.come();
    let calls = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    guest.clipboard.offer(['text'], async () => {
      calls++;
      await gate;
      return Buffer.from('x');
    });
    guest.take();
    for (let count = 0; count < 1000; count++) await guest.ask(TEXT);
    expect(calls).toBe(8);
    expect(guest.take()).toHaveLength(992);
    open();
    await settled();
    expect(guest.take()).toEqual(Array(8).fill('4 0 1 x'));
  });

  it('keeps no more for a guest that takes nothing than the way to it holds', async () => {
    const guest = new Guest();
    await guest.come(BY_DEMAND | SELECTION, 2);
    guest.clipboard.offer(['text'], async () => Buffer.alloc(30 << 20, 0x61));
    for (let count = 0; count < 5; count++) await guest.ask(TEXT);
    // Two of them wait whole; the others are told that there is nothing.
    guest.agent.grant(100_000);
    const sizes = guest.take().map((body) => body.length);
    expect(sizes.filter((size) => size > 1000)).toHaveLength(2);
    expect(sizes.filter((size) => size < 10).length).toBeGreaterThanOrEqual(3);
  });

  it('takes back what was offered when it is closed', async () => {
    const guest = new Guest();
    await guest.come();
    guest.clipboard.offer(['text'], provideText('x'));
    guest.take();
    guest.clipboard.close();
    guest.clipboard.close();
    expect(guest.take()).toEqual(['9 0']);
  });
});
