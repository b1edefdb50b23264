// Strangers for the relay bench: connections that are left half-open, wrong tokens, garbage.
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { WebSocket } from 'ws';
import { encodeViewerHello, WIRE_SUBPROTOCOL, WIRE_VERSION } from '../../protocol/index.ts';
import { serve } from '../support/child.ts';
import { numberOf } from '../support/messages.ts';

const [url = ''] = process.argv.slice(2);
const { hostname: host, port } = new URL(url);
/** Strangers have cores of their own: here they take what is left over. */
const LOWEST_PRIORITY = 19;
const GARBAGE_BYTES = 8 * 1024 * 1024;

let halfOpen: Socket[] = [];
setPriority(LOWEST_PRIORITY);

async function open(text: string): Promise<void> {
  const socket = connect({ host, port: Number(port) });
  socket.on('error', () => {});
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  halfOpen.push(socket);
}

/** The status that a wrong token gets. */
async function guess(token: string, agent: Agent): Promise<number> {
  const req = get({ host, port, path: `/api/session?token=${token}`, agent });
  const [res] = await once(req, 'response');
  res.resume();
  await once(res, 'end');
  return res.statusCode;
}

/** A viewer with the right token that sends one message of 8 MB; settled when it was sent away. */
async function garbageMessage(): Promise<void> {
  const socket = new WebSocket(url, WIRE_SUBPROTOCOL, { perMessageDeflate: false });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.once('open', () => {
    const hello = { encodings: ['lossless'], codecs: [], visible: false } as const;
    socket.send(encodeViewerHello({ wire: WIRE_VERSION, ...hello }));
    socket.send(new Uint8Array(GARBAGE_BYTES).fill(0x5a));
  });
  await closed;
}

/** A connection that says 8 MB of nonsense; settled when it was ended. */
async function garbageLine(): Promise<void> {
  const socket = connect({ host, port: Number(port) });
  socket.on('error', () => {}).resume();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(Buffer.alloc(GARBAGE_BYTES, 0x5a));
  await closed;
}

serve({
  async halfOpen(report) {
    const count = numberOf(report, 'count');
    for (let i = 0; i < count; i++)
      await open(i % 2 === 0 ? '' : `GET / HTTP/1.1\r\nHost: ${host}`);
    return {};
  },
  async guess(report) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let refused = 0;
    for (let i = 0; i < numberOf(report, 'count'); i++) {
      const status = await guess(`guess-${Math.random()}`, agent);
      if (status === 401 || status === 429) refused++;
    }
    agent.destroy();
    return { refused };
  },
  async garbage() {
    await garbageMessage();
    await garbageLine();
    return {};
  },
  leave() {
    for (const socket of halfOpen) socket.destroy();
    halfOpen = [];
    return {};
  },
});
