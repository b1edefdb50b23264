// A client in a process of its own that asks for a pace and reads: `node paced-reader.mjs PATH NS`.
// Says how frames come each time that changes.
import { connect } from '../../dist/client/index.js';

const [path, periodNs] = process.argv.slice(2);
process.on('disconnect', () => process.exit(0));
const client = await connect(path);
client.schedule({ periodNs: Number(periodNs) });
let before;
for await (const frame of client.frames()) {
  frame.release();
  if (client.pacing === before) continue;
  before = client.pacing;
  process.send({ pacing: before });
}
