import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { XConnection } from '../../../../host/x11/connection.ts';
import { parseDisplay } from '../../../../host/x11/display.ts';
import { request } from '../../../../host/x11/wire.ts';
import type { KvmfrError } from '../../../../protocol/index.ts';

// A server that says what the test wants; the real one is in test/integration/x11.test.ts.

const servers: { readonly server: Server; readonly sockets: Socket[] }[] = [];

afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

/** An introduction without screens. */
function introduction(): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.set([1, 0, 11, 0, 0, 0, 8, 0]);
  bytes.writeUInt32LE(0x0040_0000, 12);
  bytes.writeUInt32LE(0x001f_ffff, 16);
  return bytes;
}

/** A port on which somebody is met by this. */
async function serve(meet: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    meet(socket);
  });
  servers.push({ server, sockets });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return `127.0.0.1:${port - 6000}`;
}

function message(kind: number, sequence: number, moreBytes = 0, claimedWords?: number): Buffer {
  const bytes = Buffer.alloc(32 + moreBytes);
  bytes[0] = kind;
  bytes.writeUInt16LE(sequence, 2);
  bytes.writeUInt32LE(claimedWords ?? moreBytes / 4, 4);
  return bytes;
}

/** A connection with a server that answers each request by what the test gives. */
async function connected(answer: (socket: Socket, sequence: number) => void): Promise<XConnection> {
  let sequence = 0;
  const display = await serve((socket) => {
    let isIn = false;
    socket.on('data', (chunk: Buffer) => {
      if (!isIn) {
        isIn = true;
        socket.write(introduction());
        return;
      }
      for (let at = 0; at + 4 <= chunk.length; at += chunk.readUInt16LE(at + 2) * 4)
        answer(socket, ++sequence & 0xffff);
    });
  });
  return XConnection.open(parseDisplay(display));
}

const QUESTION = request(43, 0);

describe('XConnection', () => {
  it('takes replies that come in pieces, and several at once', async () => {
    const connection = await connected((socket, sequence) => {
      const bytes = message(1, sequence, 8);
      bytes[39] = sequence;
      if (sequence === 1) for (const byte of bytes) socket.write(Buffer.of(byte));
      else socket.write(Buffer.concat([bytes, message(1, sequence + 1, 8)]));
    });
    expect((await connection.ask(QUESTION))[39]).toBe(1);
    const [second, third] = await Promise.all([connection.ask(QUESTION), connection.ask(QUESTION)]);
    expect([second?.[39], third?.byteLength]).toEqual([2, 40]);
    connection.close();
  });

  it('gives events to whoever listens, between replies', async () => {
    const connection = await connected((socket, sequence) => {
      const event = message(22 | 0x80, 0, 0, 0xffff);
      const long = message(35, 0, 64);
      socket.write(Buffer.concat([event, long, message(1, sequence)]));
    });
    const events: number[][] = [];
    connection.onEvent = (event) => events.push([event[0] ?? 0, event.byteLength]);
    await connection.ask(QUESTION);
    expect(events).toEqual([
      [22 | 0x80, 32],
      [35, 96],
    ]);
    connection.close();
  });

  it('tells a refused question from a refused request', async () => {
    const connection = await connected((socket, sequence) => {
      const fault = message(0, sequence);
      fault[1] = 8;
      fault.writeUInt32LE(0x4d7, 4);
      fault[10] = 130;
      // The first is a question, the second a request, the third what comes after it.
      socket.write(sequence === 3 ? message(1, sequence) : fault);
    });
    await expect(connection.ask(QUESTION)).rejects.toMatchObject({
      code: 'ERR_KVMFR_SYSCALL',
      message: expect.stringMatching(/refused request 130\.0 with error 8 \(0x4d7\)$/),
    });
    expect(await connection.check(QUESTION)).toMatchObject({ code: 8, opcode: 130 });
    connection.close();
  });

  it.each([
    ['a reply that nobody asked for', (sequence: number) => message(1, sequence + 1)],
    ['a reply of a gigabyte', (sequence: number) => message(1, sequence, 0, 2 ** 28)],
    ['a reply of more than was asked for', (sequence: number) => message(1, sequence, 4100)],
    ['an event of a gigabyte', () => message(35, 0, 0, 2 ** 28)],
  ])('ends with %s', async (_what, bytes) => {
    const connection = await connected((socket, sequence) => socket.write(bytes(sequence)));
    const ended = new Promise<KvmfrError>((resolve) => {
      connection.onEnd = resolve;
    });
    await expect(connection.ask(QUESTION)).rejects.toMatchObject({ code: 'ERR_KVMFR_CORRUPT' });
    expect((await ended).code).toBe('ERR_KVMFR_CORRUPT');
    await expect(connection.ask(QUESTION)).rejects.toMatchObject({ code: 'ERR_KVMFR_LOST' });
  });

  it('ends when the server does, and who waits is told', async () => {
    const connection = await connected((socket) => socket.destroy());
    const ended = new Promise<KvmfrError>((resolve) => {
      connection.onEnd = resolve;
    });
    const questions = [connection.ask(QUESTION), connection.ask(QUESTION)];
    for (const question of questions)
      await expect(question).rejects.toMatchObject({ code: 'ERR_KVMFR_LOST' });
    expect((await ended).message).toMatch(/^the X server 127\.0\.0\.1:\d+ is gone: /);
  });

  it('ends without a word when it is closed', async () => {
    const connection = await connected(() => {});
    connection.onEnd = () => {
      throw new Error('nobody has to be told');
    };
    const question = connection.ask(QUESTION);
    connection.close();
    connection.close();
    await expect(question).rejects.toMatchObject({ code: 'ERR_KVMFR_LOST' });
    connection.send(QUESTION);
  });

  it.each([
    ['goes at once', (socket: Socket) => socket.destroy(), 'ERR_KVMFR_LOST'],
    [
      'says half of it',
      (socket: Socket) => socket.end(introduction().subarray(0, 20)),
      'ERR_KVMFR_LOST',
    ],
    [
      'refuses',
      (socket: Socket) => {
        const words = Buffer.from('no room   ');
        socket.write(Buffer.concat([Buffer.of(0, 7, 11, 0, 0, 0, 3, 0), words, Buffer.alloc(2)]));
      },
      'ERR_KVMFR_DENIED',
    ],
    [
      'introduces itself with less than it must',
      (socket: Socket) => socket.write(Buffer.of(1, 0, 11, 0, 0, 0, 1, 0, 0, 0, 0, 0)),
      'ERR_KVMFR_CORRUPT',
    ],
  ] as const)('does not begin with a server that %s', async (_what, meet, code) => {
    const display = await serve((socket) => socket.once('data', () => meet(socket)));
    await expect(XConnection.open(parseDisplay(display))).rejects.toMatchObject({ code });
  });

  it('numbers what it makes within what the server allows', async () => {
    const connection = await connected(() => {});
    expect([connection.newId(), connection.newId()]).toEqual([0x40_0000, 0x40_0001]);
    connection.close();
  });
});
