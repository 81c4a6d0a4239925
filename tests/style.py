"""The style that a machine can check: format, sizes, banned functions. Argument: the root."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1])
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 520
BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "atof", "gmtime", "localtime",
          "alloca", "gets", "usleep")


def sources(*folders):
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.[ch]"))


def functions(lines):
    """(first line, length) of each body that begins with a brace in the first column. Rows of
    a table don't count."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start, length = number, 0
        elif line == "}" and start:
            yield start, length
            start = None
        elif start and not re.match(r"\s*\{?\.\w+ = ", line):
            length += 1


def complaints():
    banned = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
    for path in sources("shared", "services"):
        lines = path.read_text().split("\n")
        if len(lines) > FILE_LINES_MAX:
            yield f"{path}: {len(lines)} lines"
        for number, length in functions(lines):
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{number}: a function of {length} lines"
        for number, line in enumerate(lines, 1):
            if banned.search(line) and not line.lstrip().startswith("*"):
                yield f"{path}:{number}: {banned.search(line).group(1)} is banned"
    # Other versions format some lines otherwise.
    if shutil.which("clang-format") and " 14." in subprocess.getoutput("clang-format --version"):
        files = [str(p) for p in sources("shared", "services", "tests")]
        checked = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], capture_output=True, text=True)
        if checked.returncode:
            yield checked.stderr[:2000]


found = list(complaints())
print("\n".join(found))
sys.exit(bool(found))
