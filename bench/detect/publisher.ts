// The guest of the detection bench: starts as a publisher of C does, in what is there, and says when.
import { createHost, type Host, type WireName } from '../../host/index.ts';
import { WIRES } from '../../host/wire.ts';
import { Mapping } from '../../native/index.ts';
import { Region } from '../../protocol/index.ts';
import { serve } from '../support/child.ts';
import { nowNs } from '../support/stats.ts';
import { headerArea, unclear } from './garbage.ts';

const [path = '', wire = ''] = process.argv.slice(2);
let host: Host | undefined;

serve({
  async start() {
    const mapping = Mapping.open(path);
    const region = new Region(mapping.buffer);
    const before = headerArea(region);
    const name = wire as WireName;
    host = await createHost(path, { wire: name, recovery: false });
    unclear(region, WIRES[name].lgmp, before);
    return { startedNs: Number(nowNs()) };
  },
  async stop() {
    await host?.close();
    return {};
  },
});
