import { keyOfCode } from '../../../protocol/keys.ts';
import { encodeInput, type InputEvent } from '../../../protocol/wire/index.ts';
import { PING, type Stage } from './stage.ts';
import type { TestViewer } from './test-viewer.ts';

/** A key goes down or up. */
export function key(code: string, down: boolean): InputEvent {
  const found = keyOfCode(code);
  if (found === undefined) throw new Error(`there must be a key ${code}`);
  return { kind: 'key', key: found, down };
}

/** A viewer that has been let in, and told how it stands. */
export async function join(stage: Stage): Promise<TestViewer> {
  const viewer = stage.join();
  await viewer.until(() => viewer.hello !== undefined);
  await viewer.settle(PING);
  return viewer;
}

/** A viewer does something to the guest. */
export function act(viewer: TestViewer, ...events: readonly InputEvent[]): void {
  viewer.send(encodeInput({ atMs: undefined, events }));
}
