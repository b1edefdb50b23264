import { createHost, openSource, parseSource, type SourceName } from '../../host/index.ts';
import { FEATURES } from '../../protocol/kvmfr/session.ts';
import { CPU_FLAG, keepToCpus } from '../cpu.ts';
import { GUEST_FLAGS, guestOptions } from '../guest.ts';
import { regionOf } from '../region.ts';
import { SessionNews } from '../session-news.ts';
import { type CommandSpec, numberFlag, type ParsedCommand, usageError } from '../spec.ts';
import { EXIT, errorText, say } from '../terminal.ts';

/** What `kvmfr host` takes. */
export const spec: CommandSpec = {
  name: 'host',
  summary: "be the guest's side: publish as a Looking Glass host does",
  args: 'REGION',
  positionals: [{ name: 'REGION', required: true }],
  flags: {
    source: {
      value: 'WHAT',
      help: 'pattern, image:FILE, x11[:DISPLAY] or fbdev[:/dev/fbN] (default pattern)',
    },
    ...GUEST_FLAGS,
    ...CPU_FLAG,
    'region-size': {
      value: 'MIB',
      help: 'size of the file if it has to be made (default: enough)',
    },
  },
  later: { assume: '--wire says what is spoken' },
  example: 'kvmfr host /dev/shm/looking-glass --source image:desk.png',
};

/** Runs `kvmfr host` until it is interrupted. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  keepToCpus(command);
  const path = regionOf(command);
  const options = guestOptions(command);
  const source = parseSource(command.text('source') ?? 'pattern');
  refuseFlags(command, source);
  const regionMib = numberFlag(command, 'region-size', { min: 8, max: 4095 });
  await using frames = await openSource(source, options);
  await using host = await createHost(path, {
    wire: options.wire,
    features: frames.features,
    input: options.wire === 'dev12' && (frames.features & FEATURES.input) !== 0,
    clipboard: options.wire === 'dev12' && (frames.features & FEATURES.clipboard) !== 0,
    vm: { capture: source.kind },
    regionMib: regionMib ?? frames.regionMib,
  });
  host.on('error', (error) => say(`  ${errorText(error)}`));
  host.on('subscriber', ({ queue }) => say(`  a client reads the ${queue} queue`));
  host.on('recovery-request', (request) => say(`  a client asks for the ${request} display`));
  const news = new SessionNews();
  host.on('session', (id) => {
    const line = news.begun(id, performance.now());
    if (line !== undefined) say(`  ${line}`);
  });
  say(
    `publishing ${nameOf(source, options.content)} in ${path} as Looking Glass ${options.wire} (Ctrl+C ends it)`,
  );
  for (const note of frames.notes ?? []) say(`  ${note}`);
  signal.addEventListener('abort', () => void frames.close(), { once: true });
  if (!signal.aborted) await frames.run(host);
  if (signal.aborted) return EXIT.interrupted;
  // Closed by itself, for what was just said.
  return host.closed ? EXIT.failed : EXIT.done;
}

/** What a source has of its own cannot be chosen. @throws ERR_KVMFR_USAGE */
function refuseFlags(command: ParsedCommand, source: SourceName): void {
  const isPicture = source.kind === 'image';
  const own = isPicture ? ['size', 'fps', 'content'] : ['size', 'content', 'format'];
  const why = isPicture
    ? 'a picture has its own size and no motion'
    : 'a screen has its own size, and is published as BGRA';
  if (source.kind === 'pattern') return;
  for (const flag of own)
    if (command.text(flag) !== undefined) throw usageError(`--${flag} is for the pattern; ${why}`);
}

function nameOf(source: SourceName, content: string): string {
  switch (source.kind) {
    case 'pattern':
      return `the pattern ${content}`;
    case 'image':
      return source.path;
    case 'fbdev':
      return `the frame buffer ${source.path}`;
    case 'x11':
      return `the screen ${source.display}`;
  }
}
