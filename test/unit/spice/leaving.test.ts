import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectSpice, SpiceSession } from '../../../client/spice/index.ts';
import { type FakeChannel, FakeServer, fields, SET_UP } from './fake-server.ts';

/** The clock stands still: what happens here happens because of a message, or because it was moved. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const CHANNELS = [
  [2, 0],
  [3, 0],
  [4, 0],
] as const;
const INPUTS = 3;

/** Every channel, and a list of what happened: each channel by its number when the client closed it. */
class Linked {
  readonly main: FakeChannel;
  readonly display: FakeChannel;
  readonly inputs: FakeChannel;
  readonly cursor: FakeChannel;
  readonly story: string[] = [];

  private constructor(main: FakeChannel, others: readonly [FakeChannel, FakeChannel, FakeChannel]) {
    this.main = main;
    [this.display, this.inputs, this.cursor] = others;
    const names = { main, display: this.display, inputs: this.inputs, cursor: this.cursor };
    for (const [name, { socket }] of Object.entries(names))
      socket.on('close', () => this.story.push(`${name} is closed`));
  }

  static async of(server: FakeServer): Promise<Linked> {
    const main = await server.channel(1);
    const display = await server.channel(2);
    const inputs = await server.channel(INPUTS);
    return new Linked(main, [display, inputs, await server.channel(4)]);
  }

  /** Both channels that nothing was said on yet are left alone here. */
  async answers(): Promise<void> {
    await answers(this.main);
    await answers(this.inputs);
    this.story.push('all are there');
  }

  says(name: 'display' | 'cursor'): void {
    this.story.push(`${name} is set up`);
    this[name].sendRaw(SET_UP);
  }
}

/** A client that answers has done what it was told before. */
async function answers(channel: FakeChannel): Promise<void> {
  channel.send(4, fields([4, 8], [8, 0]));
  await channel.take(3);
}

function slow(): Promise<FakeServer> {
  return FakeServer.listen({ channels: CHANNELS, settingUp: true });
}

describe('a server that still sets up a display', () => {
  it('is not left before it has said so on DISPLAY and on CURSOR', async () => {
    await using server = await slow();
    const session = await connectSpice(server.address);
    const linked = await Linked.of(server);
    linked.story.push('close is asked');
    const closed = session.close();
    expect(session.inputs.isOpen).toBe(false);
    await linked.answers();
    linked.says('display');
    await linked.display.take(1);
    await linked.answers();
    linked.says('cursor');
    await closed;
    await server.idle();
    const { story } = linked;
    expect(story.slice(0, 5)).toEqual([
      'close is asked',
      'all are there',
      'display is set up',
      'all are there',
      'cursor is set up',
    ]);
    expect(story.slice(5).sort()).toEqual([
      'cursor is closed',
      'display is closed',
      'inputs is closed',
      'main is closed',
    ]);
  });

  it('is left at once when it has', async () => {
    await using server = await FakeServer.listen({ channels: CHANNELS });
    const session = await connectSpice(server.address);
    const linked = await Linked.of(server);
    await linked.display.take(1);
    await linked.cursor.take(1);
    await session.close();
    await server.idle();
    expect(linked.story).toHaveLength(4);
  });

  it('is left after two seconds when it never does', async () => {
    await using server = await slow();
    const session = await connectSpice(server.address);
    const linked = await Linked.of(server);
    const closed = session.close();
    vi.advanceTimersByTime(1999);
    await linked.answers();
    vi.advanceTimersByTime(1);
    await closed;
    await server.idle();
    expect(linked.story[0]).toBe('all are there');
  });

  it('is left when it closed the display', async () => {
    await using server = await slow();
    const session = await connectSpice(server.address);
    const linked = await Linked.of(server);
    const closed = session.close();
    linked.says('cursor');
    linked.display.socket.destroy();
    await closed;
    await server.idle();
    expect(session.state.name).toBe('closed');
  });

  it('is greeted on the way out: it waits for that', async () => {
    let answer = (): void => {};
    let asked = (): void => {};
    const hasTicket = new Promise<void>((resolve) => {
      asked = resolve;
    });
    await using server = await FakeServer.listen({
      channels: [[2, 0]],
      settingUp: true,
      beforeResult: (channel) =>
        channel === 1
          ? Promise.resolve()
          : new Promise((resolve) => {
              answer = resolve;
              asked();
            }),
    });
    const session = new SpiceSession(server.address);
    const main = await server.channel(1);
    await hasTicket;
    const closed = session.close();
    await answers(main);
    answer();
    const display = await server.channel(2);
    expect((await display.take(101)).body).toEqual(Buffer.alloc(14));
    await answers(main);
    display.sendRaw(SET_UP);
    await closed;
    await server.idle();
  });

  it('is not left for an error of another channel, nor connected to again, before it has', async () => {
    await using server = await slow();
    const session = await connectSpice(server.address);
    const linked = await Linked.of(server);
    linked.story.push('inputs are broken');
    linked.inputs.sendRaw(fields([2, 101], [4, 0x4000_0000]));
    await linked.inputs.closed();
    await answers(linked.main);
    expect(linked.story).toEqual(['inputs are broken', 'inputs is closed']);
    expect(server.connections).toBe(4);
    linked.says('display');
    linked.says('cursor');
    await server.idle();
    await vi.waitFor(() => expect(session.state).toMatchObject({ code: 'ERR_KVMFR_SPICE' }));
    await session.close();
    expect(session.state.name).toBe('closed');
  });

  it('is left as well by who closes after such an error, and tells it to nobody', async () => {
    await using server = await slow();
    const session = await connectSpice(server.address);
    const linked = await Linked.of(server);
    linked.inputs.socket.destroy();
    await answers(linked.main);
    const states: string[] = [];
    const told = (async () => {
      for await (const { name } of session.states()) states.push(name);
    })();
    const closed = session.close();
    await answers(linked.main);
    linked.says('display');
    linked.says('cursor');
    await closed;
    await told;
    expect(states).toEqual(['connected', 'closed']);
  });
});
