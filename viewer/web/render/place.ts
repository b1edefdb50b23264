/** A place on the display. */
export interface PlaceSize {
  readonly placeWidthPx: number;
  readonly placeHeightPx: number;
  readonly devicePixelRatio: number;
}

/** Size of an element's inside without its scroll bars, in pixels of the display. */
export function placeSize(place: HTMLElement): PlaceSize {
  const dpr = window.devicePixelRatio;
  const { width, height } = place.getBoundingClientRect();
  return {
    placeWidthPx: Math.round(width * dpr),
    placeHeightPx: Math.round(height * dpr),
    devicePixelRatio: dpr,
  };
}

/** Calls back when an element's size, or the display's pixels, change. The answer ends it. */
export function watchPlace(place: HTMLElement, changed: () => void): () => void {
  const observer = new ResizeObserver(changed);
  try {
    // Tells of a moved or zoomed window, too, whose CSS size stays the same.
    observer.observe(place, { box: 'device-pixel-content-box' });
  } catch {
    observer.observe(place);
  }
  window.addEventListener('resize', changed);
  return () => {
    observer.disconnect();
    window.removeEventListener('resize', changed);
  };
}
