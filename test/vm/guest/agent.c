/*
 * Stands for the agent of a guest's desktop: agent PORT SIZE. It offers a text of SIZE letters, and asks
 * for what the client offers. What it gets is told as "@agent text SIZE SUM", SUM of all bytes.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENT_PORT = 1, PIECE = 2048, HEADER = 20, ANNOUNCE = 6, GRAB = 7, REQUEST = 8, DATA = 4 };
enum { BY_DEMAND = 5, SELECTION = 6, TEXT = 1 };

static int port;
/* The kernel tells by it that somebody connects to the other side of the port. */
static sigset_t news;

static void read_all(void *to, size_t size) {
  for (size_t got = 0; got < size;) {
    ssize_t more = read(port, (char *)to + got, size - got);
    int told;
    if (more > 0) got += (size_t)more;
    else sigwait(&news, &told); /* Nobody is connected to the other side. */
  }
}

static void write_all(const void *from, size_t size) {
  for (size_t sent = 0; sent < size;) {
    ssize_t more = write(port, (const char *)from + sent, size - sent);
    if (more < 0) exit(1);
    sent += (size_t)more;
  }
}

/* One message, cut into pieces that each begin with the port and their size. */
static void tell(uint32_t type, const void *body, uint32_t size) {
  uint32_t all = HEADER + size;
  char *message = malloc(all);
  const uint32_t header[5] = {1, type, 0, 0, size};
  if (message == NULL) exit(1);
  memcpy(message, header, HEADER);
  memcpy(message + HEADER, body, size);
  for (uint32_t at = 0; at < all; at += PIECE) {
    const uint32_t piece[2] = {CLIENT_PORT, all - at < PIECE ? all - at : PIECE};
    write_all(piece, sizeof(piece));
    write_all(message + at, piece[1]);
  }
  free(message);
}

static void answer(uint32_t type, const unsigned char *body, uint32_t size, uint32_t offered) {
  char line[96];
  const uint32_t announce[2] = {0, 1u << BY_DEMAND | 1u << SELECTION};
  const uint32_t text[2] = {0, TEXT};
  if (type == ANNOUNCE) {
    tell(ANNOUNCE, announce, sizeof(announce));
    tell(GRAB, text, sizeof(text));
  } else if (type == GRAB) {
    tell(REQUEST, text, sizeof(text));
  } else if (type == REQUEST) {
    char *data = malloc(8 + offered);
    if (data == NULL) exit(1);
    memcpy(data, text, 8);
    for (uint32_t i = 0; i < offered; i++) data[8 + i] = (char)('a' + i % 26);
    tell(DATA, data, 8 + offered);
    free(data);
  } else if (type == DATA && size >= 8) {
    unsigned long sum = 0;
    for (uint32_t i = 8; i < size; i++) sum += body[i];
    int length = snprintf(line, sizeof(line), "@agent text %u %lu\n", size - 8, sum);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) exit(1);
  }
}

int main(int count, char **words) {
  unsigned char *message = NULL;
  uint32_t have = 0;
  if (count != 3) return 2;
  /* Kept back, so that one that comes between a read and the wait ends the wait. */
  sigemptyset(&news);
  sigaddset(&news, SIGIO);
  if (sigprocmask(SIG_BLOCK, &news, NULL) < 0) return 1;
  port = open(words[1], O_RDWR);
  if (port < 0 || fcntl(port, F_SETOWN, getpid()) < 0) return 1;
  if (fcntl(port, F_SETFL, fcntl(port, F_GETFL) | O_ASYNC) < 0) return 1;
  for (;;) {
    uint32_t piece[2], header[5];
    read_all(piece, sizeof(piece));
    if (piece[1] > PIECE) return 1;
    message = realloc(message, have + piece[1]);
    if (message == NULL) return 1;
    read_all(message + have, piece[1]);
    have += piece[1];
    if (have < HEADER) continue;
    memcpy(header, message, HEADER);
    if (have < HEADER + header[4]) continue;
    answer(header[1], message + HEADER, header[4], (uint32_t)atoi(words[2]));
    have = 0;
  }
}
