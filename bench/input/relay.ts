import {
  createViewer,
  listen,
  SpiceClipboard,
  SpiceInput,
  SpiceSession,
} from '../../viewer/relay/index.ts';
import { say } from '../support/child.ts';
import { serveApplied } from './applied.ts';

// The relay of the input bench: `kvmfr view REGION --spice ADDR`, which tells when it has applied what.

const [region = '', token = '', address = '', password = ''] = process.argv.slice(2);
const session = new SpiceSession(address, { password });
const input = new SpiceInput(session);
const clipboard = { guest: new SpiceClipboard(session) };
const viewer = createViewer({ source: region, token, input, clipboard });
const door = await listen(viewer, { host: '127.0.0.1', port: 0 });
serveApplied();
await say('listening', { port: door.port });
