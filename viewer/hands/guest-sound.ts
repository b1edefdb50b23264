/** What comes of a guest's sound, as it comes. */
export interface SoundPacket {
  /** Samples i16, little endian, the channels in turn. Ownership: the listener's. */
  readonly samples: Uint8Array;
  readonly channels: number;
  readonly rateHz: number;
  /** When it came, by this machine's monotonic clock. Units: milliseconds since 1970. */
  readonly atMs: number;
  /** How loud the guest has set each channel, 0 to 1; all at 1 when empty. */
  readonly volumes: readonly number[];
  /** Whether the guest has muted it. */
  readonly muted: boolean;
}

/** Who listens to a guest. */
export interface SoundListener {
  packet(packet: SoundPacket): void;
  /** The guest plays nothing any more, for now. */
  ended(): void;
}

/** Whether there is something, and why not. */
export interface SoundAbility {
  readonly available: boolean;
  /** Why it is not, one sentence for a person. */
  readonly reason?: string;
}

/** The sound of a guest, whichever way it comes. Nothing here throws. */
export interface GuestSound {
  readonly ability: SoundAbility;
  /** How loud the guest has set it: 0, when it has muted it, to 1, which it is when left out. */
  readonly loudness?: number;
  /** Hears the guest from now on; while nobody does nothing is read. The answer ends it. */
  listen(listener: SoundListener): () => void;
  /** Calls back when {@link ability} or {@link loudness} is another one. The answer ends it. */
  watch(changed: () => void): () => void;
}

/** The microphone of a guest, whichever way it is reached. Nothing here throws. */
export interface GuestMicrophone {
  readonly ability: SoundAbility;
  /** Whether a program in the guest records now. */
  readonly recording: boolean;
  /** Says samples of one channel, 48 000 a second; they are lost while the guest does not record. */
  say(samples: Int16Array): void;
  /** Calls back when {@link ability} or {@link recording} is another one. The answer ends it. */
  watch(changed: () => void): () => void;
}
