"""What the suite can't see of the two libraries, because it gives every subject pipes: files and sockets as stdin and stdout,
what a function does that may not read on, and what a child process inherits."""
import json, os, shutil, signal, socket, subprocess, sys, tempfile, time, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROBES = {"python": [sys.executable, os.path.join(HERE, "python", "probe.py")]}
if shutil.which("node"):
    PROBES["node"] = ["node", os.path.join(HERE, "node", "probe.mjs")]
ENV = {"PATH": os.environ["PATH"], "FAAS_MODE": "stream", "FAAS_ENCODING": "json"}


def event(kind, **data):
    return {"specversion": "1.0", "id": "1", "source": "/checks", "type": "fsi.probe." + kind, "data": data}


def lines(*messages):
    return b"".join(json.dumps(message).encode() + b"\n" for message in ({"hello": {"fsi": "1.0"}}, *messages))


PRINT = lines({"call": 1, "event": event("print", text="stray"), "end": {}}, {"call": 2, "event": event("read"), "end": {}})


class Checks(unittest.TestCase):
    def each(self, check):
        for name, command in PROBES.items():
            with self.subTest(name):
                check(command)

    def answered(self, output, log):
        messages = [json.loads(line) for line in output.splitlines()]
        self.assertIn("hello", messages[0])
        events = {message["call"]: message["event"] for message in messages if "event" in message}
        self.assertEqual(events[1], event("print", text="stray"))
        self.assertEqual(events[2]["data"], {"bytes": 0})
        self.assertEqual(log.count(b"stray"), 3)

    def test_files(self):
        def check(command):
            with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
                stdin.write(PRINT)
                stdin.seek(0)
                stdout.write(b"before\n")                # as a shell's >> or a script's second command: the position is shared
                stdout.flush()
                self.assertEqual(subprocess.run(command, stdin=stdin, stdout=stdout, stderr=stderr, env=ENV, timeout=20).returncode, 0)
                stdout.seek(0)
                stderr.seek(0)
                before, output = stdout.read().split(b"\n", 1)
                self.assertEqual(before, b"before")
                self.answered(output, stderr.read())
        self.each(check)

    def test_sockets(self):
        def check(command):
            ours, theirs = socket.socketpair()
            with ours, theirs, subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=ENV) as process:
                theirs.close()
                ours.sendall(PRINT)
                ours.shutdown(socket.SHUT_WR)
                with ours.makefile("rb") as stdout:
                    self.answered(stdout.read(), process.stderr.read())
                self.assertEqual(process.wait(20), 0)
        self.each(check)

    def test_back_pressure_at_concurrency_1(self):
        """A busy function reads a message limit ahead and no more, and still obeys SIGTERM."""
        def check(command):
            environment = {**ENV, "FAAS_CONCURRENCY": "1", "FAAS_MAX_MESSAGE_BYTES": "65536"}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            with subprocess.Popen(command, env=environment, **pipes) as process:
                process.stdin.write(lines({"call": 1, "event": event("wait")}))
                process.stdin.flush()
                process.stdout.readline()
                self.assertIn(b"fsi.probe.waiting", process.stdout.readline())
                written, message = 0, json.dumps({"call": 1, "event": event("echo", text="x" * 10000)}).encode() + b"\n"
                os.set_blocking(process.stdin.fileno(), False)
                deadline = time.monotonic() + 1          # that it reads no more can only be seen by waiting
                while time.monotonic() < deadline:
                    try:
                        written += os.write(process.stdin.fileno(), message[written % len(message):])
                    except BlockingIOError:
                        time.sleep(0.01)
                self.assertLess(written, 1 << 20)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(json.loads(process.stdout.readline())["end"]["code"], "UNAVAILABLE")
                process.wait(5)
        self.each(check)

    def test_nothing_is_inherited(self):
        """A child of user code has 0, 1 and 2, and none of them is a stream of the protocol."""
        look = {"python": "import faas, subprocess; subprocess.run(['ls', '-l', '/proc/self/fd'])",
                "node": "import('./faas.mjs').then(() => import('node:child_process')).then((child) => child.execFileSync('ls', "
                        "['-l', '/proc/self/fd'], { stdio: 'inherit' })).then(() => process.exit())"}
        for name in PROBES if os.path.isdir("/proc/self/fd") else ():
            with self.subTest(name):
                command = [PROBES[name][0], "-c" if name == "python" else "-e", look[name]]
                process = subprocess.run(command, input=b"", capture_output=True, env=ENV, cwd=os.path.join(HERE, name), timeout=20)
                self.assertEqual(process.stdout, b"")
                entries = [line.split()[-3:] for line in process.stderr.decode().splitlines() if "->" in line]
                listed = {number: target for number, _, target in entries if not target.startswith("/proc/")}
                self.assertEqual(set(listed), {"0", "1", "2"}, process.stderr)
                self.assertEqual((listed["0"], listed["1"]), ("/dev/null", listed["2"]))


if __name__ == "__main__":
    unittest.main()
