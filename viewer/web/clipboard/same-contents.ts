import type { ClipboardContents } from '../core/messages.ts';

/** Whether two contents are the same: texts by their characters, pictures by their pixels. */
export async function sameContents(a: ClipboardContents, b: ClipboardContents): Promise<boolean> {
  if (a.text !== undefined && b.text !== undefined)
    return a.text.size === b.text.size && (await a.text.text()) === (await b.text.text());
  if (a.text !== undefined || b.text !== undefined) return false;
  if (a.png === undefined || b.png === undefined) return a.png === b.png;
  return await samePicture(a.png, b.png);
}

/** Browsers write a picture that they were given anew, so that its bytes say nothing. */
async function samePicture(a: Blob, b: Blob): Promise<boolean> {
  const [one, other] = await Promise.all([pixelsOf(a), pixelsOf(b)]);
  if (one === undefined || other === undefined) return false;
  if (one.width !== other.width || one.height !== other.height) return false;
  return one.data.every((value, at) => value === other.data[at]);
}

async function pixelsOf(png: Blob): Promise<ImageData | undefined> {
  let bitmap: ImageBitmap | undefined;
  try {
    bitmap = await createImageBitmap(png);
    const { width, height } = bitmap;
    const pen = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    pen?.drawImage(bitmap, 0, 0);
    return pen?.getImageData(0, 0, width, height);
  } catch {
    return undefined;
  } finally {
    bitmap?.close();
  }
}
