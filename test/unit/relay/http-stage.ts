import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { WebSocket } from 'ws';
import {
  createViewer,
  type Listening,
  type ListenOptions,
  listen,
  type Viewer,
  type ViewerOptions,
} from '../../../viewer/relay/index.ts';
import { FakeGuest } from './fake-guest.ts';

/** A token that needs to be written differently in an address. */
export const TOKEN: string = 'a token with spaces & ?=';

/** What a server has answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a server is asked. */
export interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
  /** The address of ours to come from; all of 127.0.0.0/8 is. */
  readonly from?: string;
}

/** A relay whose HTTP face is asked. */
export class HttpStage {
  readonly guest: FakeGuest = new FakeGuest();
  readonly relay: Viewer;
  door: Listening | undefined;

  constructor(options: Partial<ViewerOptions>) {
    const token = options.password === undefined ? { token: TOKEN } : {};
    this.relay = createViewer({ source: this.guest, ...token, idleGraceMs: 0, ...options });
    stages.push(this);
  }

  get port(): number {
    return this.door?.port ?? 0;
  }

  async listen(options: Partial<ListenOptions> = {}): Promise<this> {
    this.door = await listen(this.relay, { host: '127.0.0.1', port: 0, ...options });
    return this;
  }

  async ask(question: Question = {}): Promise<Answer> {
    return await answerOf({ ...question, port: this.port });
  }

  /** Asks with the token in a header. */
  async askIn(path: string, headers: Question['headers'] = {}): Promise<Answer> {
    const query = new URLSearchParams({ token: TOKEN });
    return await this.ask({ path: `${path}?${query}`, headers });
  }

  /** How an upgrade ends: 101, or the status that refused it. */
  async upgrade(path: string, options: { readonly [name: string]: string } = {}): Promise<number> {
    const { protocol = 'kvmfr.1', from, ...headers } = options;
    const socket = new WebSocket(
      `ws://127.0.0.1:${this.port}${path}`,
      protocol === '' ? [] : [protocol],
      { headers, ...(from === undefined ? {} : { localAddress: from }) },
    );
    socket.on('error', () => {});
    return await new Promise((resolve) => {
      socket.once('open', () => {
        resolve(101);
        socket.terminate();
      });
      socket.once('unexpected-response', (_, res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
        socket.terminate();
      });
    });
  }
}

/** Asks a server on loopback. */
export async function answerOf(
  question: Question & { readonly port: number; readonly tls?: boolean },
): Promise<Answer> {
  const { path = '/', method = 'GET', headers = {}, port } = question;
  const from = question.from === undefined ? {} : { localAddress: question.from };
  const to = { host: '127.0.0.1', port, path, ...from };
  const options = { ...to, method, headers: { ...headers }, agent: false };
  const req = question.tls
    ? tlsRequest({ ...options, rejectUnauthorized: false })
    : request(options);
  req.end(question.body);
  const [res] = await once(req, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  return { status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) };
}

const stages: HttpStage[] = [];

/** Closes all that was opened. */
export async function closeHttpStages(): Promise<void> {
  for (const stage of stages.splice(0)) {
    await stage.relay.close();
    await stage.door?.close();
  }
}

/** The query that carries the token. */
export const QUERY: string = `?${new URLSearchParams({ token: TOKEN })}`;

/** The cookie that the page's address gives. */
export async function cookieOf(stage: HttpStage): Promise<string> {
  const { headers } = await stage.ask({ path: `/${QUERY}` });
  return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}
