#include "confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* ---- memory ---- */

void kev_confine_memory(void)
{
	struct rlimit core;

	if (SANITIZED)
		return;
	prctl(PR_SET_DUMPABLE, 0);
	/* What it is for others that we start, they may still choose. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &core);
	}
}

/* ---- capabilities ---- */

/* A kubeconfig, a token or a state directory can be another user's. */
#define KEPT (1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH)

/* Keep no more than these, and no more than there are. */
static void keep(uint32_t kept)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return;
	for (size_t i = 0; i < KEV_ARRAY_LEN(data); i++) {
		uint32_t mask = i == 0 ? kept : 0;

		data[i].effective &= mask;
		data[i].permitted &= mask;
		data[i].inheritable = 0;
	}
	(void)syscall(SYS_capset, &head, data);
}

void kev_confine_capabilities(void)
{
	if (!SANITIZED)
		keep(KEPT | 1U << CAP_SYS_ADMIN);
}

/* ---- system calls ---- */

#ifdef ARCH

/* Not in all headers that this is built with. */
#define NR_IO_URING_SETUP 425
#define NR_OPEN_TREE 428
#define NR_MOVE_MOUNT 429
#define NR_FSOPEN 430
#define NR_FSCONFIG 431
#define NR_FSMOUNT 432
#define NR_FSPICK 433
#define NR_CLONE3 435
#define NR_PIDFD_GETFD 438
#define NR_MOUNT_SETATTR 442

static const uint32_t denied[] = {
	/* other programs, and other processes */
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	NR_PIDFD_GETFD,
	SYS_kcmp,
	SYS_userfaultfd,
	SYS_perf_event_open,
	/* calls that go past this filter */
	NR_IO_URING_SETUP,
	/* the kernel's own */
	SYS_bpf,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_quotactl,
	SYS_syslog,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	/* mounts and namespaces */
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_setns,
	SYS_unshare,
	NR_OPEN_TREE,
	NR_MOVE_MOUNT,
	NR_FSOPEN,
	NR_FSCONFIG,
	NR_FSMOUNT,
	NR_FSPICK,
	NR_MOUNT_SETATTR,
	SYS_open_by_handle_at,
	SYS_mknodat,
	SYS_fanotify_init,
	/* the machine's name and clocks */
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_sethostname,
	SYS_setdomainname,
	/* who we are */
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
	SYS_personality,
#ifdef __x86_64__
	SYS_fork,
	SYS_vfork,
	SYS_mknod,
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
	SYS_uselib,
	SYS_create_module,
#endif
};

/* What stands before the list, and behind it the two answers. */
#define HEAD 11
#define FILTER_MAX (HEAD + KEV_ARRAY_LEN(denied) + 2)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define REFUSE(error) ANSWER(SECCOMP_RET_ERRNO | (error))

/* The low half of the first argument: both machines are little-endian. */
#define LOAD_FLAGS LOAD(args[0])

/*
 * Threads are allowed, processes are not: clone(2) says which in its flags; of clone3(2) a filter cannot see
 * them, and glibc does without.
 */
static size_t write_filter(struct sock_filter filter[FILTER_MAX])
{
	const struct sock_filter head[HEAD] = {
		LOAD(arch),
		IF_EQUAL(ARCH, 1, 0),
		REFUSE(EPERM),
		LOAD(nr),
		/* x32's numbers */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		REFUSE(EPERM),
		IF_EQUAL(NR_CLONE3, 0, 1),
		REFUSE(ENOSYS),
		IF_EQUAL(SYS_clone, 0, 2),
		LOAD_FLAGS,
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, KEV_ARRAY_LEN(denied),
			KEV_ARRAY_LEN(denied) + 1),
	};
	size_t count = 0;

	for (size_t i = 0; i < HEAD; i++)
		filter[count++] = head[i];
	for (size_t i = 0; i < KEV_ARRAY_LEN(denied); i++) {
		uint8_t left = (uint8_t)(KEV_ARRAY_LEN(denied) - i);

		filter[count++] = (struct sock_filter)IF_EQUAL(denied[i], left, 0);
	}
	filter[count++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	filter[count++] = (struct sock_filter)REFUSE(EPERM);
	return count;
}

_Static_assert(KEV_ARRAY_LEN(denied) < UINT8_MAX, "as far as a jump goes");

static int install_filter(void)
{
	struct sock_filter filter[FILTER_MAX];
	struct sock_fprog program = {.filter = filter, .len = (unsigned short)write_filter(filter)};
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

	/* More than 0: the thread that has a filter of its own already. */
	return r == 0 ? 0 : r > 0 ? -EBUSY : -errno;
}

#else

static int install_filter(void)
{
	return -ENOSYS;
}

#endif

int kev_confine(void)
{
	if (SANITIZED)
		return 0;
	keep(KEPT);
	/* The filter hands it on to the other threads. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return install_filter();
}
