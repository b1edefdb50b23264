import { Client } from '../../client/index.ts';
import { createViewer, LgmpClipboard, LgmpInput, listen } from '../../viewer/relay/index.ts';
import { serveApplied } from '../input/applied.ts';
import { say } from '../support/child.ts';

// `kvmfr view REGION` of a guest that takes keys and clipboard by its region, which tells when it has
// applied what.

const [region = '', token = ''] = process.argv.slice(2);
const client = new Client(region);
const input = new LgmpInput(client.input());
const clipboard = { guest: new LgmpClipboard(client.clipboard()) };
const viewer = createViewer({ source: region, token, input, clipboard });
const door = await listen(viewer, { host: '127.0.0.1', port: 0 });
serveApplied();
await say('listening', { port: door.port });
