import type { KvmfrError } from '../../protocol/index.ts';
import { XConnection } from './connection.ts';
import type { DisplayName } from './display.ts';
import { XHands } from './hands.ts';
import { XPointer } from './pointer.ts';
import { XScreen } from './screen.ts';
import { request, type XExtension } from './wire.ts';

const FIXES_QUERY_VERSION = 0;
const SHM_QUERY_VERSION = 0;

/** What an X server is used by: one life of a connection with it, and what was found there. */
export class XDesk {
  readonly screen: XScreen;
  readonly pointer: XPointer;
  /** Undefined where the server has no XTEST. */
  readonly hands: XHands | undefined;
  /** What the server lacks, and what follows from that. */
  readonly notes: readonly string[];
  readonly #connection: XConnection;

  private constructor(
    connection: XConnection,
    parts: {
      readonly screen: XScreen;
      readonly pointer: XPointer;
      readonly hands: XHands | undefined;
      readonly notes: readonly string[];
    },
  ) {
    this.#connection = connection;
    this.screen = parts.screen;
    this.pointer = parts.pointer;
    this.hands = parts.hands;
    this.notes = parts.notes;
  }

  /**
   * Connects with a server and finds out what it can do. `without`: extensions that are not used, for
   * tests.
   *
   * @throws what {@link XConnection.open} and {@link XScreen.open} throw
   */
  static async open(name: DisplayName, without: readonly string[] = []): Promise<XDesk> {
    const connection = await XConnection.open(name);
    try {
      return await XDesk.#on(connection, without);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  static async #on(connection: XConnection, without: readonly string[]): Promise<XDesk> {
    const find = (name: string) =>
      without.includes(name) ? Promise.resolve(undefined) : connection.extension(name);
    const [shm, damage, fixes, test, input] = await Promise.all(
      ['MIT-SHM', 'DAMAGE', 'XFIXES', 'XTEST', 'XInputExtension'].map(find),
    );
    if (fixes !== undefined) await connection.ask(request(fixes.opcode, FIXES_QUERY_VERSION, 5, 0));
    if (shm !== undefined) await connection.ask(request(shm.opcode, SHM_QUERY_VERSION));
    const early: Uint8Array[] = [];
    connection.onEvent = (event) => early.push(Uint8Array.from(event));
    const screen = await XScreen.open(connection, { shm, damage, fixes });
    const pointer = new XPointer(connection, screen.root, { fixes, input });
    await pointer.follow();
    connection.onEvent = (event) => {
      screen.hear(event);
      pointer.hear(event);
    };
    for (const event of early) connection.onEvent(event);
    const hands = test === undefined ? undefined : new XHands(connection, screen.root, test);
    const notes = notesOf(connection, screen, { fixes, test });
    return new XDesk(connection, { screen, pointer, hands, notes });
  }

  /** Says once that the connection has ended. */
  set onEnd(listener: (reason: KvmfrError) => void) {
    this.#connection.onEnd = listener;
  }

  close(): void {
    this.hands?.letGo();
    this.#connection.close();
    this.screen.close();
  }
}

function notesOf(
  { name: { text } }: XConnection,
  screen: XScreen,
  extensions: { readonly fixes: XExtension | undefined; readonly test: XExtension | undefined },
): readonly string[] {
  const notes: string[] = [];
  if (!screen.isShared) notes.push(`${text} shares no memory (MIT-SHM): pixels come by its socket`);
  if (!screen.isTold)
    notes.push(`${text} does not say what changes (DAMAGE): all of it is read and compared`);
  if (extensions.fixes === undefined)
    notes.push(`${text} does not show its pointer (XFIXES): it has no shape`);
  if (extensions.test === undefined)
    notes.push(`${text} takes no input from programs (XTEST): its pointer cannot be moved`);
  return notes;
}
