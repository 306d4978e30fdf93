#!/usr/bin/env python3
"""./build.sh bench serve [ROUNDS [STEPS]]: what lethe serve costs and how fast it is, on this machine.

- a run with the page open (its events followed, its view asked as the page asks) beside the same run alone, in turn,
  ROUNDS times; the middle of the ratios
- from the moment at which a line stands in results.jsonl to its arrival at a viewer
- answers of every kept state, while nothing runs and while a run is at work
"""
import http.client, json, os, re, signal, statistics, subprocess, sys, threading, time

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
steps = sys.argv[2] if len(sys.argv) > 2 else "60"
lethe = os.path.abspath("build/lethe")
work = os.path.abspath("build/bench/serve")
subprocess.run(["rm", "-rf", work], check=True)
os.makedirs(work)
os.chdir(work)
train = ["--method", "full", "--max-steps", steps, "--device", "cpu"]


class Server:
    def __init__(self):
        self.process = subprocess.Popen([lethe, "serve", "--no-browser"], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port, self.token = re.search(r"127\.0\.0\.1:(\d+)/([0-9a-f]{32})/", line).groups()

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=600)
        headers = {"X-Lethe-Token": self.token}
        c.request(method, f"/{self.token}/{path}", json.dumps(body) if body is not None else None, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, json.loads(data)

    def run(self, out, options):
        setup = {"tasks": [{"builtin": "sentiment"}, {"builtin": "nli"}], "methods": ["full"], "seeds": [1],
                 "options": options, "out": out}
        status, answer = self.ask("POST", "api/run", setup)
        assert status == 200, answer
        return answer["id"]

    def state(self, folder):
        return next(f["state"] for f in self.ask("GET", "api/folders")[1] if f["id"] == folder)

    def events(self, folder, on_line, after=0):
        c = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=600)
        c.request("GET", f"/{self.token}/api/events?folder={folder}&after={after}")
        r = c.getresponse()
        while line := r.readline():
            if line.startswith(b"data: ") and on_line(line[6:].strip()):
                break
        c.close()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def seconds_of(out):
    with open(f"{out}/results.jsonl") as f:
        return next(json.loads(line)["seconds"] for line in f if line.startswith('{"event":"method"'))


def watched(server, out):
    """As the page does it: events, and a view after them, at most twice a second, of steps every three seconds."""
    folder = server.run(out, {"max-steps": steps, "device": "cpu"})
    asked = [0.0]

    def on_line(line):
        kind = line[:24]
        now = time.monotonic()
        pause = 3 if b'"step"' in kind else 0.5
        if b'"event":' in kind and now - asked[0] >= pause:
            asked[0] = now
            server.ask("GET", f"api/view?folder={folder}")
        return kind.startswith(b'{"event":"done"')

    server.events(folder, on_line)
    while server.state(folder) == "running":
        time.sleep(0.05)
    return seconds_of(out)


def alone(out):
    subprocess.run([lethe, "run", "--quiet", *train, "--keep-each-task", "--out", out], check=True, stdout=subprocess.DEVNULL)
    return seconds_of(out)


def cost(server):
    ratios = []
    for i in range(rounds):
        first, second = (alone(f"alone{i}"), watched(server, f"open{i}")) if i % 2 == 0 else (None, watched(server, f"open{i}"))
        if first is None:
            first = alone(f"alone{i}")
        ratios.append(second / first)
        print(f"run alone {first:6.2f} s   with the page open {second:6.2f} s   ratio {second / first:.4f}", flush=True)
    print(f"a run with the page open takes {100 * (statistics.median(ratios) - 1):+.2f}% (median of {rounds})", flush=True)


def latency(server):
    """A folder that this script writes to, as a run does."""
    os.makedirs("late")
    with open("open0/results.jsonl") as f:
        first = f.readline()
    with open("late/results.jsonl", "w") as f:
        f.write(first)
    folder = None
    while not folder:
        folder = next((f["id"] for f in server.ask("GET", "api/folders")[1] if f["path"] == "late"), None)
        time.sleep(0.2)
    written, late = {}, []
    log = open("late/results.jsonl", "ab", buffering=0)

    def on_line(line):
        now = time.monotonic()
        event = json.loads(line)
        if event.get("event") == "wave":
            late.append(now - written[event["n"]])
        return len(late) == 100

    viewer = threading.Thread(target=server.events, args=(folder, on_line))
    viewer.start()
    time.sleep(0.5)
    for n in range(100):
        written[n] = time.monotonic()
        log.write(json.dumps({"event": "wave", "n": n}).encode() + b"\n")
        time.sleep(0.013 + 0.001 * (n % 37))
    viewer.join(timeout=20)
    late.sort()
    print(f"an event is at a viewer after {1000 * statistics.median(late):.0f} ms (median), {1000 * late[-1]:.0f} ms at most, of {len(late)}", flush=True)


def answers(server, folder, words):
    times = []
    for text in ["a good film", "not bad at all, though the end was slow and the music far too loud for the room", "dull"] * 5:
        began = time.monotonic()
        status, answer = server.ask("POST", "api/ask", {"folder": folder, "task": 1, "text": text})
        assert status == 200, answer
        times.append(time.monotonic() - began)
    times.sort()
    print(f"{len(answer['answers'])} states answer in {1000 * statistics.median(times):.0f} ms (median), {1000 * times[-1]:.0f} ms at most, {words}", flush=True)


server = Server()
try:
    cost(server)
    latency(server)
    setup = {"tasks": [{"builtin": "sentiment"}, {"builtin": "nli"}], "methods": ["full", "lora", "lora-seq"], "seeds": [1],
             "options": {"max-steps": "4", "eval-rows": "32", "device": "cpu", "no-diagnostics": "true"}, "out": "models"}
    folder = server.ask("POST", "api/run", setup)[1]["id"]
    while server.state(folder) == "running":
        time.sleep(0.1)
    began = time.monotonic()
    server.ask("GET", f"api/states?folder={folder}")
    server.ask("POST", "api/ask", {"folder": folder, "task": 1, "text": "a good film"})
    print(f"the first answer, with all models to be loaded, after {time.monotonic() - began:.1f} s", flush=True)
    answers(server, folder, "while nothing runs")
    busy = server.run("busy", {"device": "cpu"})
    time.sleep(6)
    answers(server, folder, "while a run is at work")
    server.ask("POST", "api/stop", {"id": busy})
    while server.state(busy) == "running":
        time.sleep(0.1)
finally:
    server.end()
