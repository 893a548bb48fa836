/*
 * Stands in front of the C library of a process (LD_PRELOAD) and in the place of its disk: a synchronisation lasts as many milliseconds as the
 * file says that TROUPE_SYNC_TIME names, and then has succeeded. The file is looked at all the while, so that one that waits is let go by it. With
 * a negative number there the disk does as it can.
 *
 * Otherwise the disk is not asked, which is as slow as its neighbours make it. A write goes to the kernel as ever, and what the kernel has is kept
 * when the process is killed: for that, and for nothing else, a synchronisation that does not happen is as good as one that does.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 2

typedef int synchroniser(int);

static synchroniser *real_fsync;
static synchroniser *real_fdatasync;
static char *file;

__attribute__((constructor)) static void find(void) {
  real_fsync = (synchroniser *)dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = (synchroniser *)dlsym(RTLD_NEXT, "fdatasync");
  /* A copy: a server that sets its title writes over the environment. */
  const char *named = getenv("TROUPE_SYNC_TIME");
  if (named != NULL) file = strdup(named);
}

/* What cannot be read is left to the disk. */
static long time_ms(void) {
  char text[32];
  int descriptor = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  ssize_t bytes = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  if (bytes <= 0) return -1;
  text[bytes] = 0;
  return strtol(text, NULL, 10);
}

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int synchronise(int descriptor, synchroniser *disk) {
  const struct timespec pause = { 0, LOOK_MS * 1000000 };
  if (fcntl(descriptor, F_GETFD) < 0) return -1;
  int kept = errno;
  long began_ms = now_ms();
  long wanted_ms;
  while ((wanted_ms = time_ms()) > now_ms() - began_ms) nanosleep(&pause, NULL);
  errno = kept;
  return wanted_ms < 0 ? disk(descriptor) : 0;
}

int fsync(int descriptor) { return synchronise(descriptor, real_fsync); }

int fdatasync(int descriptor) { return synchronise(descriptor, real_fdatasync); }
