/*
 * guard.c
 *		What the process gives up before it talks to anybody.
 *
 * The calls that stay are those of a program that reads and writes sockets and
 * files; what is refused answers EPERM rather than killing, so that a library's
 * odd question (a resolver's, say) is no outage.
 */
#include "gateway/guard.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Which nobody who serves the network needs. */
static const int refused[] = {SCMP_SYS(execve),
							  SCMP_SYS(execveat),
							  SCMP_SYS(fork),
							  SCMP_SYS(vfork),
							  SCMP_SYS(ptrace),
							  SCMP_SYS(mount),
							  SCMP_SYS(umount2),
							  SCMP_SYS(pivot_root),
							  SCMP_SYS(chroot),
							  SCMP_SYS(unshare),
							  SCMP_SYS(setns),
							  SCMP_SYS(init_module),
							  SCMP_SYS(finit_module),
							  SCMP_SYS(delete_module),
							  SCMP_SYS(kexec_load),
							  SCMP_SYS(reboot),
							  SCMP_SYS(swapon),
							  SCMP_SYS(swapoff),
							  SCMP_SYS(bpf),
							  SCMP_SYS(perf_event_open),
							  SCMP_SYS(process_vm_readv),
							  SCMP_SYS(process_vm_writev),
							  SCMP_SYS(userfaultfd),
							  SCMP_SYS(add_key),
							  SCMP_SYS(request_key),
							  SCMP_SYS(keyctl),
							  SCMP_SYS(setuid),
							  SCMP_SYS(setgid),
							  SCMP_SYS(setreuid),
							  SCMP_SYS(setregid),
							  SCMP_SYS(setresuid),
							  SCMP_SYS(setresgid),
							  SCMP_SYS(setgroups),
							  SCMP_SYS(kill),
							  SCMP_SYS(tkill),
							  SCMP_SYS(io_uring_setup),
							  SCMP_SYS(personality),
							  SCMP_SYS(acct),
							  SCMP_SYS(settimeofday),
							  SCMP_SYS(clock_settime),
							  SCMP_SYS(chmod),
							  SCMP_SYS(fchmod),
							  SCMP_SYS(fchmodat),
							  SCMP_SYS(chown),
							  SCMP_SYS(fchown),
							  SCMP_SYS(fchownat),
							  SCMP_SYS(lchown),
							  SCMP_SYS(mknod),
							  SCMP_SYS(mknodat),
							  SCMP_SYS(rename),
							  SCMP_SYS(renameat),
							  SCMP_SYS(renameat2),
							  SCMP_SYS(link),
							  SCMP_SYS(linkat),
							  SCMP_SYS(symlink),
							  SCMP_SYS(symlinkat),
							  SCMP_SYS(truncate),
							  SCMP_SYS(mkdir),
							  SCMP_SYS(mkdirat),
							  SCMP_SYS(rmdir)};

static bool
fail(const char **why, const char *reason)
{
	*why = reason;
	return false;
}

static bool
leave_root(const char *user, const char **why)
{
	const struct passwd *entry;

	if (user == NULL)
		return fail(why, "it is started as root and server-user names nobody");
	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL)
		return fail(why, errno == 0 ? "server-user names nobody this machine knows" : strerror(errno));
	if (entry->pw_uid == 0)
		return fail(why, "server-user is root");
	if (initgroups(user, entry->pw_gid) != 0 || setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
		setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
		return fail(why, strerror(errno));
	if (setuid(0) == 0)
		return fail(why, "there was a way back to root");
	return true;
}

bool
guard_drop(const char *user, const char **why)
{
	const struct rlimit none = {0, 0};

	if (geteuid() == 0 && !leave_root(user, why))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
		setrlimit(RLIMIT_CORE, &none) != 0)
		return fail(why, strerror(errno));
	return true;
}

bool
guard_files(unsigned long wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return false;
	if (files.rlim_cur < wanted && files.rlim_cur < files.rlim_max)
	{
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			return false;
	}
	return files.rlim_cur >= wanted;
}

bool
guard_calls(const char **why)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool good = filter != NULL;

	for (size_t i = 0; good && i < sizeof(refused) / sizeof(refused[0]); i++)
		good = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0) == 0;
	good = good && seccomp_load(filter) == 0;
	if (filter != NULL)
		seccomp_release(filter);
	return good ? true : fail(why, "the kernel took no filter of system calls");
}
