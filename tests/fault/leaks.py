"""I10: whether something secret lies in a file where it must not."""
import base64

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def secret_keys(path):
    """The secret key of a key file as it is written there, and as bytes."""
    for line in path.read_text().splitlines():
        if line.startswith("secret "):
            text = line.split(" ", 1)[1].strip()
            raw = base64.b85decode(text.translate(str.maketrans(Z85, B85)))
            return {f"{path.name} as text": text.encode(), f"{path.name} as bytes": raw}
    raise AssertionError(f"{path} holds no secret key")


def find_leaks(folder, secrets):
    """Files below the folder, and which secret each holds. Those that are made to hold them,
    the token's and the keys', are left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.name == "token" or path.suffix == ".key" or not path.is_file():
            continue
        data = path.read_bytes()
        found += [(str(path.relative_to(folder)), what) for what, secret in secrets.items() if secret in data]
    return found
