/* Plays a square wave: tone HZ SECONDS. 48 kHz, stereo, 16 bits, samples of 8000 and -8000. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/soundcard.h>
#include <unistd.h>

enum { RATE = 48000, BLOCK = 480, LEVEL = 8000 };

int main(int count, char **words) {
  static short samples[2 * BLOCK];
  int format = AFMT_S16_LE, channels = 2, rate = RATE;
  if (count != 3) return 2;
  const int half = RATE / (2 * atoi(words[1]));
  const int total = RATE * atoi(words[2]);
  int fd = open("/dev/dsp", O_WRONLY);
  if (fd < 0) return 1;
  if (ioctl(fd, SNDCTL_DSP_SETFMT, &format) < 0 || format != AFMT_S16_LE) return 1;
  if (ioctl(fd, SNDCTL_DSP_CHANNELS, &channels) < 0 || channels != 2) return 1;
  if (ioctl(fd, SNDCTL_DSP_SPEED, &rate) < 0 || rate != RATE) return 1;
  for (int at = 0; at < total; at += BLOCK) {
    for (int i = 0; i < BLOCK; i++)
      samples[2 * i] = samples[2 * i + 1] = ((at + i) / half) % 2 == 0 ? LEVEL : -LEVEL;
    if (write(fd, samples, sizeof(samples)) != sizeof(samples)) return 1;
  }
  return 0;
}
