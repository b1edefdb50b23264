// A guest and its relay, to be fuzzed: `node relay.mjs PATH TOKEN PASSWORD`. Tells {port}; {show}
// publishes a picture until there is another one; {facts} is answered with the memory it has.
import { createHost } from '../../../dist/host/index.js';
import { createViewer, listen } from '../../../dist/viewer/relay/index.js';

const EVERY_MS = 20;
const [path, token, password] = process.argv.slice(2);
const host = await createHost(path, { wire: 'B7', regionMib: 16 });
const relay = createViewer({ source: path, token, password, encode: 'lossless' });
const door = await listen(relay, { host: '127.0.0.1', port: 0 });
let timer;

process.on('message', ({ show, facts }) => {
  if (show !== undefined) {
    clearInterval(timer);
    timer = setInterval(() => host.publish(show), EVERY_MS);
  }
  if (facts) process.send({ rssBytes: process.memoryUsage.rss(), viewers: relay.viewers.length });
});
process.on('disconnect', () => process.exit(0));
process.send({ port: door.port });
