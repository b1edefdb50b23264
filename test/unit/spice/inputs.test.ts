import { describe, expect, it } from 'vitest';
import { connectSpice, type SpiceSession } from '../../../client/spice/index.ts';
import { type FakeChannel, FakeServer, fields } from './fake-server.ts';

interface Stage extends AsyncDisposable {
  readonly session: SpiceSession;
  readonly server: FakeServer;
  readonly channel: FakeChannel;
  /** All that came until now, as hex of type and body. */
  sent(): Promise<readonly string[]>;
}

async function stage(): Promise<Stage> {
  const server = await FakeServer.listen();
  const session = await connectSpice(server.address);
  const channel = await server.channel(3);
  const sent = async (): Promise<readonly string[]> => {
    // The answer to a PING comes after all that was sent before.
    channel.send(4, fields([4, 1], [8, 0]));
    await channel.take(3);
    return channel.messages.map(({ type, body }) => `${type} ${body.toString('hex')}`);
  };
  return {
    session,
    server,
    channel,
    sent,
    [Symbol.asyncDispose]: async () => {
      await session.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('keys', () => {
  it('go down and up as the bytes of their scancodes', async () => {
    await using it = await stage();
    const { inputs } = it.session;
    inputs.keyDown(0x1e);
    inputs.keyUp(0x1e);
    inputs.keyDown(0xe04d);
    inputs.keyUp(0xe04d);
    inputs.sendScancodes(Uint8Array.of(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5));
    expect(await it.sent()).toEqual([
      '101 1e000000',
      '102 9e000000',
      '101 e04d0000',
      '102 e0cd0000',
      '104 e11d45e19dc5',
    ]);
  });

  it.each([0, 0x80, 0x11e, 0xe000, 0xe080, 0xe11d, -1, 1.5, Number.NaN])(
    '%d is no scancode',
    async (scancode) => {
      await using it = await stage();
      const { inputs } = it.session;
      expect(() => inputs.keyDown(scancode)).toThrow(
        expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
      );
      expect(await it.sent()).toEqual([]);
    },
  );

  it('that are held go up when all are let go, and when the session is closed', async () => {
    await using it = await stage();
    const { inputs } = it.session;
    inputs.keyDown(0x1d);
    inputs.keyDown(0xe01d);
    inputs.press('left');
    inputs.releaseAll();
    expect(inputs.heldKeys).toEqual([]);
    inputs.keyDown(0x2a);
    inputs.press('extra');
    const ended = it.channel.closed();
    await it.session.close();
    await ended;
    expect(it.channel.messages.map(({ type, body }) => `${type} ${body.toString('hex')}`)).toEqual([
      '101 1d000000',
      '101 e01d0000',
      '113 010100',
      '102 9d000000',
      '102 e09d0000',
      '114 010000',
      '101 2a000000',
      '113 074000',
      '102 aa000000',
      '114 070000',
    ]);
  });

  it('of locks are told, and asked for', async () => {
    await using it = await stage();
    const changes = it.session.inputs.lockChanges();
    it.channel.send(101, fields([2, 2]));
    expect((await changes.next()).value).toEqual({ scroll: false, num: true, caps: false });
    it.channel.send(102, fields([2, 2]));
    it.channel.send(102, fields([2, 5]));
    expect((await changes.next()).value).toEqual({ scroll: true, num: false, caps: true });
    it.session.inputs.setLocks({ scroll: false, num: true, caps: true });
    expect(await it.sent()).toEqual(['103 0600']);
  });
});

describe('the pointer', () => {
  it('is put to a place with the buttons that are held', async () => {
    await using it = await stage();
    it.session.inputs.press('right');
    it.session.inputs.moveTo(719.9, 0.2);
    it.session.inputs.release('right');
    expect(await it.sent()).toEqual(['113 030400', '112 cf02000000000000040000', '114 030000']);
  });

  it('waits for the server after eight places, and goes on from the newest', async () => {
    await using it = await stage();
    const { inputs } = it.session;
    for (let x = 1; x <= 100; x++) inputs.moveTo(x, 0);
    expect(await it.sent()).toHaveLength(8);
    it.channel.send(111);
    const sent = await it.sent();
    expect(sent).toHaveLength(9);
    expect(sent[8]).toBe('112 64000000000000000000' + '00');
  });

  it('is where it was when a button went down, however much waits', async () => {
    await using it = await stage();
    const { inputs } = it.session;
    for (let x = 1; x <= 100; x++) inputs.moveTo(x, 0);
    inputs.press('left');
    const sent = await it.sent();
    expect(sent.slice(-2)).toEqual(['112 6400000000000000000000', '113 010100']);
  });

  it('moves by steps that no device cuts, and none is lost while the server is waited for', async () => {
    await using it = await stage();
    const { inputs } = it.session;
    inputs.move(300, -200);
    for (let i = 0; i < 50; i++) inputs.move(10, 0);
    const total = { dx: 0, dy: 0 };
    let seen = 0;
    while (total.dx < 800) {
      await it.sent();
      const { messages } = it.channel;
      for (const { type, body } of messages.slice(seen)) {
        expect(type).toBe(111);
        expect(Math.abs(body.readInt32LE(0))).toBeLessThanOrEqual(127);
        total.dx += body.readInt32LE(0);
        total.dy += body.readInt32LE(4);
      }
      expect(messages.length - seen).toBeLessThanOrEqual(8);
      seen = messages.length;
      it.channel.send(111);
      it.channel.send(111);
    }
    expect(total).toEqual({ dx: 800, dy: -200 });
  });

  it('turns the wheel notch by notch', async () => {
    await using it = await stage();
    it.session.inputs.wheel(2);
    it.session.inputs.wheel(-1);
    expect(await it.sent()).toEqual([
      '113 040800',
      '114 040000',
      '113 040800',
      '114 040000',
      '113 051000',
      '114 050000',
    ]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('does not go to %d', async (x) => {
    await using it = await stage();
    const { inputs } = it.session;
    expect(() => inputs.moveTo(x, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
    expect(() => inputs.move(0, x)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });
});

it('input that a server does not read ends the session, and fills no memory', async () => {
  await using it = await stage();
  it.channel.socket.pause();
  const { inputs } = it.session;
  let sent = 0;
  while (inputs.keyDown(0x1e) && sent < 10_000_000) {
    sent += 1;
    if (sent % 5000 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeLessThan(10_000_000);
  expect(it.session.state.code).toBe('ERR_KVMFR_TIMEOUT');
});
