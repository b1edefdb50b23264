import type { Channel } from './channel.ts';
import type { Body } from './wire/body.ts';
import type { ChannelName } from './wire/link.ts';

/** What a session does by one channel. It outlives connections: after a loss it gets another channel. */
export interface ChannelPart {
  readonly channel: ChannelName;
  /** Capability bits to offer. */
  readonly capabilities: readonly number[];
  readonly maxMessageBytes: number;
  /** A channel is linked: send what comes first. */
  attach(channel: Channel): void;
  /**
   * Takes a message; the body is valid until it returns.
   *
   * @returns false when its type is not known here
   * @throws ERR_KVMFR_SPICE when it breaks the protocol: the session is given up
   */
  message(type: number, body: Body): boolean;
  /** The channel is gone. */
  detach(): void;
}
