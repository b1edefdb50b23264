import {
  addressText,
  parseSpiceAddress,
  type SpiceOptions,
  SpiceSession,
} from '../client/spice/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import type { ClipboardPolicy } from '../protocol/wire/index.ts';
import {
  EitherInput,
  type GuestClipboard,
  type GuestInput,
  type GuestMicrophone,
  type GuestSound,
  PlacedInput,
  QmpInput,
  SpiceClipboard,
  SpiceInput,
  SpiceMicrophone,
  SpiceSound,
} from '../viewer/hands/index.ts';
import { type GuestSight, RegionHands, type RegionPlace, tellUnused } from './region-hands.ts';
import { RegionPointer } from './region-pointer.ts';
import { choiceFlag, type FlagSpecs, grouped, type ParsedCommand, usageError } from './spec.ts';
import { SPICE_TLS_FLAGS, spiceTls } from './spice-tls.ts';
import { say } from './terminal.ts';

/** Flags of commands that bring keys and pointer to a guest. */
export const HANDS_FLAGS: FlagSpecs = {
  ...grouped('Keyboard, mouse and boot screen', {
    spice: {
      value: 'HOST:PORT',
      help: "the guest's SPICE server (or unix:PATH), for clipboard and sound too",
    },
    'spice-password-file': {
      value: 'FILE',
      help: 'its password is a line in FILE (KVMFR_SPICE_PASSWORD works too)',
    },
    ...SPICE_TLS_FLAGS,
    qmp: {
      value: 'unix:PATH',
      help: "keyboard and mouse by QEMU's control socket while there is no SPICE",
    },
  }),
  ...grouped('Sound', {
    microphone: { help: 'who has keyboard and mouse may speak to the guest, by SPICE' },
  }),
  ...grouped('Clipboard', {
    clipboard: {
      value: 'WAY',
      help: 'what is copied goes both, to-guest, from-guest or off (default: both)',
    },
  }),
};

/** By which way keys and pointer get into the guest. */
export type HandsOptions =
  | {
      readonly kind: 'spice';
      readonly address: string;
      readonly access: SpiceOptions /** The way while SPICE is away. */;
      readonly qmp: string | undefined;
    }
  | { readonly kind: 'qmp'; readonly path: string };

/** Keyboard and pointer of a guest, opened. */
export interface Hands extends AsyncDisposable {
  readonly input: GuestInput;
  /** The guest's clipboard, where that way has one. */
  readonly clipboard?: GuestClipboard;
  /** What the guest plays, and its microphone, where that way has them. */
  readonly sound?: GuestSound;
  readonly microphone?: GuestMicrophone;
  /** The session that they go by, when it is one of SPICE. */
  readonly spice?: SpiceSession;
  /** Tells a person how it stands, from now on. */
  tell(guest: GuestSight): void;
}

/** Which way contents of clipboards may go. @throws ERR_KVMFR_USAGE */
export function clipboardPolicy(command: ParsedCommand): ClipboardPolicy | 'off' {
  const policy = choiceFlag(command, 'clipboard', {
    now: ['both', 'to-guest', 'from-guest', 'off'],
  });
  if (
    policy !== undefined &&
    policy !== 'off' &&
    command.text('qmp') !== undefined &&
    command.text('spice') === undefined
  )
    throw usageError("--clipboard goes by SPICE or the region: QEMU's control socket has none");
  return policy ?? 'both';
}

/** Reads the flags of {@link HANDS_FLAGS}. @throws ERR_KVMFR_USAGE */
export function handsOptions(
  command: ParsedCommand,
  password: string | undefined,
): HandsOptions | undefined {
  const address = command.text('spice');
  const qmp = command.text('qmp');
  if (address === undefined) {
    for (const flag of ['spice-password-file', 'spice-tls', 'spice-ca', 'microphone'])
      if (command.has(flag) || command.text(flag) !== undefined)
        throw usageError(`--${flag} is for --spice: give the address too`);
    return qmp === undefined ? undefined : { kind: 'qmp', path: checkedPath(qmp) };
  }
  const tls = spiceTls(command);
  const access: SpiceOptions = {
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    record: command.has('microphone'),
  };
  return {
    kind: 'spice',
    address: checkedAddress(address),
    access,
    qmp: qmp === undefined ? undefined : checkedPath(qmp),
  };
}

