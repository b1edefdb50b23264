/** What browsers offer that can leave the system's keys to a page. */
interface LockableKeyboard {
  readonly lock: () => Promise<void>;
  readonly unlock: () => void;
}

function isLockable(keyboard: unknown): keyboard is LockableKeyboard {
  return (
    typeof keyboard === 'object' &&
    keyboard !== null &&
    typeof Reflect.get(keyboard, 'lock') === 'function' &&
    typeof Reflect.get(keyboard, 'unlock') === 'function'
  );
}

/** Has Alt+Tab, the Super key and Escape go to the page while it fills the screen, where browsers can. */
export class KeyboardLock {
  #held = false;

  /** Asks for the lock, or gives it back. */
  set wanted(wanted: boolean) {
    if (wanted === this.#held) return;
    const keyboard: unknown = Reflect.get(navigator, 'keyboard');
    if (!isLockable(keyboard)) return;
    this.#held = wanted;
    if (!wanted) {
      keyboard.unlock();
      return;
    }
    // A browser that refuses leaves those keys to the system; all others work.
    keyboard.lock().catch(() => {
      this.#held = false;
    });
  }
}
