// The guest's side of the bench of screens: publishes an X server as `kvmfr host` does, and tells what it
// has cost.
import { createHost } from '../../host/index.ts';
import { X11Source } from '../../host/x11/source.ts';
import { serve } from '../support/child.ts';

const [path = '', display = ''] = process.argv.slice(2);
const source = await X11Source.open(display);
const host = await createHost(path, { regionMib: 32, features: source.features });
void source.run(host);

serve({
  cost() {
    const { user, system } = process.cpuUsage();
    return { cpuMs: (user + system) / 1000, framesPosted: host.stats.framesPosted };
  },
});
