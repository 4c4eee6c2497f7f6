"""Tests of package zre with the real program, on loopback. They send beacons: run them in a network namespace, as `go test ./clients/python` does."""

import asyncio
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import unittest
import uuid

import zre

TOOL = os.environ.get("ZRE_TOOL", "zre")


class Network(unittest.IsolatedAsyncioTestCase):
    """Nodes of one test are a network of their own."""

    def setUp(self) -> None:
        self.port = random.randrange(12_000, 22_000)
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def node(self, name: str = "", **options) -> zre.Node:
        return zre.Node(name, interface="127.0.0.1", port=self.port, **options)

    async def next(self, node: zre.Node, kind: str) -> zre.Event:
        async def find() -> zre.Event:
            async for event in node.events():
                if event.kind == kind:
                    return event
            raise AssertionError(f"no event {kind}")
        return await asyncio.wait_for(find(), 20)

    async def test_messages(self) -> None:
        async with self.node("alice", groups=["CHAT"], headers={"role": "ca=mera", "empty": ""}) as alice:
            self.assertEqual("alice", alice.name)
            self.assertTrue(alice.endpoint.startswith("tcp://127.0.0.1:"))
            async with self.node("bob") as bob:
                enter = await self.next(bob, "enter")
                self.assertEqual(("alice", alice.uuid, "idle"), (enter.name, enter.peer, enter.state))
                self.assertEqual({"role": "ca=mera", "empty": ""}, enter.headers)
                await self.next(alice, "enter")
                await bob.join("CHAT")
                self.assertEqual("CHAT", (await self.next(alice, "join")).group)
                await alice.shout("CHAT", "grüße", b"\xff\x00", "")
                match await self.next(bob, "shout"):
                    case zre.Event(name="alice", group="CHAT", frames=frames) as shout:
                        self.assertEqual(("grüße".encode(), b"\xff\x00", b""), frames)
                        self.assertEqual("grüße", shout.text)
                    case other:
                        self.fail(other)
                await bob.whisper(alice.uuid)
                self.assertEqual(((b"",), ""), ((whisper := await self.next(alice, "whisper")).frames, whisper.text))
                await alice.set_state("processing")
                self.assertEqual("processing", (await self.next(bob, "state")).state)
                [peer] = await alice.peers()
                self.assertEqual((bob.uuid, "bob", ("CHAT",)), (peer.uuid, peer.name, peer.groups))
                self.assertTrue(0 < await alice.ping(bob.uuid) < 5)
                await alice.flush(bob.uuid)
                await bob.leave("CHAT")
                await self.next(alice, "leave")
            exit = await self.next(alice, "exit")
            self.assertEqual(("bob", "left"), (exit.name, exit.reason))
        self.assertEqual([], [event async for event in alice.events()])

    async def test_requests(self) -> None:
        async with self.node("asks") as asks, self.node("answers") as answers, self.node("mute", discard=True) as mute:
            heard = asyncio.Event()

            async def serve() -> None:
                async for event in answers.events():
                    if event.kind == "request" and event.text == "wait":
                        heard.set()
                    if event.kind == "request" and event.text == "time":
                        await answers.reply(event, "noon", b"\xff")
                    elif event.kind == "request" and event.text == "trouble":
                        await answers.reply_error(event, "none today")
            serving = asyncio.create_task(serve())
            for _ in range(2):
                await self.next(asks, "enter")
            self.assertEqual((b"noon", b"\xff"), await asks.request(answers.uuid, "time"))
            with self.assertRaisesRegex(zre.ReplyError, "none today") as caught:
                await asks.request(answers.uuid, "trouble")
            self.assertEqual("reply_error", caught.exception.code)
            with self.assertRaisesRegex(TimeoutError, "no reply within 50ms"):
                await asks.request(answers.uuid, "nothing", timeout=0.05)
            with self.assertRaises(zre.NoHandler):
                await asks.request(mute.uuid, "time")
            many = [asks.request(answers.uuid, "time") for _ in range(200)]
            self.assertEqual({(b"noon", b"\xff")}, set(await asyncio.gather(*many)))
            left = asyncio.create_task(asks.request(answers.uuid, "wait"))
            await heard.wait()
            await answers.close()
            with self.assertRaises(zre.PeerGone):
                await left
            await serving

    async def test_errors(self) -> None:
        async with self.node() as node:
            nobody = str(uuid.uuid4())
            for call, error, says in [
                (node.whisper(nobody, "x"), zre.UnknownPeer, "no such peer"),
                (node.whisper(nobody, "x"), LookupError, "no such peer"),
                (node.request(nobody, "x"), zre.UnknownPeer, "no such peer"),
                (node.request(nobody, "x"), zre.PeerGone, "no such peer"),
                (node.ping(nobody), zre.UnknownPeer, "no such peer"),
                (node.whisper("bob", "x"), zre.InvalidCommand, '"bob": not a UUID'),
                (node.join("g" * 256), zre.InvalidValue, "256"),
                (node.shout("", "x"), ValueError, "group"),
                (node.command("dance"), zre.InvalidCommand, "no command"),
                (node.command("join", groop="G"), zre.InvalidCommand, "groop"),
                (node.set_state("busy"), zre.CommandError, "choose"),
                (node.shout("G", *["x"] * 1024), zre.TooLarge, "frames"),
            ]:
                with self.subTest(says=says), self.assertRaisesRegex(error, says):
                    await call
            with self.assertRaises(TypeError):
                await node.shout("G", 7)
            await node.join("G")  # it goes on
        for call in (node.join("G"), self.node().join("G")):
            with self.assertRaises(zre.NodeEnded):
                await call

    async def test_start_fails(self) -> None:
        for options, says, status in [({"port": "http"}, "--port", 2), ({"nonsense": True}, "no option --nonsense", 2), ({"groups": [""]}, "--group", 2),
                                      ({"cert": self.folder / "none"}, "none", 1)]:
            with self.subTest(options=options), self.assertRaisesRegex(zre.NodeEnded, says) as caught, self.assertLogs("zre"):
                async with zre.Node(**({"interface": "127.0.0.1", "port": self.port} | options)):
                    self.fail("it runs")
            self.assertEqual(status, caught.exception.status)
        with self.assertRaisesRegex(zre.Error, "tells how to install"):
            async with self.node(program=self.folder / "none"):
                self.fail("it runs")
        with self.assertRaises(zre.Error), self.assertLogs("zre"):
            async with self.node(program="/bin/echo"):
                self.fail("it runs")

    async def test_killed(self) -> None:
        async with self.node("a") as a, self.node("b") as b:
            await self.next(a, "enter")
            waiting = asyncio.create_task(a.request(b.uuid, "x"))
            await self.next(b, "request")
            a._process.kill()
            with self.assertRaises(zre.NodeEnded) as caught:
                await waiting
            self.assertEqual(-signal.SIGKILL, caught.exception.status)
            with self.assertRaises(zre.NodeEnded):
                async for _ in a.events():
                    pass
            with self.assertRaises(zre.NodeEnded):
                await a.join("G")
            self.assertIn((await self.next(b, "exit")).reason, ("crashed", "unreachable"))

    async def test_order(self) -> None:
        async with self.node("a") as a, self.node("b") as b:
            await self.next(a, "enter")
            await asyncio.gather(*(a.whisper(b.uuid, str(i)) for i in range(1000)))
            self.assertEqual([str(i) for i in range(1000)], [(await self.next(b, "whisper")).text for _ in range(1000)])

    async def test_large(self) -> None:
        async with self.node("a") as a, self.node("b") as b:
            await self.next(a, "enter")
            frame = random.randbytes(20 << 20)
            await a.whisper(b.uuid, frame, "x")
            self.assertEqual((frame, b"x"), (await self.next(b, "whisper")).frames)

    async def test_full_buffer(self) -> None:
        """A node that reads no events holds its buffer and no more; its commands are answered for some time; nothing is lost."""
        size, count = 20_000, 500
        async with self.node("a") as a, self.node("b", buffer=10 * size) as b:
            await self.next(a, "enter")
            for i in range(count):
                await a.whisper(b.uuid, f"{i:0{size}}")
            await self.until(lambda: b._size > b._buffer)
            self.assertLess(b._size, b._buffer + 2 * size)
            caught = None
            for _ in range(2000):  # each lets some more come
                try:
                    await asyncio.wait_for(b.join("G"), 20)
                except zre.UnreadEvents as error:
                    caught = error
                    break
            self.assertIn("read events in another", str(caught))
            self.assertLess(b._size, 8 * b._buffer + 2 * size)
            for i in range(count):
                self.assertEqual(i, int((await self.next(b, "whisper")).text[-9:]))
            await b.join("H")

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    async def test_ends_unread(self) -> None:
        """The farewell comes, also from a node whose events nobody reads."""
        async with self.node("a") as a:
            async with self.node("b", buffer=1000) as b:
                await self.next(a, "enter")
                for _ in range(200):
                    await a.whisper(b.uuid, "x" * 10_000)
                await a.flush(b.uuid)
            self.assertEqual("left", (await self.next(a, "exit")).reason)
            self.assertEqual(0, b._process.returncode)

    async def test_exception_inside(self) -> None:
        async with self.node("a") as a:
            with self.assertRaises(ZeroDivisionError):
                async with self.node("b"):
                    await self.next(a, "enter")
                    1 / 0
            self.assertEqual("left", (await self.next(a, "exit")).reason)

    async def test_cancelled(self) -> None:
        """A command that is given up leaves nothing behind."""
        async with self.node("a") as a, self.node("b") as b:
            await self.next(a, "enter")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(a.request(b.uuid, "x"), 0.05)
            self.assertEqual(({}, {}), (a._pending, a._answers))
            await b.reply(await self.next(b, "request"), "late")
            await a.flush(b.uuid)

    async def test_secure(self) -> None:
        (self.folder / "friends").mkdir()
        for name in ("alice", "bob", "eve"):
            subprocess.run([TOOL, "keygen", self.folder / name], check=True, capture_output=True)
            if name != "eve":
                (self.folder / "friends" / name).write_bytes((self.folder / name).read_bytes())

        def secure(name: str) -> zre.Node:
            return self.node(name, cert=self.folder / name, authorize=[self.folder / "friends"])

        async with secure("alice") as alice, secure("eve") as eve, secure("bob") as bob:
            enter = await self.next(alice, "enter")
            self.assertEqual("bob", enter.name)
            await alice.whisper(bob.uuid, "psst")
            self.assertEqual("psst", (await self.next(bob, "whisper")).text)
            self.assertEqual([], await eve.peers())


