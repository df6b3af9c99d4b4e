/*
 * Runs a program with a system call of io_uring denied, as in a container with Docker's default seccomp profile.
 *
 *     deny-io-uring EPERM|ENOSYS setup|register|enter COMMAND [ARGUMENT...]
 *
 * Compiled and run by test/native/fallback.test.ts.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments) {
  if (count < 4) return 2;
  const unsigned error = strcmp(arguments[1], "ENOSYS") == 0 ? ENOSYS : EPERM;
  const unsigned call = strcmp(arguments[2], "enter") == 0      ? __NR_io_uring_enter
                        : strcmp(arguments[2], "register") == 0 ? __NR_io_uring_register
                                                                : __NR_io_uring_setup;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("deny-io-uring: seccomp");
    return 3;
  }
  execvp(arguments[3], arguments + 3);
  perror("deny-io-uring: exec");
  return 4;
}
