/** A choice that is remembered until the next visit; undefined when there is none. */
export function remembered(name: string): string | undefined {
  try {
    return localStorage.getItem(`kvmfr.${name}`) ?? undefined;
  } catch {
    // A browser may be set to keep nothing.
    return undefined;
  }
}

/** Remembers a choice, where the browser allows it. */
export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`kvmfr.${name}`, value);
  } catch {
    // Then it holds for this visit only.
  }
}
