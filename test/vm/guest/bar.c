// Maps BAR 2 of the IVSHMEM device, waits for a text in its last page but one, and answers it in the
// last.
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kLooks = 30000 };

static int says(const char *folder, const char *name, const char *text) {
  char path[256], found[16] = "";
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  const int read = fscanf(file, "%15s", found);
  fclose(file);
  return read == 1 && strcmp(found, text) == 0;
}

int main(void) {
  glob_t devices;
  if (glob("/sys/bus/pci/devices/*", 0, NULL, &devices) != 0) return 1;
  for (size_t i = 0; i < devices.gl_pathc; i++) {
    const char *folder = devices.gl_pathv[i];
    if (!says(folder, "vendor", "0x1af4") || !says(folder, "device", "0x1110")) continue;
    char path[256];
    snprintf(path, sizeof path, "%s/enable", folder);
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, "1", 1) != 1) return 2;
    close(fd);
    snprintf(path, sizeof path, "%s/resource2", folder);
    fd = open(path, O_RDWR);
    struct stat found;
    if (fd < 0 || fstat(fd, &found) != 0) return 3;
    char *memory = mmap(NULL, found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return 4;
    const volatile char *said = memory + found.st_size - 8192;
    volatile char *answer = memory + found.st_size - 4096;
    for (int looks = 0; *said == 0 && looks < kLooks; looks++) usleep(10000);
    char text[128];
    snprintf(text, sizeof text, "%ld bytes: %.64s", (long)found.st_size, (const char *)said);
    // The first byte last: it is what is waited for.
    for (size_t at = strlen(text); at > 0; at--) answer[at] = text[at];
    answer[0] = text[0];
  }
  // Whoever started the machine ends it before that; one that was forgotten ends by itself.
  sleep(60);
  return 0;
}
