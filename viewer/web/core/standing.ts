import type { Bye, SessionSummary, State } from '../../../protocol/wire/index.ts';
import type { Link } from './connection.ts';
import type { Fault } from './fault.ts';
import { sameStatus, type ViewStatus, viewStatus } from './status.ts';

/** What a standing works with. */
export interface StandingOptions {
  /** Where the connection stands now. */
  readonly link: () => Link;
  /** Time of day. Units: milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Told each time when there is something new. */
  readonly changed: (status: ViewStatus) => void;
}

/** How the view stands: gathers what was heard and what went wrong, and tells when it changes. */
export class Standing {
  readonly #options: StandingOptions;
  #state: State | undefined;
  #session: SessionSummary | undefined;
  #bye: Bye | undefined;
  #fault: Fault | undefined;
  #status: ViewStatus | undefined;

  constructor(options: StandingOptions) {
    this.#options = options;
  }

  /** The relay told the state of the guest's screen. */
  said(state: State): void {
    this.#state = state;
    // What SPICE shows is nobody's session.
    this.#session = state.source === 'spice' ? undefined : (state.session ?? this.#session);
    this.forgetEnd();
    this.update();
  }

  /** The relay said its last words. */
  saidBye(bye: Bye): void {
    this.#bye = bye;
    this.#fault = undefined;
  }

  /** Something ended the connection from this side. */
  failed(fault: Fault): void {
    this.#bye = undefined;
    this.#fault = fault;
  }

  /** The connection is gone, and the state with it. */
  lost(): void {
    this.#state = undefined;
  }

  /** Why the connection before ended is of no interest any more. */
  forgetEnd(): void {
    this.#bye = undefined;
    this.#fault = undefined;
  }

  /** Tells the status if it is another one. */
  update(): void {
    const link = this.#options.link();
    // A connection that was made again changes nothing for a person until the relay has spoken.
    if (link.name === 'open' && this.#state === undefined && this.#status !== undefined) return;
    const status = viewStatus({
      link,
      state: this.#state,
      session: this.#session,
      bye: this.#bye,
      fault: this.#fault,
    });
    const before = this.#status;
    if (before !== undefined && sameStatus(before, status)) return;
    const sinceMs = before?.state === status.state ? before.sinceMs : this.#options.wallMs();
    this.#status = { ...status, sinceMs };
    this.#options.changed(this.#status);
  }
}
