import { setTimeout as sleep } from 'node:timers/promises';
import { type Inspection, inspectRegion, requestDisplay } from '../../client/index.ts';
import { hex } from '../../protocol/error.ts';
import { ASSUME_FLAG, assumedWire, regionOf } from '../region.ts';
import type { CommandSpec, ParsedCommand } from '../spec.ts';
import { EXIT, errorJson, errorText, print, say } from '../terminal.ts';

/** What `kvmfr info` takes. */
export const spec: CommandSpec = {
  name: 'info',
  summary: 'what a region holds: versions, session, queues, readers',
  args: '[REGION]',
  positionals: [{ name: 'REGION', required: false }],
  flags: {
    json: { help: 'one JSON object; with --watch one per line' },
    watch: { help: 'look again every second, until interrupted' },
    ...ASSUME_FLAG,
    recover: { help: 'ask the guest for its fallback display first (development versions)' },
  },
  example: 'kvmfr info /dev/shm/looking-glass --json',
};

const QUEUE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'pointer'],
  [2, 'frame'],
  [3, 'frame-owner-0'],
  [4, 'frame-owner-1'],
  [5, 'input'],
  [6, 'clipboard'],
]);

/** Runs `kvmfr info`. Writes nothing to the region. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  const path = regionOf(command);
  const json = command.has('json');
  const assume = assumedWire(command);
  if (command.has('recover')) {
    const { state, error } = await requestDisplay(path, 'recovery', { signal });
    say(`fallback display: ${state}${error === 'none' ? '' : ` (${error})`}`);
    if (state === 'failed') return EXIT.failed;
  }
  for (;;) {
    const status = await once(path, { json, assume, signal });
    if (!command.has('watch') || signal.aborted) return signal.aborted ? EXIT.interrupted : status;
    try {
      await sleep(1000, undefined, { signal });
    } catch {
      return EXIT.interrupted;
    }
    if (!json) print('');
  }
}

async function once(
  path: string,
  options: {
    readonly json: boolean;
    readonly assume: 'dev12' | undefined;
    readonly signal: AbortSignal;
  },
): Promise<number> {
  const { json, assume, signal } = options;
  let found: Inspection;
  try {
    found = await inspectRegion(path, { signal, assume });
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    if (json) print(JSON.stringify({ path, ...errorJson(error) }));
    say(`kvmfr: ${errorText(error)}`);
    return EXIT.failed;
  }
  if (json) print(JSON.stringify(inspectionJson(found)));
  else print(inspectionText(found));
  if (found.problem !== undefined && !json) say(`kvmfr: ${errorText(found.problem)}`);
  return found.problem === undefined ? EXIT.done : EXIT.failed;
}

function inspectionJson(found: Inspection): object {
  const { problem, ...rest } = found;
  return {
    ...rest,
    queues: found.queues.map((queue) => ({ name: QUEUE_NAMES.get(queue.id) ?? null, ...queue })),
    ...(problem === undefined ? {} : errorJson(problem)),
  };
}

function inspectionText(found: Inspection): string {
  const rows: [string, string][] = [
    ['region', `${found.path}, ${size(found.sizeBytes)}, ${kindName(found)}`],
    ['memory', memoryText(found)],
    ...doorbellRows(found),
    ...sessionRows(found),
    ...found.queues.map((queue): [string, string] => [
      `queue ${QUEUE_NAMES.get(queue.id) ?? queue.id}`,
      `${queue.used} of ${ringRoom(queue.slots, found)} messages, ${readers(queue.subscribers, queue.timedOut)}`,
    ]),
    ...pictureRows(found),
    ...recoveryRows(found),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
}

const KIND_NAMES: { readonly [kind in Inspection['kind']]: string } = {
  file: 'a file',
  'kvmfr-device': 'a device of the kvmfr module',
  pci: 'the BAR of a PCI device',
  vfio: 'the BAR of a PCI device, through VFIO',
  ivshmem: 'memory of an ivshmem-server',
};

function kindName(found: Inspection): string {
  return KIND_NAMES[found.kind];
}

/** Where the pages are, and what to do when the reader is elsewhere. */
function memoryText({ pageBytes, placement }: Inspection): string {
  const kind = `pages of ${pageBytes >= 2 ** 20 ? size(pageBytes) : `${pageBytes / 1024} KiB`}`;
  const { nodes, pages, reader, nearCpus } = placement;
  if (nodes === 1) return `${kind}; the machine has one node of memory`;
  const [most] = pages;
  if (most === undefined) return `${kind}, on a node that nobody tells; read from node ${reader}`;
  const where = pages.map(({ node, share }) => `${Math.round(share * 100)} % on node ${node}`);
  const far =
    most.node === reader || nearCpus === undefined ? '' : `: near it with --cpu ${nearCpus}`;
  return `${kind}, ${where.join(', ')}; read from node ${reader}${far}`;
}

