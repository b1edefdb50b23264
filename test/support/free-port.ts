import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that systems give to who asks for any, or calls somebody: nobody gets one by chance. */
const FIRST = 12_000;
const COUNT = 18_000;

/** A port for who listens, ends, and listens there again: nobody else takes it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const server = createServer();
    const outcome = once(server, 'listening').catch((error: NodeJS.ErrnoException) => error);
    server.listen(port, '127.0.0.1');
    const found = await outcome;
    if (found instanceof Error) {
      if (found.code === 'EADDRINUSE') continue;
      throw found;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
