import tempfile
import unittest
from pathlib import Path

from peergate_client import FileCursors, MemoryCursors
from peergate_client.cursors import CursorSaver


class CursorsTest(unittest.IsolatedAsyncioTestCase):
    async def test_a_file_keeps_the_last_cursor_and_nothing_else(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "cursor")
            cursors = FileCursors(path)
            self.assertIsNone(await cursors.load())
            await cursors.save("log.1")
            await cursors.save("log.2")
            self.assertEqual(await FileCursors(path).load(), "log.2")
            self.assertEqual([found.name for found in path.parent.iterdir()], ["cursor"])

    async def test_while_a_save_runs_only_the_newest_cursor_waits(self) -> None:
        saved: list[str] = []

        class Cursors(MemoryCursors):
            async def save(self, cursor: str) -> None:
                saved.append(cursor)

        saver = CursorSaver(Cursors(), lambda error: self.fail(str(error)))
        for cursor in ("log.1", "log.2", "log.3"):
            saver.save(cursor)
        await saver.idle()
        self.assertEqual(saved, ["log.3"])
