"""The web server of this node: a process of its own session, known by a pid file and its start time."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.environ["MUSTER_BUNDLE"], "lib"))
import example  # noqa: E402

values = example.variables()
home = example.home(values)
port = int(values["web_port"])
pid_file = home / "web.pid"
page = home / "www" / "index.html"


def start_time(pid):
    """Clock ticks since boot at which a process began: tells it from a later one with the same pid."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return stat.rsplit(")", 1)[1].split()[19]


def running():
    """The pid of our server, or None."""
    try:
        pid, began, served = pid_file.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return int(pid) if served == str(port) and start_time(pid) == began else None


def fetch():
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.read().decode("utf-8")
    except OSError:
        return None


def stop():
    try:
        pid, began, _ = pid_file.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return
    if start_time(pid) == began:
        os.kill(int(pid), signal.SIGTERM)
        while start_time(pid) == began:
            time.sleep(0.02)
    pid_file.unlink(missing_ok=True)


def start():
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(page.parent)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, cwd="/")
    example.write(pid_file, f"{server.pid} {start_time(server.pid)} {port}\n")
    for _ in range(200):
        if fetch() is not None:
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    stop()
    sys.exit(f"The web server did not come up on port {port}")


def desired_page():
    message = (home / "message.txt").read_text(encoding="utf-8").strip()
    return example.render("web/index.html.tmpl", message=message, site=values["site"])
