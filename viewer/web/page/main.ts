import {
  defineKvmfrView,
  type Encoding,
  type EncodingChoice,
  KvmfrView,
  type ScaleMode,
} from '../index.ts';
import { PageClipboard } from './clipboard.ts';
import { find } from './find.ts';
import { Hands } from './hands.ts';
import { guestParticulars, obstacleText, snapshotName } from './info.ts';
import { mayAct } from './keyboard-focus.ts';
import { StatisticsOverlay } from './overlay.ts';
import { Panels } from './panels.ts';
import { remember, remembered } from './settings.ts';
import { PageSound } from './sound.ts';
import { SourceChip, sourceText } from './source-chip.ts';
import { roveFocus, watchIdle } from './toolbar.ts';

const TOAST_MS = 2600;
const LONG_TOAST_MS = 9000;

defineKvmfrView();
const view = find('#view', KvmfrView);
const bar = find('#bar', HTMLElement);
const sheet = find('#sheet', HTMLElement);
const guest = find('#guest', HTMLElement);
const overlay = new StatisticsOverlay(view, find('#stats', HTMLElement));
const toast = find('#toast', HTMLElement);
const viewOnlyMark = find('#view-only', HTMLElement);
const rotateButton = find('#rotate', HTMLButtonElement);
const snapshotButton = find('#snapshot', HTMLButtonElement);
const statsButton = find('#statistics', HTMLButtonElement);
const panels = new Panels(bar);
const sourceChip = new SourceChip(find('#source', HTMLElement));
const fullscreenButton = find('#fullscreen', HTMLButtonElement);

let toastTimer: ReturnType<typeof setTimeout> | undefined;
let toldInsecure = false;
let showStats = remembered('statistics') === 'on';

function say(text: string, forMs: number = TOAST_MS): void {
  toast.textContent = text;
  toast.classList.add('shown');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove('shown'), forMs);
}

// The relay could send video, but the way the page came keeps the browser from decoding it.
function tellInsecure(): void {
  if (toldInsecure || view.obstacle('video') !== 'insecure') return;
  toldInsecure = true;
  say(`No video on this page. ${obstacleText('insecure')}`, LONG_TOAST_MS);
}

function setScale(scale: ScaleMode): void {
  view.scale = scale;
  for (const button of bar.querySelectorAll<HTMLElement>('[data-scale]'))
    button.setAttribute('aria-pressed', String(button.dataset['scale'] === scale));
}

function watchScale(): void {
  for (const button of bar.querySelectorAll<HTMLElement>('[data-scale]'))
    button.addEventListener('click', () => {
      view.setAttribute('scale', button.dataset['scale'] ?? 'fit');
      setScale(view.scale);
      remember('scale', view.scale);
    });
  view.setAttribute('scale', remembered('scale') ?? 'fit');
  setScale(view.scale);
}

function setEncoding(encoding: EncodingChoice): void {
  view.encoding = encoding;
  for (const input of sheet.querySelectorAll<HTMLInputElement>('input[name="encoding"]'))
    input.checked = input.value === encoding;
}

function isEncoding(value: string): value is Encoding {
  return value === 'lossless' || value === 'video' || value === 'jpeg';
}

// What cannot be chosen says why, and what to do about it.
function updateEncodings(): void {
  for (const input of sheet.querySelectorAll<HTMLInputElement>('input[name="encoding"]')) {
    const obstacle = isEncoding(input.value) ? view.obstacle(input.value) : undefined;
    input.disabled = obstacle !== undefined;
    const note = input.parentElement?.querySelector('small');
    if (note == null) continue;
    note.dataset['plain'] ??= note.textContent;
    note.textContent = obstacle === undefined ? note.dataset['plain'] : obstacleText(obstacle);
  }
}

function watchEncoding(): void {
  sheet.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    view.setAttribute('encoding', target.value);
    remember('encoding', view.encoding);
  });
  view.setAttribute('encoding', remembered('encoding') ?? 'auto');
  setEncoding(view.encoding);
}

async function saveSnapshot(): Promise<void> {
  const png = await view.snapshot();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(png);
  link.download = snapshotName(new Date());
  link.click();
  // The browser reads the file after this task.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  say(`Saved ${link.download}`);
}

function watchSnapshot(): void {
  snapshotButton.addEventListener('click', () => {
    saveSnapshot().catch((error: unknown) => {
      say(error instanceof Error ? error.message : 'The snapshot could not be made');
    });
  });
}

function updateStats(): void {
  overlay.shown = showStats && view.state === 'showing';
}

function watchStats(): void {
  statsButton.setAttribute('aria-pressed', String(showStats));
  statsButton.addEventListener('click', () => {
    showStats = !showStats;
    statsButton.setAttribute('aria-pressed', String(showStats));
    remember('statistics', showStats ? 'on' : 'off');
    updateStats();
  });
}

function updateGuest(): void {
  const lines = guestParticulars(view.status, view.picture);
  if (lines.length === 0) {
    const none = document.createElement('dd');
    none.className = 'none';
    none.textContent = 'Nothing is known about the guest yet.';
    guest.replaceChildren(none);
    return;
  }
  guest.replaceChildren(
    ...lines.flatMap(([name, value]) => {
      const term = document.createElement('dt');
      term.textContent = name;
      const text = document.createElement('dd');
      text.textContent = value;
      return [term, text];
    }),
  );
}

function watchFullscreen(): void {
  // A phone may have no full screen for pages.
  fullscreenButton.hidden = !document.fullscreenEnabled;
  fullscreenButton.addEventListener('click', () => {
    const done =
      document.fullscreenElement === null
        ? document.documentElement.requestFullscreen()
        : document.exitFullscreen();
    done.catch(() => say('The browser refused full screen'));
  });
  document.addEventListener('fullscreenchange', () => {
    const full = document.fullscreenElement !== null;
    fullscreenButton.setAttribute('aria-pressed', String(full));
    hands.update();
  });
}

function updateState(): void {
  const { state, session } = view.status;
  view.dataset['state'] = state;
  sourceChip.update(view.status);
  snapshotButton.disabled = view.picture === undefined;
  const name = session?.os ?? sourceText(view.status);
  document.title = name === '' ? 'kvmfr' : `${name} · kvmfr`;
  updateGuest();
  updateEncodings();
  updateStats();
  tellInsecure();
}

function updateHands(): void {
  clipboard.update();
  viewOnlyMark.hidden = view.viewOnly !== true;
  hands.update();
}

rotateButton.addEventListener('click', () => {
  view.rotation = (view.rotation + 90) % 360;
});
watchScale();
watchEncoding();
watchSnapshot();
watchStats();
panels.add(sheet, {
  button: find('#details', HTMLButtonElement),
  opening: updateEncodings,
});
watchFullscreen();
view.addEventListener('statechange', updateState);
view.addEventListener('picture', updateState);
updateState();
const canHover = matchMedia('(hover: hover)');
const wake = watchIdle({
  busy: () => {
    const focused = document.activeElement;
    const byKeyboard = bar.contains(focused) && focused?.matches(':focus-visible') === true;
    // A touch leaves the button under it hovered.
    const byPointer = canHover.matches && bar.matches(':hover');
    return byKeyboard || byPointer || panels.isOpen;
  },
  isForGuest: ({ target }) => target === view && mayAct(view),
});
const clipboard = new PageClipboard(view, { panels, say });
new PageSound(view, panels);
const hands = new Hands(view, { bar, panels, say, escaped: wake });
view.addEventListener('inputchange', updateHands);
updateHands();
roveFocus(bar);
