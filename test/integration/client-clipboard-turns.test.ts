import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { connect, type GuestClipboardLine, type GuestInputLine } from '../../client/index.ts';
import { createHost, type Host } from '../../host/index.ts';
import { temporaryPath } from './client-guest.ts';

const PIECE_BYTES = 65_536;
const CONTENTS = new Uint8Array(160 * PIECE_BYTES).fill(0x2e);
/** Fewer than the stream holds: those that are there already come after a key too. */
const MAX_PIECES = 3;

/** A guest and a client of it in one thread, which takes turns with whatever comes by a socket. */
interface Stage {
  readonly host: Host;
  readonly clipboard: GuestClipboardLine;
  readonly input: GuestInputLine;
  /** Says by a socket that a key is to be pressed, as a viewer does. */
  press(usage: number): void;
  /** Settles when the guest has got a report with this key. */
  arrival(usage: number): Promise<void>;
}

async function stage(): Promise<Stage> {
  const path = temporaryPath();
  const own = { wire: 'dev12', input: true, clipboard: true, regionMib: 16 } as const;
  const host = await createHost(path, { ...own, housekeepingMs: 0 });
  let isOver = false;
  const serve = (): void => {
    if (isOver) return;
    host.housekeep();
    setImmediate(serve);
  };
  serve();
  const client = await connect(path);
  const [clipboard, input] = [client.clipboard(), client.input()];
  const server = createServer((socket) => {
    socket.on('data', ([usage = 0]) => input.keyboard({ modifiers: 0, keys: [usage] }));
  });
  server.listen(temporaryPath());
  await once(server, 'listening');
  const socket = dial(String(server.address()));
  await once(socket, 'connect');
  onTestFinished(async () => {
    socket.destroy();
    server.close();
    await client.close();
    isOver = true;
    await host.close();
  });
  const arrival = (usage: number): Promise<void> =>
    new Promise((resolve) => {
      host.on('input', function heard(event) {
        if (event.kind !== 'keyboard' || !event.keys.includes(usage)) return;
        host.off('input', heard);
        resolve();
      });
    });
  const press = (usage: number): void => void socket.write(Uint8Array.of(usage));
  // Both are ours before contents go.
  while (!clipboard.state.available || !input.state.available) await turn();
  const first = arrival(4);
  press(4);
  await first;
  return { host, clipboard, input, press, arrival };
}

/** How many pieces get through between a press and its arrival, each time, while contents go. */
async function piecesBefore(
  { press, arrival }: Stage,
  bytes: () => number,
  whole: Promise<Uint8Array | undefined>,
): Promise<readonly number[]> {
  let isOver = false;
  const going = whole.finally(() => {
    isOver = true;
  });
  const found: number[] = [];
  for (let usage = 5; found.length < 8; usage++) {
    const until = bytes() + 3 * PIECE_BYTES;
    while (bytes() < until && !isOver) await turn();
    if (isOver) throw new Error('contents must still be on their way, but are not');
    const before = bytes();
    const arrived = arrival(usage);
    press(usage);
    await arrived;
    found.push(Math.ceil((bytes() - before) / PIECE_BYTES));
  }
  const got = await going;
  if (got === undefined || Buffer.compare(got, CONTENTS) !== 0)
    throw new Error('contents must come whole');
  return found;
}

it('a key that is pressed while the guest gives contents arrives before those that follow', async () => {
  const own = await stage();
  const { host, clipboard } = own;
  host.setClipboard(new Map([['png', CONTENTS]]));
  while (clipboard.state.offered === undefined) await turn();
  const whole = clipboard.read('png');
  const found = await piecesBefore(own, () => clipboard.counters.bytesRead, whole);
  expect(Math.max(...found)).toBeLessThanOrEqual(MAX_PIECES);
});

it('a key that is pressed while the guest is given contents arrives before those that follow', async () => {
  const own = await stage();
  const { host, clipboard } = own;
  const offered = new Promise<void>((resolve) => {
    host.on('clipboard', ({ kind }) => {
      if (kind === 'offer') resolve();
    });
  });
  clipboard.offer(['png'], () => Promise.resolve(CONTENTS));
  await offered;
  const whole = host.readClipboard('png');
  const found = await piecesBefore(own, () => clipboard.counters.bytesGiven, whole);
  expect(Math.max(...found)).toBeLessThanOrEqual(MAX_PIECES);
});