function checkedAddress(text: string): string {
  try {
    return addressText(parseSpiceAddress(text));
  } catch (error) {
    if (!KvmfrError.is(error)) throw error;
    throw usageError(
      `--spice takes HOST:PORT or unix:PATH, for example localhost:5900, not ${text}`,
    );
  }
}

function checkedPath(text: string): string {
  const path = /^unix:([^\0]+)$/.exec(text)?.[1];
  if (path === undefined)
    throw usageError(`--qmp takes unix:PATH, for example unix:/run/vm/qmp.sock, not ${text}`);
  return path;
}

/** Begins to connect: as it was said, or by the region where nothing was. */
export function openHands(
  options: HandsOptions | undefined,
  source: RegionPlace | undefined,
): Hands | undefined {
  if (options === undefined) return source === undefined ? undefined : openRegionHands(source);
  const hands = options.kind === 'qmp' ? openQmp(options.path) : openSpice(options);
  const pointer = source === undefined ? undefined : new RegionPointer(source);
  let end = (): void => undefined;
  return {
    ...hands,
    // Where the virtual machine has no tablet the guest may take places by its region.
    input: pointer === undefined ? hands.input : new PlacedInput(hands.input, pointer),
    tell: (guest) => {
      hands.tell(guest);
      pointer?.follow(guest);
      end = tellUnused(guest, `--${options.kind}`, tellLine);
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await pointer?.[Symbol.asyncDispose]();
      await hands[Symbol.asyncDispose]();
    },
  };
}

function openRegionHands(source: RegionPlace): Hands {
  const input = new RegionHands(source);
  return {
    input,
    ...(input.clipboard === undefined ? {} : { clipboard: input.clipboard }),
    tell: (guest) => input.follow(guest, tellLine),
    [Symbol.asyncDispose]: () => input[Symbol.asyncDispose](),
  };
}

function openQmp(path: string): Hands & { readonly input: QmpInput } {
  const input = new QmpInput(path);
  return {
    input,
    tell: () => {
      let told = '';
      const look = (): void => {
        const { name, message, hint } = input.state;
        if (message === told || name === 'closed') return;
        told = message;
        tellLine(message, hint);
      };
      input.watch(look);
      look();
    },
    [Symbol.asyncDispose]: () => input.close(),
  };
}

function openSpice(options: HandsOptions & { readonly kind: 'spice' }): Hands {
  const session = new SpiceSession(options.address, options.access);
  const spice = new SpiceInput(session);
  const qmp = options.qmp === undefined ? undefined : openQmp(options.qmp);
  const either = qmp === undefined ? undefined : new EitherInput(spice, qmp.input);
  const clipboard = new SpiceClipboard(session);
  const sound = new SpiceSound(session);
  const microphone = session.record === undefined ? undefined : new SpiceMicrophone(session);
  let telling: Promise<void> | undefined;
  return {
    input: either ?? spice,
    clipboard,
    sound,
    ...(microphone === undefined ? {} : { microphone }),
    spice: session,
    tell: (guest) => {
      telling ??= tellSession(session);
      qmp?.tell(guest);
    },
    [Symbol.asyncDispose]: async () => {
      clipboard.close();
      either?.close();
      spice.close();
      await qmp?.[Symbol.asyncDispose]();
      sound.close();
      microphone?.close();
      await session.close();
      await telling;
    },
  };
}

async function tellSession(session: SpiceSession): Promise<void> {
  let told = '';
  for await (const { name, message, hint } of session.states()) {
    if (name === 'closed') return;
    // A server that is not there is not told of each time that it is looked for.
    if (message !== told) tellLine(message, hint);
    told = message;
  }
}

function tellLine(message: string, hint?: string): void {
  say(`  keyboard and mouse: ${message}`);
  if (hint !== undefined) say(`    ${hint}`);
}
