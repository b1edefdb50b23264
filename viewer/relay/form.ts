import type { IncomingMessage } from 'node:http';

/** Longest body of a form: a password and its name, each byte written as three. */
export const MAX_FORM_BYTES: number = 4096;

/** Why a form was not read, as the status that says so. */
export type FormProblem = 413 | 415;

/**
 * Reads a form that a browser posts.
 *
 * @returns the fields; or the status to refuse it with, and then the connection has to be closed,
 *   because the rest of what was sent has not been read
 */
export async function readForm(req: IncomingMessage): Promise<URLSearchParams | FormProblem> {
  const type = `${req.headers['content-type'] ?? ''}`.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') return 415;
  if (Number(req.headers['content-length'] ?? 0) > MAX_FORM_BYTES) return 413;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  return await new Promise((resolve, reject) => {
    req.on('data', (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
      chunks.push(chunk);
      if (bytes <= MAX_FORM_BYTES) return;
      req.removeAllListeners('data');
      req.pause();
      resolve(413);
    });
    req.once('end', () => resolve(new URLSearchParams(Buffer.concat(chunks).toString('utf8'))));
    req.once('error', reject);
    req.once('close', () => reject(new Error('the request was broken off')));
  });
}
