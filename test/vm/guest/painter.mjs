// Draws on an X server of the guest: painter.mjs DISPLAY. A window goes over the screen, and gets a pointer
// of its own. Then it tells what the server has on its screen, as "@painted SUM", SUM over R, G, B.
import { createHash } from 'node:crypto';
import { XConnection } from '../../../dist/host/x11/connection.js';
import { parseDisplay } from '../../../dist/host/x11/display.js';
import { pair, request } from '../../../dist/host/x11/wire.js';

const WIDTH = 120;
const HEIGHT = 80;

const connection = await XConnection.open(parseDisplay(process.argv[2]));
const { root } = connection.setup.screens[0];
const done = () => connection.check(request(127, 0));

const [window, gc, pixmap, bits, cursor] = Array.from({ length: 5 }, () => connection.newId());
connection.send(request(55, 0, gc, root, 0x8000, 1));
for (let i = 0; i < 32; i++) {
  connection.send(request(56, 0, gc, 0x4, Math.imul(i + 1, 0x9e3779) & 0xffffff));
  connection.send(request(70, 0, root, gc, pair(i * 20, i * 11), pair(300, 100)));
}
const values = [0x2 | 0x200, 0x3366cc, 1];
connection.send(
  request(1, 0, window, root, pair(0, 40), pair(WIDTH, HEIGHT), pair(0, 1), 0, ...values),
);
connection.send(request(8, 0, window));
connection.send(request(53, 1, pixmap, root, pair(13, 9)));
connection.send(request(55, 0, bits, pixmap, 0x4, 1));
connection.send(request(70, 0, pixmap, bits, 0, pair(13, 9)));
const colors = [pair(65535, 0), pair(0, 0), 0];
connection.send(request(93, 0, cursor, pixmap, pixmap, ...colors, pair(6, 4)));
connection.send(request(2, 0, window, 0x4000, cursor));
for (let x = 0; x <= 200; x += 4) {
  connection.send(request(12, 0, window, pair(0x1, 0), x));
  await done();
}
connection.send(request(41, 0, 0, root, 0, 0, pair(250, 70)));
await done();

const size = await connection.ask(request(14, 0, root));
const [widthPx, heightPx] = [size.readUInt16LE(16), size.readUInt16LE(18)];
const whole = request(73, 2, root, 0, pair(widthPx, heightPx), 0xffffffff);
const picture = await connection.ask(whole, widthPx * heightPx * 4);
const sum = createHash('sha256');
for (let at = 32; at < picture.length; at += 4)
  sum.update(Buffer.of(picture[at + 2], picture[at + 1], picture[at]));
process.stdout.write(`@painted ${sum.digest('hex')}\n`);
// The window is there as long as we are. A corner is copied onto itself: nothing is different then, but it is
// told again, for a reader that was kept from reading when it was told first.
setInterval(() => {
  connection.send(request(62, 0, root, root, gc, pair(0, 0), pair(0, 0), pair(8, 8)));
}, 1000);
