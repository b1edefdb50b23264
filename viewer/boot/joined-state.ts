import type { ClientState } from '../../client/state.ts';

const FIRST_FRAME = 'The Looking Glass host is there; its first frame is waited for.';

/** What a person is told of a guest that may be seen in two ways. */
export function joinedState(states: {
  readonly main: ClientState;
  readonly boot: ClientState;
  readonly showsBoot: boolean;
  /** What was told last, while its picture is still shown. */
  readonly keeps: ClientState | undefined;
}): ClientState {
  const { main, boot, showsBoot, keeps } = states;
  if (showsBoot) {
    const why = isAlive(main) ? FIRST_FRAME : sentence(main.message);
    return { ...boot, hint: joined(boot.hint, why) };
  }
  if (isAlive(main)) return main;
  if (boot.name !== 'showing') {
    // It is still on its way, and nothing is wrong with it.
    if (boot.name === 'waiting' && boot.hint === undefined) return main;
    const why = `There is no boot screen by SPICE: ${boot.message}.`;
    return { ...main, hint: joined(main.hint, why, boot.hint) };
  }
  return keeps !== undefined && isAlive(keeps) ? keeps : main;
}

function isAlive({ name }: ClientState): boolean {
  return name === 'showing' || name === 'too-small';
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
}

function sentence(text: string): string {
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}
