import { KvmfrError } from '../../protocol/error.ts';
import type { Report } from './core/messages.ts';
import type { PicturePixels } from './core/render/surface.ts';
import { errorCode } from './events.ts';

/** What the engine can be asked for. */
export type Answer = PicturePixels | Blob;

interface Question {
  resolve(answer: Answer): void;
  reject(error: KvmfrError): void;
}

/** Questions to the engine that wait for their answers. */
export class Questions {
  readonly #waiting = new Map<number, Question>();
  #asked = 0;

  /** Asks; `send` hands over the command that carries the question's number. */
  ask(send: (ask: number) => void): Promise<Answer> {
    const ask = ++this.#asked;
    // An engine beside this code answers before `send` returns.
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(ask, { resolve, reject });
    });
    send(ask);
    return answer;
  }

  /** Takes an answer. */
  answer(
    report: Exclude<Extract<Report, { readonly ask: number }>, { kind: 'clipboardContents' }>,
  ): void {
    const question = this.#waiting.get(report.ask);
    this.#waiting.delete(report.ask);
    if (report.kind === 'snapshot') question?.resolve(report.png);
    else if (report.kind === 'pixels') question?.resolve(report);
    else question?.reject(new KvmfrError(errorCode(report.code), report.message));
  }

  /** Answers everybody that there is no picture. */
  refuse(): void {
    for (const question of this.#waiting.values()) question.reject(noPicture());
    this.#waiting.clear();
  }
}

/** The error for who asks before there is a picture. */
export function noPicture(): KvmfrError {
  return new KvmfrError('ERR_KVMFR_IMAGE', 'a picture was asked for, but there is none yet');
}
