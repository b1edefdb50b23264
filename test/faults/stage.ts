import { readdirSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { onTestFinished } from 'vitest';
import { belongingsOf } from '../../bench/soak/watch.ts';
import type { HostOptions } from '../../host/index.ts';
import { GuestProcess, temporaryPath } from '../integration/client-guest.ts';
import type { TestBrowser, ViewPage } from '../support/chromium.ts';
import { RunningCommand } from '../support/command.ts';
import { freePort } from '../support/free-port.ts';
import { noisy } from '../unit/relay/stage.ts';
import { TestViewer, type TestViewerOptions } from '../unit/relay/test-viewer.ts';
import type { Screen } from '../unit/tiles/guest.ts';

const TOKEN = 'fault-viewers';

/** What a relay holds that could be left behind. */
export interface Held {
  /** All but sockets. */
  readonly descriptors: number;
  readonly threads: number;
  readonly children: number;
}

/** How often is looked at what is held before the least of it is taken for what is kept. */
const LOOKS = 5;

/** Guest, relay and page as people have them: three processes and a browser. */
export class FaultStage {
  readonly region: string;
  readonly #port: number;
  relay: RunningCommand;
  guest: GuestProcess;
  /** What the guest has published last. */
  screen: Screen | undefined;
  /** Sockets of the relay before anybody came: those that it listens and prints on. */
  #quietSockets = 0;

  private constructor(
    region: string,
    port: number,
    parts: { readonly relay: RunningCommand; readonly guest: GuestProcess },
  ) {
    this.region = region;
    this.#port = port;
    this.relay = parts.relay;
    this.guest = parts.guest;
  }

  /** Starts guest and relay; they are gone after the test. */
  static async open(options: HostOptions = {}): Promise<FaultStage> {
    const region = temporaryPath();
    const guest = await GuestProcess.start(region, { regionMib: 16, ...options });
    const port = await freePort();
    const stage = new FaultStage(region, port, { guest, relay: startRelay(region, port) });
    onTestFinished(async () => await stage.relay[Symbol.asyncDispose]());
    await stage.#listens();
    return stage;
  }

  /** Where the page is. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/?token=${TOKEN}`;
  }

  /** A viewer beside the page. */
  join(options: TestViewerOptions = {}): TestViewer {
    const url = `ws://127.0.0.1:${this.#port}/ws?token=${TOKEN}`;
    const viewer = new TestViewer(url, options);
    onTestFinished(() => viewer.socket.terminate());
    return viewer;
  }

  /** Another guest starts in the same memory. */
  async restartGuest(options: HostOptions = {}): Promise<void> {
    await this.guest.kill();
    this.guest = await GuestProcess.start(this.region, { regionMib: 16, ...options });
  }

  /** The relay ends as by a crash. */
  async killRelay(): Promise<void> {
    this.relay.kill('SIGKILL');
    await this.relay.done;
  }

  /** A relay where the other one was. */
  async restartRelay(): Promise<void> {
    this.relay = startRelay(this.region, this.#port);
    await this.#listens();
  }

  /** The guest shows another picture, as soon as it has a slot for it. */
  async publish(seed: number, widthPx = 320, heightPx = 200): Promise<Screen> {
    const screen = noisy(seed, widthPx, heightPx);
    const { pixels, format, pitchBytes } = screen.frame();
    while (!(await this.guest.publish({ pixels, format, pitchBytes, widthPx, heightPx })));
    this.screen = screen;
    return screen;
  }

  /** What the relay holds now. */
  get held(): Held {
    const found = belongingsOf(this.relay.pid);
    if (found === undefined) throw new Error('the relay is gone');
    const { threads, children } = found;
    // One list for both kinds: a socket that closes between two lists would be taken for a file.
    const { files } = descriptorsOf(this.relay.pid);
    return { descriptors: files, threads, children };
  }

  /** Places in the guest's queues that are taken. */
  async watchers(): Promise<number> {
    return (await this.guest.facts()).watchers;
  }

  /** Its counter of this name. */
  async metric(name: string): Promise<number> {
    const url = `http://127.0.0.1:${this.#port}/metrics?token=${TOKEN}`;
    const answer = await fetch(url, { headers: { connection: 'close' } });
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())?.[1]);
  }

  /** Waits until nobody is attached, the guest is not watched, and no encoder runs. */
  async deserted(): Promise<Held> {
    while (
      (await this.metric('kvmfr_viewers')) > 0 ||
      (await this.metric('kvmfr_watching')) > 0 ||
      (await this.watchers()) > 0 ||
      this.held.children > 0
    );
    let least = this.held;
    // What the relay opens for a moment, to look at its region or at itself, is not kept.
    for (let look = 1; look < LOOKS; look++) {
      await this.metric('kvmfr_viewers');
      least = leastOf(least, this.held);
    }
    return least;
  }

  /** Waits until every socket is closed; those that a browser keeps for later take some seconds. */
  async socketsClosed(): Promise<void> {
    while (socketsOf(this.relay.pid) > this.#quietSockets) await this.guest.facts();
  }

  async #listens(): Promise<void> {
    await this.relay.firstLine();
    this.#quietSockets = socketsOf(this.relay.pid);
  }
}

function leastOf(one: Held, other: Held): Held {
  return {
    descriptors: Math.min(one.descriptors, other.descriptors),
    threads: Math.min(one.threads, other.threads),
    children: Math.min(one.children, other.children),
  };
}

function socketsOf(pid: number): number {
  return descriptorsOf(pid).sockets;
}

/** What a process has open, as it stood in one list. */
function descriptorsOf(pid: number): { readonly files: number; readonly sockets: number } {
  const folder = `/proc/${pid}/fd`;
  let files = 0;
  let sockets = 0;
  for (const fd of readdirSync(folder)) {
    try {
      if (readlinkSync(`${folder}/${fd}`).startsWith('socket:')) sockets++;
      else files++;
    } catch {
      // Closed since the list was made.
    }
  }
  return { files, sockets };
}

function startRelay(region: string, port: number): RunningCommand {
  const args = ['view', region, '--listen', `127.0.0.1:${port}`, '--token', TOKEN];
  return new RunningCommand(args, { XDG_STATE_HOME: dirname(region) });
}

/** A page that is never loaded again, and what it shows. */
export class WatchedPage {
  readonly view: ViewPage;

  private constructor(view: ViewPage) {
    this.view = view;
  }

  static async open(browser: TestBrowser, url: string): Promise<WatchedPage> {
    const view = await browser.open(url);
    onTestFinished(() => view.page.close());
    await view.page.evaluate('window.sameDocument = true');
    return new WatchedPage(view);
  }

  /** Waits until the canvas holds this picture to the last pixel, in the document of the beginning. */
  async shows({ widthPx, heightPx, rgb }: Screen): Promise<void> {
    await this.view.hasPicture({ widthPx, heightPx });
    await this.view.pixelsOnce((found) => {
      if (found.widthPx !== widthPx || found.heightPx !== heightPx) return false;
      for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3)
        if (
          found.rgba[from] !== rgb[to] ||
          found.rgba[from + 1] !== rgb[to + 1] ||
          found.rgba[from + 2] !== rgb[to + 2]
        )
          return false;
      return true;
    });
    if ((await this.view.page.evaluate('window.sameDocument')) !== true)
      throw new Error('the page was loaded again');
  }

  /** Waits for a state of the view. */
  async inState(state: string): Promise<void> {
    await this.view.inState(state);
  }
}
