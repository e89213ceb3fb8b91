// Docker's default seccomp profile (moby/profiles, seccomp/default.json of June 2026) as our own
// data: what is not named is answered EPERM. The lists depend on architecture and capabilities.

import type { Capability } from "../sandbox-policy.ts";

/** Go's names of the machine's architecture; rules for others (s390x, ppc64le, riscv64) are left out. */
export type ProfileArch = "amd64" | "arm64";

/** A test of one argument; the kernel reads these arguments as 32 bits, so the lower half decides. */
export interface ArgumentTest {
  readonly index: number;
  readonly op: "equal" | "less" | "greater" | "masked-zero";
  /** What it is compared with; for "masked-zero" the bits that must be clear. */
  readonly value: number;
}

export interface ProfileRule {
  readonly names: readonly string[];
  /** Allowed, or answered with an errno. */
  readonly action: "allow" | { readonly errno: number };
  readonly test?: ArgumentTest;
  /** Only on these architectures. */
  readonly arches?: readonly ProfileArch[];
  /** Only with this capability. */
  readonly withCapability?: Capability;
  /** Only without this capability. */
  readonly withoutCapability?: Capability;
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

export const DEFAULT_PROFILE: readonly ProfileRule[] = [
  {
    names: words(`
      accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64
      clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect
      copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
      epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark
      fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr
      fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
      futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
      getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
      getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr
      getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents
      io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
      landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr
      lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock
      mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
      mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
      newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll
      ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead
      readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat
      renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
      rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max
      sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
      sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64
      sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority
      setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt
      set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
      sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range
      syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
      timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
      uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
    `),
    action: "allow",
  },
  {
    names: words("process_vm_readv process_vm_writev ptrace"),
    action: "allow",
  },
  {
    names: words("socket"),
    action: "allow",
    test: { index: 0, op: "less", value: 38 },
  },
  {
    names: words("socket"),
    action: "allow",
    test: { index: 0, op: "equal", value: 39 },
  },
  {
    names: words("socket"),
    action: "allow",
    test: { index: 0, op: "greater", value: 40 },
  },
  {
    names: words("personality"),
    action: "allow",
    test: { index: 0, op: "equal", value: 0 },
  },
  {
    names: words("personality"),
    action: "allow",
    test: { index: 0, op: "equal", value: 8 },
  },
  {
    names: words("personality"),
    action: "allow",
    test: { index: 0, op: "equal", value: 0x2_0000 },
  },
  {
    names: words("personality"),
    action: "allow",
    test: { index: 0, op: "equal", value: 0x2_0008 },
  },
  {
    names: words("personality"),
    action: "allow",
    test: { index: 0, op: "equal", value: 0xffff_ffff },
  },
  {
    names: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
    action: "allow",
    arches: ["arm64"],
  },
  {
    names: words("arch_prctl"),
    action: "allow",
    arches: ["amd64"],
  },
  {
    names: words("modify_ldt"),
    action: "allow",
    arches: ["amd64"],
  },
  {
    names: words("open_by_handle_at"),
    action: "allow",
    withCapability: "CAP_DAC_READ_SEARCH",
  },
  {
    names: words(`
      bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr
      mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2
      unshare
    `),
    action: "allow",
    withCapability: "CAP_SYS_ADMIN",
  },
  {
    names: words("clone"),
    action: "allow",
    test: { index: 0, op: "masked-zero", value: 0x7e02_0000 },
    withoutCapability: "CAP_SYS_ADMIN",
  },
  {
    names: words("clone3"),
    action: { errno: 38 },
    withoutCapability: "CAP_SYS_ADMIN",
  },
  {
    names: words("reboot"),
    action: "allow",
    withCapability: "CAP_SYS_BOOT",
  },
  {
    names: words("chroot"),
    action: "allow",
    withCapability: "CAP_SYS_CHROOT",
  },
  {
    names: words("delete_module init_module finit_module"),
    action: "allow",
    withCapability: "CAP_SYS_MODULE",
  },
  {
    names: words("acct"),
    action: "allow",
    withCapability: "CAP_SYS_PACCT",
  },
  {
    names: words("kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    action: "allow",
    withCapability: "CAP_SYS_PTRACE",
  },
  {
    names: words("iopl ioperm"),
    action: "allow",
    withCapability: "CAP_SYS_RAWIO",
  },
  {
    names: words("settimeofday stime clock_settime clock_settime64"),
    action: "allow",
    withCapability: "CAP_SYS_TIME",
  },
  {
    names: words("vhangup"),
    action: "allow",
    withCapability: "CAP_SYS_TTY_CONFIG",
  },
  {
    names: words("get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    action: "allow",
    withCapability: "CAP_SYS_NICE",
  },
  {
    names: words("syslog"),
    action: "allow",
    withCapability: "CAP_SYSLOG",
  },
  {
    names: words("bpf"),
    action: "allow",
    withCapability: "CAP_BPF",
  },
  {
    names: words("perf_event_open"),
    action: "allow",
    withCapability: "CAP_PERFMON",
  },
];
