/** Offsets of LGMPHeader. Names are upstream's. */
export interface LgmpHeaderOffsets {
  readonly sizeBytes: number;
  /** Where clients take their ids from; versions before 11 let each client choose its own. */
  readonly nextClientID?: number;
  readonly magic: number;
  readonly version: number;
  readonly sessionID: number;
  readonly timestamp: number;
  readonly numQueues: number;
  readonly queues: number;
  readonly udataSize: number;
  readonly udata: number;
}

/** Offsets inside a queue header. Names are upstream's. */
export interface LgmpQueueOffsets {
  readonly sizeBytes: number;
  readonly queueID: number;
  readonly numMessages: number;
  readonly newSubCount: number;
  readonly maxTime: number;
  readonly position: number;
  readonly messagesOffset: number;
  readonly timeout: number;
  readonly clientID: number;
  readonly lock: number;
  readonly start: number;
  readonly msgTimeout: number;
  readonly count: number;
  readonly cMsgLock: number;
  readonly cMsgAvail: number;
  readonly cMsgWPos: number;
  readonly cMsgWSerial: number;
  readonly cMsgRSerial: number;
  readonly cMsgs: number;
}

/** Where the two bitmaps of subscribers are: a word for each, and the shift inside it. */
export interface LgmpSubsOffsets {
  readonly on: number;
  readonly onShift: number;
  readonly bad: number;
  readonly badShift: number;
}

/** Everything that differs between LGMP versions, as numbers: one per version, in a file of its own. */
export interface LgmpLayout {
  readonly version: number;
  readonly maxQueues: number;
  readonly maxSubscribers: number;
  readonly clientMessageSlots: number;
  readonly ringAlignBytes: number;
  readonly powerOfTwoRings: boolean;
  readonly lockBytes: 1 | 4;
  /** Width of the application value in a message. */
  readonly udataBytes: 4 | 8;
  /**
   * Whether the publisher takes back messages that nobody needs: then its position may go back, and
   * says nothing about whether there is a message.
   */
  readonly trimsTail: boolean;
  /** Where the header gives out client ids; undefined where clients choose their own. */
  readonly nextClientIdAt: number | undefined;
  /** Where a client message names its sender, from the start of its slot; undefined where it does not. */
  readonly senderAt: number | undefined;
  readonly subs: LgmpSubsOffsets;
  readonly header: LgmpHeaderOffsets;
  readonly queue: LgmpQueueOffsets;
  readonly message: {
    readonly sizeBytes: number;
    readonly udata: number;
    readonly size: number;
    readonly offset: number;
    readonly pendingSubs: number;
  };
  readonly clientMessage: {
    readonly sizeBytes: number;
    readonly size: number;
    /** The sender; versions before 11 do not say who it is. */
    readonly clientID?: number;
    readonly data: number;
  };
}
