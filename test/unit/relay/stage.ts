import { encodePing } from '../../../protocol/wire/index.ts';
import {
  createViewer,
  type Listening,
  listen,
  type Viewer,
  type ViewerOptions,
} from '../../../viewer/relay/index.ts';
import { eventually } from '../../support/eventually.ts';
import { Screen } from '../tiles/guest.ts';
import { FakeGuest } from './fake-guest.ts';
import { TestViewer, type TestViewerOptions } from './test-viewer.ts';

/** A ping: what comes before its answer has been sent before it. */
export const PING: Uint8Array = encodePing(1);

/** A relay on a guest that does what the test says. */
export class Stage implements AsyncDisposable {
  readonly guest: FakeGuest;
  readonly relay: Viewer;
  readonly door: Listening;
  readonly viewers: TestViewer[] = [];

  private constructor(guest: FakeGuest, relay: Viewer, door: Listening) {
    this.guest = guest;
    this.relay = relay;
    this.door = door;
  }

  static async open(options: Partial<ViewerOptions> = {}): Promise<Stage> {
    const guest = new FakeGuest();
    const relay = createViewer({
      source: guest,
      token: 'secret',
      idleGraceMs: 0,
      ...options,
    });
    const stage = new Stage(guest, relay, await listen(relay, { host: '127.0.0.1', port: 0 }));
    stages.push(stage);
    return stage;
  }

  get url(): string {
    return `${this.door.url.replace('http:', 'ws:')}ws?token=secret`;
  }

  join(options: TestViewerOptions = {}): TestViewer {
    const viewer = new TestViewer(this.url, options);
    this.viewers.push(viewer);
    return viewer;
  }

  /** Publishes a whole frame and waits until the relay has taken it. */
  async show(screen: Screen): Promise<void> {
    const frame = screen.frame();
    this.guest.publish(frame);
    await eventually(() => frame.released);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const viewer of this.viewers) viewer.socket.terminate();
    await this.relay.close();
    await this.door.close();
  }
}

const stages: Stage[] = [];

/** Closes all that {@link Stage.open} has opened. */
export async function closeStages(): Promise<void> {
  for (const stage of stages.splice(0)) await stage[Symbol.asyncDispose]();
}

/** A screen full of noise that this seed gives. */
export function noisy(seed: number, widthPx = 320, heightPx = 200): Screen {
  const screen = new Screen(widthPx, heightPx);
  screen.noise(seed);
  return screen;
}
