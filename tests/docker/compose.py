"""A compose project of its own name, made of compose.yaml and what a test adds."""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = "freeal-test"


def compose_command():
    """Compose 2 where it is there, else 1.29."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def image_build():
    """Once per run: the base where it is missing, and the image of the tree as it is."""
    subprocess.run([ROOT / "docker/base-image.sh"], check=True)
    subprocess.run([*compose_command(), "-f", ROOT / "compose.yaml", "-p", "freeal-test", "build", "setup"], check=True,
                   env=dict(os.environ, FREEAL_IMAGE=IMAGE), cwd=ROOT)


class Container:
    """One container of a service."""

    def __init__(self, number):
        self.number = number

    def docker(self, verb, *args, check=True):
        done = subprocess.run(["docker", verb, *args], capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"docker {verb} {args}: {done.stderr}")
        return done.stdout

    def inspect(self):
        return json.loads(self.docker("inspect", self.number))[0]

    def state(self):
        return self.inspect()["State"]

    def running(self):
        return self.state()["Running"]

    def logs(self):
        done = subprocess.run(["docker", "logs", self.number], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout

    def execute(self, *argv, check=True):
        done = subprocess.run(["docker", "exec", self.number, *argv], capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"{argv}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def processes(self):
        """Of each process but those of this call: {name: {key: value of /proc/PID/status}}."""
        script = ('for p in /proc/[0-9]*; do [ "${p#/proc/}" = $$ ] || grep -qs "^PPid:.$$\\$" $p/status || '
                  'cat $p/status; done')
        found, one = {}, {}
        for line in self.execute("sh", "-c", script).splitlines():
            key, _, value = line.partition(":")
            if key == "Name":
                one = found[value.strip()] = {}
            one[key] = value.strip()
        return found

    def kill_program(self, name):
        """SIGKILL for the program itself, not for the container."""
        self.execute("sh", "-c", f"kill -9 $(pidof {name})")


class Compose:
    """`with` takes everything down again, volumes included. The project's folder belongs to `owner`."""

    def __init__(self, *files, owner=None, environment=None):
        self.name = "freealtest" + uuid.uuid4().hex[:8]
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="freeal-docker-"))
        self.folder = self.path / "project"
        self.mock = self.path / "mock"
        self.owner = owner if owner and os.getuid() == 0 else (os.getuid(), os.getgid())
        for folder, mode in ((self.path, 0o755), (self.folder, 0o700), (self.mock, 0o755)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        os.chown(self.folder, *self.owner)
        self.port = free_port()
        self.environment = dict(os.environ, FREEAL_IMAGE=IMAGE, FREEAL_DIR=str(self.folder),
                                FREEAL_TEST_MOCK=str(self.mock), FREEAL_PORT=str(self.port),
                                FREEAL_BUS_PORT=str(free_port()), **(environment or {}))
        self.argv = [*compose_command(), "--project-directory", str(ROOT), "-p", self.name]
        for file in (ROOT / "compose.yaml", *files):
            self.add_file(file)
        self.token = None
        self.gone = False

    def add_file(self, file):
        self.argv += ["-f", str(file)]

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if self.gone:
            return
        self.gone = True
        if kind:
            print(self.call("logs", "--no-color", "--tail", "40", check=False))
        self.call("down", "-v", "--remove-orphans", "-t", "5", check=False)
        shutil.rmtree(self.path, ignore_errors=True)

    def call(self, *args, check=True):
        """Runs compose; what it said on both outputs."""
        done = subprocess.run([*self.argv, *args], env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd=ROOT)
        if check and done.returncode:
            raise AssertionError(f"compose {args}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def cli(self, *args, code=0):
        """`docker compose run --rm cli ...`: its standard output and its errors."""
        done = subprocess.run([*self.argv, "run", "--rm", "-T", "cli", *args], env=self.environment,
                              capture_output=True, stdin=subprocess.DEVNULL, text=True, cwd=ROOT)
        if done.returncode != code:
            raise AssertionError(f"cli {args}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def write(self, name, text):
        """A file of the user's."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, *self.owner)

    def containers(self, service):
        """All of the service, oldest first."""
        done = subprocess.run(["docker", "ps", "-a", "-q", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}",
                               "--filter", f"label=com.docker.compose.service={service}"],
                              capture_output=True, text=True, check=True)
        return [Container(number) for number in reversed(done.stdout.split())]

    def container(self, service):
        found = self.containers(service)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} containers of {service}")
        return found[0]

    def get(self, path):
        """The coordinator's HTTP interface on the host; OSError while it does not answer."""
        self.token = self.token or self.container("coordinator").execute("cat", "/token/token").strip()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Authorization": "Bearer " + self.token})
            reply = connection.getresponse()
            body = reply.read()
        except http.client.HTTPException as e:
            raise OSError(str(e)) from e
        finally:
            connection.close()
        if reply.status != 200:
            raise OSError(f"{path}: {reply.status}")
        return body

    def status(self):
        """{} while there is none."""
        try:
            return json.loads(self.get("/v1/status"))
        except (OSError, AssertionError):
            return {}

    def wait(self, condition, timeout=90, what="a condition"):
        until = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError(f"waited {timeout} s for {what}; status {self.status()}")
            time.sleep(0.1)
