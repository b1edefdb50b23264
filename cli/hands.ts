import { addressText, parseSpiceAddress, SpiceSession } from '../client/spice/index.ts';
import { KvmfrError } from '../protocol/error.ts';
import { type GuestInput, SpiceInput } from '../viewer/hands/index.ts';
import { type FlagSpec, type ParsedCommand, usageError } from './spec.ts';
import { say } from './terminal.ts';

/** Flags of commands that bring keys and pointer to a guest. */
export const HANDS_FLAGS: { readonly [flag: string]: FlagSpec } = {
  spice: {
    value: 'HOST:PORT',
    help: 'keyboard and mouse by SPICE (or unix:PATH); --spice-password-file FILE',
  },
  'spice-password-file': {
    value: 'FILE',
    help: 'the password is the line in FILE (KVMFR_SPICE_PASSWORD works too)',
    toldBeside: 'spice',
  },
};

/** By which way keys and pointer get into the guest. */
export type HandsOptions = {
  readonly kind: 'spice';
  readonly address: string;
  readonly password: string | undefined;
};

/** Keyboard and pointer of a guest, opened. */
export interface Hands extends AsyncDisposable {
  readonly input: GuestInput;
  /** Tells a person how it stands, from now on. */
  tell(): void;
}

/** Reads the flags of {@link HANDS_FLAGS}. @throws ERR_KVMFR_USAGE */
export function handsOptions(
  command: ParsedCommand,
  password: string | undefined,
): HandsOptions | undefined {
  const address = command.text('spice');
  if (address === undefined) {
    if (command.text('spice-password-file') !== undefined)
      throw usageError('--spice-password-file is for --spice: give the address too');
    return undefined;
  }
  return { kind: 'spice', address: checkedAddress(address), password };
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

/** Begins to connect. */
export function openHands(options: HandsOptions): Hands {
  const { address, password } = options;
  const session = new SpiceSession(address, password === undefined ? {} : { password });
  const input = new SpiceInput(session);
  let telling: Promise<void> | undefined;
  return {
    input,
    tell: () => {
      telling ??= tellSession(session);
    },
    [Symbol.asyncDispose]: async () => {
      input.close();
      await session.close();
      await telling;
    },
  };
}

async function tellSession(session: SpiceSession): Promise<void> {
  for await (const { name, message, hint } of session.states()) {
    if (name === 'closed') return;
    say(`  keyboard and mouse: ${message}`);
    if (hint !== undefined) say(`    ${hint}`);
  }
}
