import { addressText, type SpiceSession, type SpiceState } from '../../client/spice/index.ts';
import type { ClientState } from '../../client/state.ts';

/**
 * What a person is told of a SPICE server's screen.
 *
 * @param hadScreen whether there was one before: its picture is still to be seen then
 */
export function spiceState(session: SpiceSession, hadScreen: boolean): ClientState {
  const { state, display, address } = session;
  const where = `the SPICE server at ${addressText(address)}`;
  switch (state.name) {
    case 'connected':
      if (display.screen !== undefined)
        return { name: 'showing', source: 'spice', message: `showing the screen of ${where}` };
      return {
        name: 'waiting',
        source: 'spice',
        message: `${where} shows no screen`,
        hint: 'It has one when the virtual machine has a display adapter besides what is passed through.',
      };
    case 'taken':
      return {
        ...said(state),
        name: 'denied',
        message: `another viewer has taken ${where}`,
        hint: 'One has it at a time. To take it back, load this page again.',
      };
    case 'denied':
      return { ...said(state), name: 'denied' };
    case 'failed':
    case 'closed':
      return { ...said(state), name: 'failed' };
    default:
      return { ...said(state), name: hadScreen ? 'stale' : 'waiting' };
  }
}

function said({ message, hint, code }: SpiceState): Omit<ClientState, 'name'> {
  return {
    source: 'spice',
    message,
    ...(hint === undefined ? {} : { hint: sentence(hint) }),
    ...(code === undefined ? {} : { code }),
  };
}

function sentence(text: string): string {
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}
