/*
 * Stands in front of the C library of a process (LD_PRELOAD) and shifts its wall clock by as many seconds as the file says that
 * TROUPE_CLOCK_SHIFT names. The file is looked at every few milliseconds, so the clock jumps while the process runs.
 *
 * The clock itself is the library's, which asks no kernel: reading it costs what it costs otherwise. Monotonic clocks stay as they are. A wait
 * until a moment of the wall clock waits as long as meant: its moment is shifted back. [An allocator that lets a thread sleep until then:
 * with the clock an hour back it would never sleep.]
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 5
/* No machine has been up for so long: a moment behind it is one of the wall clock. */
#define UPTIME_MAX_S 1000000000

typedef int clock_reader(clockid_t, struct timespec *);
typedef int waiter(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

/* Until the constructor has run, which is later than the first one who wants to know the time. */
static int ask_kernel(clockid_t clock, struct timespec *now) { return (int)syscall(SYS_clock_gettime, clock, now); }

static clock_reader *_Atomic real_clock = ask_kernel;
static waiter *_Atomic real_wait;
static char *file;
static _Atomic long shift_s;
static _Atomic long looked_ms;

__attribute__((constructor)) static void find(void) {
  clock_reader *found = (clock_reader *)dlsym(RTLD_NEXT, "clock_gettime");
  if (found != NULL) real_clock = found;
  real_wait = (waiter *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  looked_ms = -LOOK_MS;
  /* A copy: a server that sets its title writes over the environment. */
  const char *named = getenv("TROUPE_CLOCK_SHIFT");
  if (named != NULL) file = strdup(named);
}

/* What cannot be read leaves the clock where it is. */
static void look(void) {
  char text[32];
  char *end;
  int descriptor = open(file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  ssize_t bytes = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  if (bytes <= 0) return;
  text[bytes] = 0;
  long shift = strtol(text, &end, 10);
  if (end != text) shift_s = shift;
}

static long shift(void) {
  struct timespec now;
  if (file == NULL || real_clock(CLOCK_MONOTONIC_COARSE, &now) != 0) return 0;
  long now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
  long before = looked_ms;
  /* One thread looks, whichever comes first. */
  if (now_ms - before >= LOOK_MS && atomic_compare_exchange_strong(&looked_ms, &before, now_ms)) {
    int kept = errno;
    look();
    errno = kept;
  }
  return shift_s;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int outcome = real_clock(clock, now);
  if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
  return outcome;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec exact;
  if (clock_gettime(CLOCK_REALTIME_COARSE, &exact) != 0) return -1;
  if (now != NULL) *now = exact.tv_sec;
  return exact.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
  struct timespec meant = *until;
  if (meant.tv_sec > UPTIME_MAX_S) meant.tv_sec -= shift();
  return real_wait(condition, mutex, &meant);
}
