"""What the launcher's tests have other processes do."""

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from glo_lightning.errors import SettingsError, StudyError


def sign(folder: Path, *names: str) -> None:
    """Leave a file with the values of environment variables."""
    (folder / str(os.getpid())).write_text(" ".join(os.environ.get(name, "-") for name in names))


def warn(folder: Path) -> None:
    """Log something, a traceback and what a level leaves out among it."""
    logger = logging.getLogger("glo_lightning.elsewhere")
    logger.info("nobody hears this at the default level")
    logger.warning("%d %% of it is gone", 50)
    try:
        folder.joinpath("missing").read_text()
    except FileNotFoundError:
        logger.exception("and the rest")


def die_once(folder: Path) -> None:
    """Get killed the first time, and finish the second."""
    try:
        (folder / "died").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise SettingsError("a", "b", "C.")


def refuse_with_a_private_error() -> None:
    class PrivateError(StudyError):
        pass

    raise PrivateError("a", "b", "C.")


def crash_as_rank_1(folder: Path) -> None:
    """Rank 1 crashes once while rank 0 waits for it in vain."""
    (folder / f"rank {os.environ['LOCAL_RANK']} at port {os.environ['MASTER_PORT']}").touch()
    try:
        if os.environ["LOCAL_RANK"] == "1":
            (folder / "crashed").touch(exist_ok=False)
            while not list(folder.glob("rank 0*")):
                time.sleep(0.01)
            raise ValueError("rank 1 has had enough")
    except FileExistsError:
        return
    if not (folder / "crashed").exists() or len(list(folder.glob("rank 0*"))) == 1:
        time.sleep(600)


def give_back_when_interrupted(folder: Path) -> None:
    (folder / f"{os.getpid()} began").touch()
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        (folder / f"{os.getpid()} gave back").touch()
        raise


def give_back_when_terminated(folder: Path) -> None:
    """Be sent a SIGTERM the first time, and finish the second."""
    if list(folder.glob("* began")):
        return
    (folder / f"{os.getpid()} began").touch()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    except KeyboardInterrupt:
        (folder / f"{os.getpid()} gave back").touch()
        raise


def hear_nothing(folder: Path) -> None:
    """Go on whatever one is asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    (folder / f"{os.getpid()} began").touch()
    time.sleep(600)


def launch(folder: Path, workers: int) -> None:
    """Be a launcher; for a process that will be killed."""
    import functools

    from glo_lightning.search.workers.local import LocalLauncher

    LocalLauncher(functools.partial(give_back_when_interrupted, folder), [{}] * workers).run()


class DiesOnArrival:
    """Kills the process that it is sent to before that process has begun; with a folder, only the first one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            if self.folder is not None:
                (self.folder / "died").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self) -> Any:
        assert self.folder is not None
        (self.folder / "done").touch()


class FailsOnArrival(DiesOnArrival):
    """Ends the process that it is sent to with an error, as a module that cannot be imported does."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise ImportError("no such module")
