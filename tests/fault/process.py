"""A program in a process group of its own, started, paused, killed and started again."""
import os
import signal
import subprocess
import time


class Process:
    """`argv` is a list or a function that makes one at each start. Standard error goes to
    `log`, which later starts append to. A death that nobody asked for shows in `died`."""

    def __init__(self, name, argv, log, stop_seconds=5):
        self.name, self.argv, self.log, self.stop_seconds = name, argv, log, stop_seconds
        self.process = None
        self.starts = 0
        self.ending = False  # by our doing, or expected

    def start(self, crash=None, stop_at=None, crash_list=None, delay_ms=None, environment=None):
        """`crash`: "POINT:N,...", where the process is to die; then its death is expected. Before
        that the thread stands still for `delay_ms`, while the others go on.
        `stop_at`: where it is to stop until cont()."""
        if self.alive():
            raise AssertionError(f"{self.name} runs already")
        env = {**os.environ, **(environment or {})}
        for name, value in (("CRASH_AT", crash), ("STOP_AT", stop_at), ("CRASH_LIST", crash_list),
                            ("CRASH_DELAY_MS", delay_ms)):
            env.pop(name, None)
            if value:
                env[name] = str(value)
        argv = self.argv() if callable(self.argv) else self.argv
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=env, start_new_session=True)
        self.starts += 1
        self.ending = crash is not None
        return self

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def died(self):
        """Ended though nobody wanted it to."""
        return self.process is not None and self.process.poll() is not None and not self.ending

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def kill(self):
        """kill -9, whatever state it is in."""
        self.ending = True
        if self.alive():
            self.signal(signal.SIGKILL)
        return self.wait(10)

    def pause(self):
        """Returns once it has really stopped."""
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while self.alive() and self.state() != "T" and time.monotonic() < deadline:
            time.sleep(0.001)

    def cont(self):
        self.signal(signal.SIGCONT)

    def stopped(self):
        """By pause() or at a point of `stop_at`."""
        return self.alive() and self.state() == "T"

    def state(self):
        """The kernel's letter: R, S, T ..."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return "X"

    def catches_sigterm(self):
        """It has come so far in its start."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as status:
                caught = [line.split()[1] for line in status if line.startswith("SigCgt")]
        except OSError:
            return False
        return bool(caught) and int(caught[0], 16) >> (signal.SIGTERM - 1) & 1 == 1

    def terminate(self):
        """SIGTERM, as `docker stop` sends it, but not in the first milliseconds of a process."""
        deadline = time.monotonic() + 10
        while self.alive() and not self.catches_sigterm() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.ending = True
        if self.alive():
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)

    def wait(self, seconds):
        """Its exit code; negative: the signal that killed it."""
        return self.process.wait(timeout=seconds)

    def stop(self):
        """SIGTERM; it has to end in time. Returns the exit code."""
        self.terminate()
        return self.wait_stopped()

    def wait_stopped(self):
        """After terminate(): it has to end in time. Returns the exit code."""
        try:
            return self.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {self.stop_seconds} s of SIGTERM") from None

    def restart(self, **options):
        """kill -9 and a new start on the same data."""
        self.kill()
        return self.start(**options)

    def text(self):
        """All that it has logged, of all starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
