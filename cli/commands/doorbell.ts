import { createRegionFile, type IvshmemEvent, IvshmemServer } from '../../native/index.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { type CommandSpec, numberFlag, type ParsedCommand, usageError } from '../spec.ts';
import { aborted, EXIT, print, say } from '../terminal.ts';

/** What `kvmfr doorbell` takes. */
export const spec: CommandSpec = {
  name: 'doorbell',
  summary: 'an ivshmem-server: shared memory, and a doorbell beside it',
  args: '',
  positionals: [],
  flags: {
    socket: { value: 'PATH', help: 'where QEMU and viewers connect; only its owner may' },
    size: { value: 'MIB', help: 'size of the memory, a power of two' },
    region: { value: 'FILE', help: 'keep the memory in FILE, made where it is not there' },
    vectors: { value: 'N', help: 'interrupts of each peer, as QEMU is told (default 1)' },
    peers: { value: 'N', help: 'most peers at a time (default 16)' },
  },
  example: 'kvmfr doorbell --socket /run/user/1000/ivshmem --size 32',
};

/** Runs `kvmfr doorbell` until it is interrupted. */
export async function run(command: ParsedCommand, signal: AbortSignal): Promise<number> {
  const socketPath = command.text('socket');
  const sizeMib = numberFlag(command, 'size', { min: 1, max: 2048 });
  if (socketPath === undefined || sizeMib === undefined)
    throw usageError('kvmfr doorbell needs --socket PATH and --size MIB');
  if (!Number.isInteger(Math.log2(sizeMib)))
    throw usageError(`--size takes a power of two, as a BAR has, not ${sizeMib}`);
  const vectors = numberFlag(command, 'vectors', { min: 1, max: 32 }) ?? 1;
  const maxPeers = numberFlag(command, 'peers', { min: 2, max: 64 }) ?? 16;
  const file = command.text('region');
  const byteLength = sizeMib * 2 ** 20;
  if (file !== undefined) createRegionFile(file, byteLength);
  const told = (event: IvshmemEvent): void => say(`  ${eventText(event, maxPeers)}`);
  await using server = serverAt({ socketPath, byteLength, file, vectors, maxPeers, told });
  print(`ivshmem:unix:${socketPath}`);
  say(`${sizeMib} MiB for a guest and its viewers (Ctrl+C ends it). QEMU takes it by`);
  say(`  -chardev socket,path=${server.socketPath},id=doorbell`);
  say(`  -device ivshmem-doorbell,chardev=doorbell,vectors=${vectors}`);
  await aborted(signal);
  return EXIT.interrupted;
}

function serverAt(options: ConstructorParameters<typeof IvshmemServer>[0]): IvshmemServer {
  try {
    return new IvshmemServer(options);
  } catch (error) {
    if (!KvmfrError.is(error) || error.errno !== 'ENAMETOOLONG') throw error;
    throw usageError(`--socket takes a path of at most 107 bytes, not ${options.socketPath}`);
  }
}

function eventText({ kind, id, peers }: IvshmemEvent, maxPeers: number): string {
  if (kind === 'refused') return `a peer was sent away: ${peers} of ${maxPeers} are there`;
  return `peer ${id} has ${kind === 'joined' ? 'come' : 'gone'}: ${peers} of ${maxPeers} are there`;
}
