import { createViewer, listen } from '../../viewer/relay/index.ts';
import { say, serve } from '../support/child.ts';
import { ClickingGuest } from './clicking-guest.ts';

// The relay of the sound bench: `kvmfr view REGION --spice ADDR`, with a guest's sound of its own.

const [region = '', token = ''] = process.argv.slice(2);
const sound = new ClickingGuest();
const viewer = createViewer({ source: region, token, sound });
const door = await listen(viewer, { host: '127.0.0.1', port: 0 });

serve({
  /** When a click was played. Units: milliseconds since 1970. */
  click: () => ({ atMs: sound.clickMs }),
});
await say('listening', { port: door.port });
