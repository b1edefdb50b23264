import type { ClientState, SessionInfo } from '../../client/index.ts';
import type { SessionSummary, State } from '../../protocol/wire/index.ts';

/** What viewers are told of a state: its words, and whose words they are. */
export function summariseState(state: ClientState, session: SessionInfo | undefined): State {
  return {
    state: state.name,
    message: state.message,
    ...(state.hint === undefined ? {} : { hint: state.hint }),
    ...(state.code === undefined ? {} : { code: state.code }),
    ...(state.needMib === undefined ? {} : { needMib: state.needMib }),
    source: state.source ?? 'lgmp',
    ...(session === undefined ? {} : { session: summariseSession(session) }),
  };
}

/** What viewers are told of a session. */
export function summariseSession(session: SessionInfo): SessionSummary {
  const { os, vm } = session;
  return {
    release: session.release,
    lgmpVersion: session.lgmpVersion,
    kvmfrVersion: session.kvmfrVersion,
    hostVersion: session.hostVersion,
    ...(os === undefined ? {} : { os: os.name === '' ? os.kind : os.name }),
    ...(vm === undefined ? {} : { capture: vm.capture, cpu: vm.model }),
  };
}
