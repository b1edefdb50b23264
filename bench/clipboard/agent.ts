import { AgentReader, AgentWriter } from '../../client/spice/agent-stream.ts';
import { AGENT_MESSAGES, encodeAnnounce, words } from '../../client/spice/wire/agent.ts';
import { MAIN_FROM_SERVER, MAIN_TO_SERVER } from '../../client/spice/wire/main.ts';

const BY_DEMAND = 5;
const SELECTION = 6;
const CLIPBOARD = 0;
const TEXT = 1;

/** The agent of a guest in which text is copied and pasted, behind a SPICE server of the bench. */
export class BenchAgent {
  /** What was pasted last. */
  pasted: Buffer = Buffer.alloc(0);
  /** How often. */
  pastes = 0;
  #copied: Uint8Array = Buffer.alloc(0);
  #reader: AgentReader | undefined;
  #writer: AgentWriter | undefined;

  /** Takes a message that a client sent on MAIN; answers by `send`. */
  receive(type: number, body: Buffer, send: (message: Buffer) => void): void {
    if (type === MAIN_TO_SERVER.agentStart) this.#start(body.readUInt32LE(0), send);
    else if (type === MAIN_TO_SERVER.agentToken) this.#writer?.grant(body.readUInt32LE(0));
    else if (type === MAIN_TO_SERVER.agentData) {
      this.#reader?.push(body);
      send(framed(MAIN_FROM_SERVER.agentToken, words([1])));
    }
  }

  /** Something is copied in the guest. */
  copy(text: Uint8Array): void {
    this.#copied = text;
    this.#writer?.write(AGENT_MESSAGES.clipboardGrab, words([CLIPBOARD, TEXT]));
  }

  #start(tokens: number, send: (message: Buffer) => void): void {
    this.#reader = new AgentReader((type, body) => this.#message(type, body));
    this.#writer = new AgentWriter((message) => {
      // The same piece as a client's, in the other direction.
      message.writeUInt16LE(MAIN_FROM_SERVER.agentData, 0);
      send(message);
    }, tokens);
    const announce = encodeAnnounce([BY_DEMAND, SELECTION], false);
    this.#writer.write(AGENT_MESSAGES.announceCapabilities, announce);
  }

  #message(type: number, body: Buffer): void {
    // What is offered is pasted at once.
    if (type === AGENT_MESSAGES.clipboardGrab)
      this.#writer?.write(AGENT_MESSAGES.clipboardRequest, words([CLIPBOARD, TEXT]));
    else if (type === AGENT_MESSAGES.clipboardRequest)
      this.#writer?.write(AGENT_MESSAGES.clipboard, words([CLIPBOARD, TEXT]), this.#copied);
    else if (type === AGENT_MESSAGES.clipboard) {
      this.pasted = Buffer.from(body.subarray(8));
      this.pastes += 1;
    }
  }
}

function framed(type: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16LE(type, 0);
  head.writeUInt32LE(body.length, 2);
  return Buffer.concat([head, body]);
}
