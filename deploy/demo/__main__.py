"""`python -m deploy.demo`: exit code 0 only if every promise held. DEMO_EXIT=1 ends it right after the tables.

Without it the nodes go on serving, so that their pages can be looked at, until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from deploy.demo import proof
from deploy.demo.county import County
from deploy.demo.display import Display
from deploy.demo.facts import Sample
from deploy.demo.processes import StoryFailed
from deploy.demo.story import Story
from deploy.demo.tables import show

INTERRUPTED = 130


async def demo(folder: Path, display: Display, sample: Sample) -> bool:
    """Tell the story, check every promise, show both; true if all held."""
    county = County.found(folder, sample)
    try:
        with display:
            story = Story(county, display)
            await story.tell()
            display.step("verifying every log, rebuilding every read model, counting the raw facts")
            evidence = await proof.gather(county, sample)
        promises = list(proof.judge(county, sample, evidence, story.kills))
        show(display, county, evidence, promises)
        good = all(promise.held for promise in promises)
        if good:
            display.console.print(f"\n[green]Every promise held.[/] {display.elapsed_s():.0f} s in all.")
            if not os.environ.get("DEMO_EXIT"):
                await stay(county, display)
    except BaseException:
        await end(county)
        raise
    if not await end(county):
        display.console.print("[bold red]BROKEN[/]  a node did not stop cleanly within 5 s of SIGTERM")
        return False
    return good


async def end(county: County) -> bool:
    """Stop everything; a second Ctrl-C does not leave half of it running."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    return await county.end()


async def stay(county: County, display: Display) -> None:
    """Leave everything running until Ctrl-C."""
    display.console.print("\nThe nodes are still there. Open their pages, and end with Ctrl-C:")
    for node in county.nodes:
        if node.server:
            display.console.print(f"  {node.name:<8} {node.server.url}")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    display.console.print("\nStopping …")


async def interruptible(folder: Path, display: Display, sample: Sample) -> bool:
    """The demo, ended in order by Ctrl-C or SIGTERM."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await demo(folder, display, sample)


def main() -> int:
    """The command line: no options, one environment variable."""
    sample = Sample.load()
    display = Display({code: len(sample.of(code)) for code in sample.homes()})
    folder = Path(tempfile.mkdtemp(prefix="homeward-demo-"))
    code = 1
    try:
        code = 0 if asyncio.run(interruptible(folder, display, sample)) else 1
    except asyncio.CancelledError:
        code = INTERRUPTED
    except StoryFailed as failure:
        display.console.print("[bold red]BROKEN[/]  ", end="")
        display.console.print(str(failure), markup=False)
    finally:
        leave(folder, display, code)
    return code


def leave(folder: Path, display: Display, code: int) -> None:
    """Say how it went; keep what the nodes left behind only if somebody has to look at it."""
    if code == 1:
        display.console.print(
            f"\n[bold red]FAILED[/] after {display.elapsed_s():.0f} s. The nodes' folders and output:"
        )
        display.console.print(str(folder), soft_wrap=True)
        return
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
