const IDLE_MS = 2600;

/**
 * Makes a toolbar one stop for the Tab key, with the arrow keys to go about in it. Keys beyond
 * those are left to the buttons.
 */
export function roveFocus(bar: HTMLElement): void {
  const buttons = () =>
    [...bar.querySelectorAll('button')].filter((button) => !button.disabled && !button.hidden);
  const choose = (chosen: HTMLButtonElement) => {
    for (const button of bar.querySelectorAll('button'))
      button.tabIndex = button === chosen ? 0 : -1;
  };
  const first = buttons()[0];
  if (first !== undefined) choose(first);
  bar.addEventListener('focusin', ({ target }) => {
    if (target instanceof HTMLButtonElement) choose(target);
  });
  bar.addEventListener('keydown', (event) => {
    const all = buttons();
    const focused = document.activeElement;
    const at = focused instanceof HTMLButtonElement ? all.indexOf(focused) : -1;
    const next = nextIndex(event.key, at, all.length);
    const button = next === undefined ? undefined : all[next];
    if (button === undefined) return;
    event.preventDefault();
    button.focus();
  });
}

function nextIndex(key: string, at: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowRight':
    case 'ArrowDown':
      return (at + 1) % count;
    case 'ArrowLeft':
    case 'ArrowUp':
      return (at - 1 + count) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}

/** What decides about a toolbar's rest. */
export interface IdleOptions {
  /** Whether something is open or under the pointer that must stay in sight. */
  readonly busy: () => boolean;
  /** Whether somebody who does this works in the guest, and wants no toolbar. */
  readonly isForGuest: (event: Event) => boolean;
}

/**
 * Sets the class `idle` on the root element while nobody has moved, touched or typed for a while.
 *
 * @returns brings the toolbar into sight
 */
export function watchIdle({ busy, isForGuest }: IdleOptions): () => void {
  const root = document.documentElement;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = () => {
    if (busy()) wake();
    else root.classList.add('idle');
  };
  const wake = () => {
    root.classList.remove('idle');
    clearTimeout(timer);
    timer = setTimeout(rest, IDLE_MS);
  };
  const act = (event: Event) => {
    if (!isForGuest(event)) wake();
  };
  for (const type of ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const)
    document.addEventListener(type, act, { passive: true });
  wake();
  return wake;
}
