/* Records a mono sound of 48 kHz, and tells "@hear VALUE" for each other sample than the one before. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/soundcard.h>
#include <unistd.h>

int main(void) {
  static short samples[480];
  int format = AFMT_S16_LE, channels = 1, rate = 48000;
  short last = 0;
  char line[32];
  int fd = open("/dev/dsp", O_RDONLY);
  if (fd < 0) return 1;
  if (ioctl(fd, SNDCTL_DSP_SETFMT, &format) < 0 || format != AFMT_S16_LE) return 1;
  if (ioctl(fd, SNDCTL_DSP_CHANNELS, &channels) < 0 || channels != 1) return 1;
  if (ioctl(fd, SNDCTL_DSP_SPEED, &rate) < 0 || rate != 48000) return 1;
  for (;;) {
    ssize_t got = read(fd, samples, sizeof(samples));
    if (got <= 0) return 1;
    for (ssize_t i = 0; i < got / 2; i++) {
      if (samples[i] == last) continue;
      last = samples[i];
      int size = snprintf(line, sizeof(line), "@hear %d\n", last);
      if (write(STDOUT_FILENO, line, (size_t)size) != size) return 1;
    }
  }
}
