/* Tells every key, step and place that the guest gets in lines: "@input NAME TYPE CODE VALUE", NAME without spaces. */
#include <fcntl.h>
#include <glob.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MAX_DEVICES = 32 };

static void tell(const char *line, int size) {
  if (write(STDOUT_FILENO, line, (size_t)size) != size) _exit(1);
}

int main(void) {
  static struct pollfd polls[MAX_DEVICES];
  static char names[MAX_DEVICES][64];
  char line[160];
  glob_t found;
  nfds_t count = 0;
  if (glob("/dev/input/event*", 0, NULL, &found) != 0) return 1;
  for (size_t i = 0; i < found.gl_pathc && count < MAX_DEVICES; i++) {
    int fd = open(found.gl_pathv[i], O_RDONLY);
    if (fd < 0) continue;
    if (ioctl(fd, EVIOCGNAME(sizeof(names[0]) - 1), names[count]) < 0) strcpy(names[count], "?");
    for (char *at = names[count]; *at != 0; at++)
      if (*at == ' ') *at = '-';
    polls[count].fd = fd;
    polls[count].events = POLLIN;
    count++;
  }
  tell(line, snprintf(line, sizeof(line), "@input ready %d\n", (int)count));
  while (poll(polls, count, -1) > 0)
    for (nfds_t i = 0; i < count; i++) {
      struct input_event event;
      if ((polls[i].revents & POLLIN) == 0) continue;
      if (read(polls[i].fd, &event, sizeof(event)) != sizeof(event)) return 1;
      if (event.type != EV_KEY && event.type != EV_REL && event.type != EV_ABS) continue;
      tell(line, snprintf(line, sizeof(line), "@input %s %d %d %d\n", names[i], event.type,
                          event.code, event.value));
    }
  return 1;
}
