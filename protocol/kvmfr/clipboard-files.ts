import type { ClipboardBody } from './clipboard-record.ts';

/** The answer to who wants files of a clipboard: they do not travel. */
export function refuseFiles(
  wish: 'fileAcquire' | 'fileRequest',
  { content, transfer }: { readonly content: bigint; readonly transfer: bigint },
): ClipboardBody {
  const kind = wish === 'fileAcquire' ? 'fileAcquired' : 'fileCancel';
  return { kind, content, transfer, error: 'notSupported' };
}
