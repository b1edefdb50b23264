import type { ClipboardContents } from '../core/messages.ts';

const TEXT = 'text/plain';
const PNG = 'image/png';

/** Text as it travels: lines end in LF, and half characters are none. */
export function textBlob(text: string): Blob {
  return new Blob([text.replaceAll('\r\n', '\n')], { type: TEXT });
}

/** Whether this browser lets the page read its clipboard without asking a person first. */
export async function mayReadBrowser(): Promise<boolean> {
  if (typeof navigator.clipboard?.read !== 'function') return false;
  const query: unknown = Reflect.get(navigator.permissions ?? {}, 'query');
  if (typeof query !== 'function') return false;
  try {
    // Not all browsers know of this one; those that do not refuse it.
    const status: unknown = await Reflect.apply(query, navigator.permissions, [
      { name: 'clipboard-read' },
    ]);
    return (
      typeof status === 'object' && status !== null && Reflect.get(status, 'state') === 'granted'
    );
  } catch {
    return false;
  }
}

/** What is in the browser's clipboard; undefined when it is nothing that travels, or refused. */
export async function readBrowser(): Promise<ClipboardContents | undefined> {
  try {
    for (const item of await navigator.clipboard.read()) {
      if (item.types.includes(TEXT)) return { text: await normal(await item.getType(TEXT)) };
      if (item.types.includes(PNG)) return { png: await item.getType(PNG) };
    }
  } catch {
    // The page has lost the focus, or a person has said no.
  }
  return undefined;
}

/** What is being pasted; undefined when it is nothing that travels. */
export function contentsOf(data: DataTransfer | null): ClipboardContents | undefined {
  if (data === null) return undefined;
  const text = data.getData(TEXT);
  if (text !== '') return { text: textBlob(text) };
  const file = [...data.files].find(({ type }) => type === PNG);
  return file === undefined ? undefined : { png: file };
}

/**
 * Puts something into the browser's clipboard as soon as it is there.
 *
 * @returns whether the browser allowed it
 */
export async function writeBrowser(
  kind: 'text' | 'png',
  contents: Promise<Blob>,
): Promise<boolean> {
  // Asked for before the contents are there: some browsers allow it in the moment of a click only.
  const type = kind === 'text' ? TEXT : PNG;
  try {
    await navigator.clipboard.write([new ClipboardItem({ [type]: contents })]);
    return true;
  } catch {
    const blob = await contents;
    return kind === 'text' && copyText(await blob.text());
  }
}

/** Copies text in the old way, which needs a click and no secure page. */
export function copyText(text: string): boolean {
  const focused = document.activeElement;
  const field = document.createElement('textarea');
  field.value = '.';
  field.style.cssText = 'position:fixed;opacity:0;pointer-events:none';
  document.body.append(field);
  let wasAsked = false;
  const give = (event: ClipboardEvent): void => {
    event.clipboardData?.setData(TEXT, text);
    event.preventDefault();
    event.stopImmediatePropagation();
    wasAsked = true;
  };
  document.addEventListener('copy', give, { capture: true });
  try {
    field.select();
    return document.execCommand('copy') && wasAsked;
  } finally {
    document.removeEventListener('copy', give, { capture: true });
    field.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }
}

async function normal(blob: Blob): Promise<Blob> {
  return textBlob(await blob.text());
}
