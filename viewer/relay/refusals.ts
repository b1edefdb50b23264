import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { encodeBye } from '../../protocol/wire/index.ts';

/** How long who is turned away may take to close. */
const CLOSE_WAIT_MS = 500;

/** Answers a socket that is not let in. Says nothing about why a token did not do. */
export function refuse(socket: Duplex, status: string): void {
  const close = 'Connection: close\r\nContent-Length: 0\r\n\r\n';
  socket.end(`HTTP/1.1 ${status}\r\n${close}`, () => socket.destroy());
}

/** A browser cannot read why an upgrade was refused, so one too many is let in to be told. */
export function turnAway(socket: WebSocket, maxViewers: number): void {
  socket.on('error', () => socket.terminate());
  const message = `this relay has ${maxViewers} viewers, which is all it takes`;
  socket.send(encodeBye({ code: 'ERR_KVMFR_BUSY', message, retry: true }), () => {
    socket.close(1013, 'ERR_KVMFR_BUSY');
    // It was told; whoever does not close is not waited for.
    setTimeout(() => socket.terminate(), CLOSE_WAIT_MS).unref();
  });
}
