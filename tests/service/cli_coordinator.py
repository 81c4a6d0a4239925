"""A coordinator that the tests of the command line stand in for the real one: the
HTTP side alone, with what it is to do in FAKE_COORDINATOR (words, see below).
Beside its project it keeps what it was sent: samples.json, starts.jsonl."""
import argparse
import http.server
import json
import os
import signal
import sys
import threading

parser = argparse.ArgumentParser()
for name in "task project bind selector http port-file token-file log-level".split():
    parser.add_argument("--" + name)
parser.add_argument("--parent-death", action="store_true")
args = parser.parse_args()
words = os.environ.get("FAKE_COORDINATOR", "").split()

os.makedirs(os.path.join(args.project, "coordinator"), exist_ok=True)
samples_path = os.path.join(args.project, "samples.json")
starts_path = os.path.join(args.project, "starts.jsonl")
crash_path = os.path.join(args.project, "crashed")
done_path = os.path.join(args.project, "finished")


def fail(code, message):
    print("freeal-coordinator: " + message, file=sys.stderr, flush=True)
    os._exit(code)


if "busy" in words:
    fail(5, "the project was written by another version")
if "changed" in words:
    fail(2, "the task file's seed differs from the project's")
if "crash" in words:
    fail(1, "cannot go on")
if args.task:
    with open(args.task) as source, open(os.path.join(args.project, "task.yaml"), "w") as copy:
        copy.write(source.read())

samples = {}
if os.path.exists(samples_path):
    samples = json.load(open(samples_path))
lock = threading.Lock()
looks = posts = 0
replies = {}  # by the batch's id
started = False


def status():
    global looks
    with lock:
        finished = os.path.exists(done_path)
        if started:
            looks += 1
        if "crash-once" in words and looks == 2 and not os.path.exists(crash_path):
            open(crash_path, "w").close()
            os._exit(1)
        state = {"blocked": None, "paused": None, "failed": None}
        if "blocked" in words and started and looks < 4:
            state["blocked"] = "the endpoint answers 401: wrong key"
        if "paused" in words and started and looks > 2:
            state["paused"] = "max_requests"
        elif "failed" in words and started:
            state["failed"] = "training failed five times"
        elif started and looks >= (1000 if "slow" in words else 4):
            open(done_path, "w").close()
            finished = True
        return dict(state, task="t", phase="done" if finished else "annotate", round=0, rounds=2,
                    samples=len(samples), labelled=0, done=min(looks, 4), total=4, rate=2.0,
                    requests=looks, tokens_in=10, tokens_out=1, usd=0.0, set_aside=0,
                    finished=finished, workers={"annotator": 1, "trainer": 1, "selector": 1})


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def unpacked(body):
    """The id and the samples of a SampleBatch (proto/ingest.proto)."""
    fields, at = {}, 0
    while at < len(body):
        tag, at = varint(body, at)
        size, at = varint(body, at)
        fields[tag >> 3] = body[at:at + size]
        at += size
    columns = []
    for number in (2, 3, 4, 5):
        column, at = [], 0
        while at < len(fields.get(number, b"")):
            value, at = varint(fields[number], at)
            column.append(value)
        columns.append(column)
    data, at, rows = fields.get(1, b""), 0, []
    for i in range(len(columns[0])):
        row = {}
        for name, column in zip(("id", "text", "augmented"), columns):
            size = column[i] if column else 0
            if size:
                row[name] = data[at:at + size].decode()
            at += size
        if columns[3] and columns[3][i]:
            row["gold"] = columns[3][i] - 1
        rows.append(row)
    return fields[6], rows


def ingest(rows):
    answer = {"accepted": 0, "duplicates": 0, "rejected": []}
    for number, sample in enumerate(rows, 1):
        if sample["text"] == "refuse me":
            answer["rejected"].append({"line": number, "reason": "the id is known with another text"})
        elif sample["id"] in samples:
            answer["duplicates"] += 1
        else:
            samples[sample["id"]] = sample
            answer["accepted"] += 1
    with open(samples_path, "w") as out:
        json.dump(samples, out)
    return answer


def labels():
    return "".join(json.dumps({"id": i, "label": "a,b", "confidence": 0.5, "source": "llm", "round": 0,
                               "llm_label": None, "llm_reason": "empty", "slm_label": "b",
                               "clean_probability": 0.25, "clean": False, "demonstration": True}) + "\n"
                   for i in samples).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, code, body):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if self.headers.get("Authorization") == "Bearer secret":
            return True
        self.reply(401, {"error": "wrong token"})
        return False

    def do_GET(self):
        if self.path == "/healthz":
            return self.reply(200, {"ok": True})
        if not self.allowed():
            return None
        answers = {"/v1/status": status, "/v1/task": lambda: open(os.path.join(args.project, "task.yaml"), "rb").read(), "/v1/labels": labels,
                   "/v1/report": lambda: {"task": "t", "samples": len(samples)},
                   "/v1/model": lambda: {"files": ["../x" if "bad-model" in words else "model.json"]},
                   "/v1/model/model.json": lambda: b"{}"}
        if self.path not in answers:
            return self.reply(404, {"error": "no such thing"})
        return self.reply(200, answers[self.path]())

    def take(self, batch, rows):
        global posts
        posts += 1
        if "late" in words and posts < 3:
            return self.reply(503, {"error": "try again"})
        answer = replies.setdefault(batch, None) or ingest(rows)
        replies[batch] = answer
        if "lost" in words and posts == 1:
            self.close_connection = True
            return None
        return self.reply(200, answer)

    def do_POST(self):
        global started, looks
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.allowed():
            return None
        if self.path == "/v1/samples/packed":
            return self.take(*unpacked(body))
        started, looks = True, 0
        with open(starts_path, "a") as out:
            out.write(body.decode() + "\n")
        return self.reply(200, {})


port = int((args.http or ":0").rpartition(":")[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
started = os.path.exists(starts_path)
with open(args.token_file, "w") as out:
    out.write("secret")
with open(args.port_file, "w") as out:
    out.write("%d\n" % server.server_address[1])
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
