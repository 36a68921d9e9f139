"""Run a program on a leash: it dies with its parent, and, started by root, it runs as somebody else.

    python leash.py SIGNAL IDENTITY program arguments…

SIGNAL is what the program gets when its parent ends, however it ended (Linux; elsewhere nothing). IDENTITY is
`same`, or for PostgreSQL, which refuses to run as root: `userns` (a user namespace of its own in which root's
files stay readable), `nobody`, or `nobody+dac` (nobody who keeps the one capability to pass closed folders,
for containers that forbid user namespaces while the project lies in root's 0700 home).
A plain program with no imports of ours, because it runs before every server start.
"""

import ctypes
import os
import pwd
import signal
import struct
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CLONE_NEWUSER = 0x10000000
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def fail_unless(result: int, act: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{act}: {os.strerror(ctypes.get_errno())}")


def nobody() -> pwd.struct_passwd:
    """An account without rights. PostgreSQL's initdb looks its name up, so it has to exist."""
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    if not accounts:
        raise OSError("this machine has no account but root")
    return accounts.get("nobody") or next(iter(accounts.values()))


def enter_user_namespace() -> None:
    uid, gid, account = os.geteuid(), os.getegid(), nobody()
    fail_unless(libc().unshare(CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{account.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{account.pw_gid} {gid} 1")


def become_nobody(keep_folder_access: bool) -> None:
    account = nobody()
    if keep_folder_access:
        # Capabilities outlive setuid() then, and access(2), which initdb asks, counts them for others than root.
        fail_unless(libc().prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "secure bits")
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if keep_folder_access:
        bit = 1 << CAP_DAC_OVERRIDE
        header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
        data = struct.pack(
            "6I", bit, bit, bit, 0, 0, 0
        )  # effective, permitted, inheritable; then the high words
        fail_unless(libc().capset(header, data), "capset")
        fail_unless(
            libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0), "ambient capability"
        )


def main() -> None:
    death, identity, *command = sys.argv[1:]
    parent = os.getppid()
    if identity == "userns":
        enter_user_namespace()
    elif identity.startswith("nobody"):
        become_nobody(keep_folder_access=identity == "nobody+dac")
    if sys.platform == "linux":
        # after the change of identity, which would have cleared it
        fail_unless(
            libc().prctl(PR_SET_PDEATHSIG, signal.Signals[death].value, 0, 0, 0), "parent death signal"
        )
        if os.getppid() != parent:
            sys.exit("the parent ended before the leash was tied")
    os.execv(command[0], command)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"leash: {error}")
