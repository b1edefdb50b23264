/*
 * Records a mono sound of 48 kHz, and tells "@hear VALUE" for each other sample than the one before; with
 * a LEVEL, "@hear loud" when some sample of 10 ms is beyond it, and "@hear quiet" when none is any more.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/soundcard.h>
#include <unistd.h>

static int tell(const char *what) {
  char line[32];
  int size = snprintf(line, sizeof(line), "@hear %s\n", what);
  return write(STDOUT_FILENO, line, (size_t)size) == size;
}

static int is_beyond(const short *samples, ssize_t count, int level) {
  for (ssize_t i = 0; i < count; i++)
    if (abs(samples[i]) > level) return 1;
  return 0;
}

int main(int argc, char **argv) {
  static short samples[480];
  const int level = argc > 1 ? atoi(argv[1]) : 0;
  int loud = 0;
  int format = AFMT_S16_LE, channels = 1, rate = 48000;
  short last = 0;
  char value[8];
  int fd = open("/dev/dsp", O_RDONLY);
  if (fd < 0) return 1;
  if (ioctl(fd, SNDCTL_DSP_SETFMT, &format) < 0 || format != AFMT_S16_LE) return 1;
  if (ioctl(fd, SNDCTL_DSP_CHANNELS, &channels) < 0 || channels != 1) return 1;
  if (ioctl(fd, SNDCTL_DSP_SPEED, &rate) < 0 || rate != 48000) return 1;
  for (;;) {
    ssize_t got = read(fd, samples, sizeof(samples));
    if (got <= 0) return 1;
    if (level > 0) {
      const int now = is_beyond(samples, got / 2, level);
      if (now != loud && !tell(now ? "loud" : "quiet")) return 1;
      loud = now;
      continue;
    }
    for (ssize_t i = 0; i < got / 2; i++) {
      if (samples[i] == last) continue;
      last = samples[i];
      snprintf(value, sizeof(value), "%d", last);
      if (!tell(value)) return 1;
    }
  }
}
