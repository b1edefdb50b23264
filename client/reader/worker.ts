import { parentPort, workerData } from 'node:worker_threads';
import { Client } from '../client.ts';
import type { SessionInfo } from '../session.ts';
import { LocalReader } from './local.ts';
import { MailboxSender } from './mailbox.ts';
import {
  THREAD_COUNTS,
  type ThreadCommand,
  type ThreadNews,
  type ThreadStart,
  threadMemory,
} from './messages.ts';
import type { PictureUpdate } from './reader.ts';
import type { GuestCursor } from './source.ts';

/** The program of a reader's thread: reads a region, keeps the picture, and tells what is new. */
class ReaderThread {
  readonly #port: NonNullable<typeof parentPort>;
  readonly #client: Client;
  readonly #reader: LocalReader;
  readonly #counts: Float64Array;
  readonly #mailboxes: {
    readonly picture: MailboxSender<PictureUpdate>;
    readonly state: MailboxSender<LocalReader['state']>;
    readonly cursor: MailboxSender<GuestCursor>;
  };
  #session: SessionInfo | undefined;
  #shape: GuestCursor['shape'];
  #epoch = 0;
  #planes = false;
  #following: AbortController | undefined;
  #pointing: AbortController | undefined;

  constructor(port: NonNullable<typeof parentPort>, start: ThreadStart) {
    const { counts, mailboxes } = threadMemory(start.memory);
    this.#port = port;
    this.#counts = counts;
    this.#client = new Client(start.path, { assume: start.assume, looks: 'loop' });
    this.#reader = new LocalReader(this.#client, {
      after: start.after,
      mustShare: true,
      log: (line) => this.#say({ say: 'log', line }),
    });
    this.#mailboxes = {
      picture: new MailboxSender({
        words: mailboxes.picture,
        post: (update) => this.#tellPicture(update),
        merge: mergeUpdates,
      }),
      state: new MailboxSender({
        words: mailboxes.state,
        post: (state) => this.#say({ say: 'state', state }),
      }),
      cursor: new MailboxSender({
        words: mailboxes.cursor,
        post: (cursor) => this.#tellCursor(cursor),
      }),
    };
    port.on('message', (command: ThreadCommand) => this.#obey(command));
    run(this.#followStates());
  }

  #obey(command: ThreadCommand): void {
    const reader = this.#reader;
    switch (command.do) {
      case 'follow':
        this.#follow(command.maxFps);
        break;
      case 'rest':
        this.#following?.abort();
        this.#following = undefined;
        break;
      case 'point':
        this.#point();
        break;
      case 'rest-pointer':
        this.#pointing?.abort();
        this.#pointing = undefined;
        break;
      case 'i420':
        reader.setI420(command.on);
        this.#tellEpoch();
        break;
      case 'schedule':
        reader.schedule(
          command.periodNs === undefined ? undefined : { periodNs: command.periodNs },
        );
        break;
      case 'presented':
        reader.presented(command.deadline, command.waitedNs);
        break;
      case 'flush':
        this.#mailboxes[command.what].flush();
        break;
      case 'close':
        run(this.#close());
        break;
    }
  }

  async #followStates(): Promise<void> {
    for await (const state of this.#reader.states()) {
      this.#count();
      this.#tellSession();
      this.#mailboxes.state.put(state);
    }
  }

  #follow(maxFps: number | undefined): void {
    const before = this.#following;
    const following = new AbortController();
    const { signal } = following;
    this.#following = following;
    const pictures = this.#reader.pictures({ signal, maxFps });
    // After the new one has begun: so the queue is not left in between.
    before?.abort();
    run(
      (async () => {
        for await (const update of pictures) {
          this.#count();
          this.#tellSession();
          this.#mailboxes.picture.put(update);
        }
        if (!signal.aborted) this.#say({ say: 'ended' });
      })(),
    );
  }

  #point(): void {
    this.#pointing?.abort();
    const pointing = new AbortController();
    const { signal } = pointing;
    this.#pointing = pointing;
    run(
      (async () => {
        for await (const cursor of this.#reader.cursor({ signal }))
          this.#mailboxes.cursor.put(cursor);
      })(),
    );
  }

  #tellPicture(update: PictureUpdate): void {
    this.#tellEpoch();
    this.#say({ say: 'picture', update });
  }

  #tellEpoch(): void {
    const { picture } = this.#reader;
    const { epoch, geometry, grid, place } = picture;
    const planes = picture.planes !== undefined;
    if (epoch === this.#epoch && planes === this.#planes) return;
    if (geometry === undefined || place === undefined) return;
    this.#epoch = epoch;
    this.#planes = planes;
    const told = { memory: place, epoch, geometry, tilePx: grid.tilePx, planes };
    this.#say({ say: 'epoch', epoch: told });
  }

  #tellCursor({ visible, x, y, shape }: GuestCursor): void {
    const fresh = shape !== this.#shape;
    this.#shape = shape;
    this.#say({
      say: 'cursor',
      cursor: { visible, x, y },
      shape: fresh && shape !== undefined ? plainShape(shape) : undefined,
    });
  }

  #tellSession(): void {
    const { session } = this.#client;
    if (session === this.#session) return;
    this.#session = session;
    this.#say({ say: 'session', session });
  }

  #count(): void {
    const { outcomes } = this.#reader;
    const { sessions, framesSeen, framesSkipped, framesGivenUp } = this.#client.stats;
    const counts = { sessions, framesSeen, framesSkipped, framesGivenUp, ...outcomes };
    for (const [index, name] of THREAD_COUNTS.entries()) this.#counts[index] = counts[name];
  }

  #say(news: ThreadNews): void {
    this.#port.postMessage(news);
  }

  async #close(): Promise<void> {
    await this.#reader.close();
    await this.#client.close();
    // Nothing is left that keeps the thread alive.
    this.#port.close();
  }
}

/** The best of several outcomes is that of all of them; their times are those of the newest. */
function mergeUpdates(older: PictureUpdate, newer: PictureUpdate): PictureUpdate {
  if (older.outcome === 'changed' && newer.outcome !== 'changed')
    return { ...newer, outcome: 'changed', times: older.times, deadline: older.deadline };
  if (older.outcome === 'same' && newer.outcome === 'given-up')
    return { ...newer, outcome: 'same' };
  return newer;
}

/** What of a shape others need: a client's has more. */
function plainShape(shape: NonNullable<GuestCursor['shape']>): NonNullable<GuestCursor['shape']> {
  const { widthPx, heightPx, hotspotX, hotspotY, rgba } = shape;
  return { widthPx, heightPx, hotspotX, hotspotY, rgba };
}

/** What goes wrong here is an error of the thread, and ends it. */
function run(work: Promise<void>): void {
  work.catch((error: unknown) => {
    setImmediate(() => {
      throw error;
    });
  });
}

if (parentPort !== null) new ReaderThread(parentPort, workerData as ThreadStart);
