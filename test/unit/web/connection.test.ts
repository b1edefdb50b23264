import { describe, expect, it } from 'vitest';
import { Connection, type Link, type LossReason } from '../../../viewer/web/core/connection.ts';
import { FakeClock, FakeNetwork, settle } from './fakes.ts';

const URL = 'ws://relay/ws';
const PING = 0x84;

function setUp(probe: () => Promise<LossReason> = async () => 'unreachable') {
  const clock = new FakeClock();
  const network = new FakeNetwork();
  const links: Link[] = [];
  const messages: Uint8Array[] = [];
  const failures: string[] = [];
  let opened = 0;
  const connection = new Connection({
    openSocket: network.open,
    clock,
    random: () => 0.5,
    probe,
    opened: () => {
      opened += 1;
    },
    message: (bytes) => messages.push(bytes),
    failed: (error) => failures.push(`${error.code}: ${error.message}`),
    linkChanged: (link) => links.push(link),
  });
  return { clock, network, links, messages, failures, connection, opened: () => opened };
}

describe('Connection', () => {
  it('opens one socket, and says so when it is open', () => {
    const { network, links, connection, opened } = setUp();
    connection.connect(URL);
    expect(network.sockets.map(({ url }) => url)).toEqual([URL]);
    expect(links).toEqual([{ name: 'connecting' }]);
    network.last.handlers.opened();
    expect(links.at(-1)).toEqual({ name: 'open' });
    expect(opened()).toBe(1);
  });

  it('hands on binary messages and refuses text', () => {
    const { network, messages, failures, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    network.last.handlers.message(Uint8Array.of(1, 2, 3));
    network.last.handlers.message(undefined);
    expect(messages).toEqual([Uint8Array.of(1, 2, 3)]);
    expect(failures).toEqual(['ERR_KVMFR_WIRE: a message must be binary, but is text']);
  });

  it('refuses a message larger than the relay may send', () => {
    const { network, messages, failures, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    network.last.handlers.message(new Uint8Array(16 * 1024 * 1024 + 1));
    expect(messages).toEqual([]);
    expect(failures).toEqual([
      'ERR_KVMFR_WIRE: a message may have 16777216 bytes, but has 16777217',
    ]);
  });

  it('connects again soon after a connection that had lasted', async () => {
    const { clock, network, links, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    clock.pass(2500);
    network.last.handlers.closed();
    expect(links.at(-1)).toEqual({ name: 'lost', reason: 'closed' });
    expect(clock.waitingMs).toEqual([50]);
    clock.pass(50);
    expect(network.sockets).toHaveLength(2);
  });

  it('waits longer after each failure, up to a second and a half', async () => {
    const { clock, network, connection } = setUp();
    connection.connect(URL);
    const waits: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      network.last.handlers.closed();
      await settle();
      waits.push(clock.waitingMs[0]);
      clock.pass(clock.waitingMs[0] ?? 0);
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 1500, 1500, 1500]);
    expect(network.sockets).toHaveLength(9);
  });

  it('goes on waiting longer when connections open but end at once', async () => {
    const { clock, network, connection } = setUp();
    connection.connect(URL);
    const waits: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      network.last.handlers.opened();
      clock.pass(100);
      network.last.handlers.closed();
      waits.push(clock.waitingMs[0]);
      clock.pass(clock.waitingMs[0] ?? 0);
    }
    expect(waits).toEqual([50, 100, 200]);
  });

  it('asks why a socket was refused, and tries less often without a token', async () => {
    const { clock, network, links, connection } = setUp(async () => 'unauthorized');
    connection.connect(URL);
    network.last.handlers.closed();
    await settle();
    expect(links.at(-1)).toEqual({ name: 'lost', reason: 'unauthorized' });
    expect(clock.waitingMs).toEqual([5000]);
  });

  it('takes a failed question for a relay that is not there', async () => {
    const { network, links, connection } = setUp(() => Promise.reject(new Error('no route')));
    connection.connect(URL);
    network.last.handlers.closed();
    await settle();
    expect(links.at(-1)).toEqual({ name: 'lost', reason: 'unreachable' });
  });

  it('gives up on a socket that neither opens nor fails', () => {
    const { clock, network, links, connection } = setUp();
    connection.connect(URL);
    clock.pass(5000);
    expect(network.last.closedWith).toEqual({ code: 1000, reason: 'no answer' });
    expect(links.at(-1)).toEqual({ name: 'lost', reason: 'unreachable' });
    clock.pass(50);
    expect(network.sockets).toHaveLength(2);
  });

  it('tries at once when the network may be back', async () => {
    const { clock, network, connection } = setUp();
    connection.connect(URL);
    for (let attempt = 0; attempt < 6; attempt++) {
      network.last.handlers.closed();
      await settle();
      if (attempt < 5) clock.pass(clock.waitingMs[0] ?? 0);
    }
    const before = network.sockets.length;
    connection.hurry();
    expect(network.sockets).toHaveLength(before + 1);
    connection.hurry();
    expect(network.sockets).toHaveLength(before + 1);
  });

  it('pings every second while it is open', () => {
    const { clock, network, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    clock.pass(1000);
    expect(network.last.sent).toHaveLength(1);
    const ping = network.last.sent[0];
    expect(ping?.slice(0, 4)).toEqual(Uint8Array.of(PING, 0, 0, 0));
    expect(new DataView(ping?.buffer ?? new ArrayBuffer(0)).getFloat64(4, true)).toBe(2000);
  });

  it('notices that nothing comes any more', () => {
    const { clock, network, links, connection } = setUp();
    connection.connect(URL);
    const socket = network.last;
    socket.handlers.opened();
    clock.pass(4000);
    socket.handlers.message(Uint8Array.of(8, 0, 0, 0));
    clock.pass(5500);
    expect(links.at(-1)).toEqual({ name: 'open' });
    clock.pass(600);
    expect(links.at(-1)).toEqual({ name: 'lost', reason: 'silent' });
    expect(socket.closedWith).toEqual({ code: 1000, reason: 'silent' });
  });

  it('wants a sign of life sooner after a hint that the network changed', () => {
    const { clock, network, links, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    connection.hurry();
    clock.pass(2000);
    expect(links.at(-1)).toEqual({ name: 'open' });
    clock.pass(1000);
    expect(links.at(-1)).toEqual({ name: 'lost', reason: 'silent' });
  });

  it('hears nothing of a socket it has left', () => {
    const { clock, network, links, messages, connection } = setUp();
    connection.connect(URL);
    const former = network.last;
    former.handlers.opened();
    connection.connect('ws://other/ws');
    expect(former.closedWith?.code).toBe(1000);
    former.handlers.message(Uint8Array.of(1));
    former.handlers.closed();
    expect(messages).toEqual([]);
    expect(links.at(-1)).toEqual({ name: 'connecting' });
    clock.pass(1000);
    expect(network.sockets).toHaveLength(2);
  });

  it('stays away once it is told to', async () => {
    const { clock, network, links, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    connection.disconnect();
    expect(links.at(-1)).toEqual({ name: 'idle' });
    connection.hurry();
    connection.retry('soon', { code: 1000, reason: '' });
    clock.pass(60_000);
    await settle();
    expect(network.sockets).toHaveLength(1);
    expect(clock.waitingMs).toEqual([]);
  });

  it('gives a relay with which it would only fail again the longest pause', () => {
    const { clock, network, connection } = setUp();
    connection.connect(URL);
    network.last.handlers.opened();
    connection.retry('later', { code: 4002, reason: 'ERR_KVMFR_WIRE' });
    expect(network.last.closedWith).toEqual({ code: 4002, reason: 'ERR_KVMFR_WIRE' });
    expect(clock.waitingMs).toEqual([1500]);
  });

  it('tells when the browser refuses to open a socket', () => {
    const failures: string[] = [];
    const links: Link[] = [];
    const connection = new Connection({
      openSocket: () => {
        throw new SyntaxError('mixed content');
      },
      clock: new FakeClock(),
      random: () => 0.5,
      probe: async () => 'refused',
      opened: () => undefined,
      message: () => undefined,
      failed: (error) => failures.push(error.code),
      linkChanged: (link) => links.push(link),
    });
    connection.connect(URL);
    expect(failures).toEqual(['ERR_KVMFR_UNSUPPORTED']);
  });
});
