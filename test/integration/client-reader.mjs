// A reader in a process of its own, started by client-guest.ts with a task and a path:
//
//   hold PATH     takes one frame and keeps it, and tells {event: 'holding', slot bits}
//   state PATH    looks as somebody who may nothing, and tells {event: 'state', state}
import { Client, connect } from '../../dist/client/index.js';
import { Mapping } from '../../dist/native/index.js';

const NOBODY = 65534;
const [task, path] = process.argv.slice(2);

if (task === 'hold') {
  const client = await connect(path);
  const frames = client.frames();
  const { value: frame } = await frames.next();
  process.send({ event: 'holding', serial: frame.serial });
  // Kept for ever: until somebody kills us.
  setInterval(() => frame.serial, 1000);
} else {
  // The native module is loaded while we still may; what it cannot open does not matter.
  try {
    Mapping.open('/').close();
  } catch {}
  if (process.getuid() === 0) {
    process.setgroups([]);
    process.setgid(NOBODY);
    process.setuid(NOBODY);
  }
  const client = new Client(path);
  process.send({ event: 'state', state: client.state }, async () => {
    await client.close();
    process.disconnect();
  });
}
