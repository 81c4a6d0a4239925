"""nginx as an LLM server that gives every request the same answer, at once or after a while."""

import contextlib
import json
import socket
import subprocess
import time

ECHO_MODULE = "/usr/lib/nginx/modules/ngx_http_echo_module.so"


def answer(label):
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "fixed",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": label}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 2, "total_tokens": 702}})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(folder, port, label, seconds):
    reply = f"echo_sleep {seconds}; echo '{answer(label)}';" if seconds else f"return 200 '{answer(label)}';"
    return f"""
{f"load_module {ECHO_MODULE};" if seconds else ""}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_buffer_size 128k;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location / {{ {reply} }}
  }}
}}
"""


@contextlib.contextmanager
def serve(folder, label, seconds=0):
    """Answers `label`, after `seconds`; gives the base URL."""
    folder = folder / f"nginx-{seconds}"
    folder.mkdir(exist_ok=True)
    port = free_port()
    (folder / "nginx.conf").write_text(configuration(folder, port, label, seconds))
    process = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start, see {folder}/nginx.log")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)
