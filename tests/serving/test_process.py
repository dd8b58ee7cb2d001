"""The end of a process that served: at once, with its exit code, and with all that it said."""

import os
import subprocess
import sys

PROGRAM = """
import atexit, sys
from serving.process import end
atexit.register(print, "the interpreter was taken apart")
sys.stdout.write("said, without the end of a line")
end(3)
"""


def test_what_was_said_is_written_and_nothing_is_taken_apart():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "said, without the end of a line", "")


def test_nobody_has_to_read_what_it_said():
    command, buffered = [sys.executable, "-c", "input()" + PROGRAM], os.environ | {"PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=buffered) as process:
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(30) == 3