class Readme(unittest.TestCase):
    def test_example(self) -> None:
        """The example of the README is Python, and names what there is."""
        text = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
        example = text.split("```python\n")[1].split("```")[0]
        compile(example, "README.md", "exec")
        for name in re.findall(r"node\.(\w+)|zre\.(\w+)\(", example):
            name = "".join(name)
            self.assertTrue(hasattr(zre, name) or hasattr(zre.Node, name), name)


class Fake(unittest.IsolatedAsyncioTestCase):
    """What the real program does seldom, done by a script."""

    def program(self, script: str) -> pathlib.Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / "zre"
        path.write_text("#!/bin/sh\necho '{\"event\":\"ready\",\"uuid\":\"u\",\"name\":\"n\",\"endpoint\":\"e\"}'\n" + script)
        path.chmod(0o755)
        return path

    async def test_lost(self) -> None:
        lost = '{"event":"error","error":"2 messages to bob were not sent","peer":"p","name":"bob","messages":2,"bytes":7}'
        program = self.program(f"cat >/dev/null; echo '{lost}'; exit 1")
        with self.assertRaisesRegex(zre.MessagesLost, "2 messages to bob") as caught:
            async with zre.Node(program=program):
                pass
        self.assertEqual(7, caught.exception.losses[0]["bytes"])
        with self.assertRaises(KeyError):  # which is the more important one
            async with zre.Node(program=program):
                raise KeyError

    async def test_frozen(self) -> None:
        node = zre.Node(program=self.program("exec sleep 1000"))
        async with node:
            command = asyncio.create_task(node.join("G"))
            await asyncio.sleep(0)
            await node.close(timeout=0.1)
            with self.assertRaises(zre.NodeEnded):
                await command
            self.assertEqual(-signal.SIGKILL, node._process.returncode)

    async def test_unknown_code(self) -> None:
        """An error of a later version is a CommandError, and so is an event an event."""
        script = """while read -r line; do echo '{"event":"endpoint","peer":"u","endpoint":"e2"}'; echo '{"event":"news","peer":"p","x":[1]}'; echo '{"event":"error","id":1,"code":"later","error":"no"}'; done"""
        async with zre.Node(program=self.program(script)) as node:
            with self.assertRaises(zre.CommandError) as caught:
                await node.join("G")
            self.assertEqual("later", caught.exception.code)
            self.assertEqual("e2", node.endpoint)
            async for event in node.events():
                self.assertEqual(("news", "p", [1]), (event.kind, event.peer, event.data["x"]))
                break


if __name__ == "__main__":
    unittest.main()