function doorbellRows({ doorbell }: Inspection): [string, string][] {
  if (doorbell === undefined) return [];
  const { ownId, peers, problem } = doorbell;
  const text =
    problem ??
    `we are peer ${ownId}, ${peers === undefined ? 'the others are not told' : `with ${listOf(peers)}`}`;
  return [['doorbell', text]];
}

function listOf(peers: readonly number[]): string {
  return peers.length === 0 ? 'no other' : peers.join(', ');
}

function sessionRows(found: Inspection): [string, string][] {
  const { session } = found;
  if (session === undefined)
    return found.headers.map((header): [string, string] => [
      'header',
      `LGMP ${header.lgmpVersion} at ${hex(header.offsetBytes)}${found.alive ? '' : ', no heartbeat'}`,
    ]);
  const rows: [string, string][] = [
    [
      'guest',
      `Looking Glass ${session.release} (KVMFR ${session.kvmfrVersion} on LGMP ${session.lgmpVersion}), host ${session.hostVersion}`,
    ],
    ['session', `${hex(session.id)}, ${found.alive ? 'alive' : 'no heartbeat: dead or paused'}`],
  ];
  if (session.os !== undefined) rows.push(['system', `${session.os.name} (${session.os.kind})`]);
  const { vm } = session;
  if (vm !== undefined) {
    rows.push([
      'machine',
      `${vm.model}, ${vm.cpus} threads, ${vm.cores} cores, ${vm.sockets} sockets`,
    ]);
    rows.push(['capture', vm.capture]);
    if (vm.uuid !== undefined) rows.push(['uuid', vm.uuid]);
  }
  return rows;
}

function pictureRows(found: Inspection): [string, string][] {
  const rows: [string, string][] = [];
  const { frame, cursor } = found;
  if (frame !== undefined) {
    const written =
      frame.writtenBytes >= frame.dataBytes
        ? 'whole'
        : `${frame.writtenBytes} of ${frame.dataBytes} bytes written`;
    const cut = frame.truncated ? `, truncated to ${frame.dataHeightPx} rows` : '';
    rows.push([
      'frame',
      `number ${frame.serial}, ${frame.widthPx} x ${frame.heightPx} ${frame.format}, pitch ${frame.pitchBytes}, ${written}${cut}`,
    ]);
  }
  if (cursor !== undefined) {
    const place = cursor.x === undefined ? 'somewhere' : `at ${cursor.x},${cursor.y}`;
    const { shape } = cursor;
    const look = shape === undefined ? '' : `, ${shape.kind} ${shape.widthPx} x ${shape.heightPx}`;
    rows.push(['cursor', `${cursor.visible ? 'visible' : 'hidden'} ${place}${look}`]);
  }
  return rows;
}

/** Rings of LGMP 5 to 7 keep one place free. */
function ringRoom(slots: number, found: Inspection): number {
  return (found.session?.lgmpVersion ?? 0) >= 10 ? slots : slots - 1;
}

function recoveryRows({ recovery }: Inspection): [string, string][] {
  if (recovery === undefined) return [];
  const life = recovery.alive ? `display ${recovery.state}` : 'no heartbeat';
  const trouble = recovery.error === 'none' ? '' : ` (${recovery.error})`;
  const versions = `KVMFR ${recovery.kvmfrVersion} on LGMP ${recovery.lgmpVersion}`;
  return [['recovery', `${versions}, host ${recovery.hostVersion}, ${life}${trouble}`]];
}

function readers(taken: number, timedOut: number): string {
  const all = bitCount(taken);
  const bad = bitCount(taken & timedOut);
  const live = all - bad;
  return `${live} ${live === 1 ? 'reader' : 'readers'}${bad === 0 ? '' : `, ${bad} timed out`}`;
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}

function size(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MiB` : `${bytes} bytes`;
}
