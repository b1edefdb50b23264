import { FEATURES, KvmfrError } from '../../protocol/index.ts';
import { createHost } from '../open.ts';
import type { Host } from '../publisher.ts';
import type { GuestFailure, GuestOptions, GuestReply, GuestRequest, GuestStats } from './ipc.ts';
import { PatternSource } from './source.ts';

// The synthetic guest as a process of its own. It obeys its parent and ends with it; the region is
// left as it is, as when a virtual machine is switched off.

const HOUSEKEEPING_MS = 10;

let host: Host | undefined;
let source: PatternSource | undefined;
let frozen = false;

function say(reply: GuestReply, then: () => void = () => undefined): void {
  // The parent may be gone already; then so are we, in a moment.
  process.send?.(reply, undefined, undefined, then);
}

function failureOf(error: unknown): GuestFailure {
  const known = KvmfrError.is(error) ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return { code: known?.code, message, hint: known?.hint };
}

async function start(options: GuestOptions): Promise<void> {
  const pattern = new PatternSource(options);
  const publisher = await createHost(options.region, {
    wire: options.wire,
    hostVersion: options.hostVersion,
    regionMib: options.regionMib ?? pattern.regionMib,
    vm: { capture: 'pattern' },
    features: pattern.features,
    input: (pattern.features & FEATURES.input) !== 0,
    clipboard: (pattern.features & FEATURES.clipboard) !== 0,
    // By ourselves, so that it can be frozen.
    housekeepingMs: 0,
  });
  host = publisher;
  source = pattern;
  setInterval(() => {
    if (!frozen) publisher.housekeep();
  }, HOUSEKEEPING_MS);
  publisher.on('session', (sessionId) => say({ kind: 'session', sessionId }));
  publisher.on('error', (error) => say({ kind: 'error', failure: failureOf(error) }));
  // By itself, because its region is gone: what it said about that has to get out first.
  publisher.on('close', () => say({ kind: 'closed' }, () => process.exit(1)));
  pattern.run(publisher).catch((error: unknown) => {
    say({ kind: 'error', failure: failureOf(error) });
  });
}

function stats(): GuestStats | undefined {
  if (host === undefined || source === undefined) return undefined;
  const { user, system } = process.cpuUsage();
  return {
    ...host.stats,
    sessionId: host.sessionId,
    framesDrawn: source.stats.frames,
    busyMs: source.stats.busyMs,
    cpuMs: (user + system) / 1000,
  };
}

async function obey(request: GuestRequest): Promise<void> {
  const { command } = request;
  switch (command.do) {
    case 'start':
      await start(command.options);
      break;
    case 'resize':
      source?.resize(command.widthPx, command.heightPx);
      break;
    case 'pause':
      source?.pause();
      break;
    case 'resume':
      source?.resume();
      break;
    case 'freeze':
      source?.pause();
      frozen = true;
      break;
    case 'thaw':
      frozen = false;
      source?.resume();
      break;
    case 'stats':
      break;
  }
}

process.on('message', (request: GuestRequest) => {
  obey(request).then(
    () => say({ kind: 'answer', id: request.id, stats: stats(), failure: undefined }),
    (error: unknown) =>
      say({ kind: 'answer', id: request.id, stats: undefined, failure: failureOf(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit(0));
// An interrupt from the terminal goes to the whole group: the parent decides.
process.on('SIGINT', () => undefined);
