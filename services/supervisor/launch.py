"""Become COMMAND, dying with the parent: `python -I -S launch.py PARENT_PID COMMAND...`.

A step of its own because Python code between fork and exec is unsafe in a process that has threads, and because
the kernel keeps the parent-death signal across exec. Where there is no such signal (macOS) it only execs.
"""

import os
import sys

PR_SET_PDEATHSIG = 1
SIGKILL = 9


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() != parent:  # it died before the signal was asked for
            raise SystemExit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        raise SystemExit(f"{command[0]} cannot be started: {error.strerror}") from error


if __name__ == "__main__":
    main()
