/*
 * Shows a pointer of 64 x 64 pixels with its hotspot at 3,5 and its corner at 100,50, by the kernel's
 * display interface, until it is killed. The pixel at x,y has red x, green y, blue 7.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIDE = 64, MAX_CRTCS = 16, CURSOR_BO = 1, CURSOR_MOVE = 2 };

/* The kernel's interface, of which not every machine has the headers. */
struct resources {
  uint64_t fbs, crtcs, connectors, encoders;
  uint32_t count_fbs, count_crtcs, count_connectors, count_encoders;
  uint32_t min_width, max_width, min_height, max_height;
};
struct dumb {
  uint32_t height, width, bpp, flags, handle, pitch;
  uint64_t size;
};
struct dumb_map {
  uint32_t handle, pad;
  uint64_t offset;
};
struct cursor {
  uint32_t flags, crtc;
  int32_t x, y;
  uint32_t width, height, handle;
  int32_t hot_x, hot_y;
};
#define GET_RESOURCES _IOWR('d', 0xa0, struct resources)
#define CREATE_DUMB _IOWR('d', 0xb2, struct dumb)
#define MAP_DUMB _IOWR('d', 0xb3, struct dumb_map)
#define SET_CURSOR _IOWR('d', 0xbb, struct cursor)

int main(void) {
  int card = open("/dev/dri/card0", O_RDWR);
  uint32_t crtcs[MAX_CRTCS] = {0};
  struct resources resources = {.crtcs = (uintptr_t)crtcs, .count_crtcs = MAX_CRTCS};
  struct dumb buffer = {.width = SIDE, .height = SIDE, .bpp = 32};
  if (card < 0 || ioctl(card, GET_RESOURCES, &resources) < 0) return 1;
  if (ioctl(card, CREATE_DUMB, &buffer) < 0) return 1;
  struct dumb_map map = {.handle = buffer.handle};
  if (ioctl(card, MAP_DUMB, &map) < 0) return 1;
  uint32_t *pixels =
      mmap(NULL, buffer.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, (off_t)map.offset);
  if (pixels == MAP_FAILED) return 1;
  for (uint32_t y = 0; y < SIDE; y++)
    for (uint32_t x = 0; x < SIDE; x++)
      pixels[y * buffer.pitch / 4 + x] = 0xff000000u | x << 16 | y << 8 | 7;
  struct cursor cursor = {.flags = CURSOR_BO | CURSOR_MOVE,
                          .crtc = crtcs[0],
                          .x = 100,
                          .y = 50,
                          .width = SIDE,
                          .height = SIDE,
                          .handle = buffer.handle,
                          .hot_x = 3,
                          .hot_y = 5};
  if (ioctl(card, SET_CURSOR, &cursor) < 0) return 1;
  for (;;) pause();
}
