"""What a command costs beside its work: seconds of every verb on a tiny job, and the heaviest of its imports.

Wall and processor seconds of a whole process, the median of some; for a search also up to its first candidate, when it
says what it searches. Imports are those of one more run, by package, without what they import in turn.

    OMP_NUM_THREADS=1 python tests/benchmarks/startup.py [--verbs search theory] [--repeats 3]
"""

import argparse
import collections
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE_EPOCH = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu"]
TINY = [
    "--search.generations=1",
    "--search.population_size=4",
    "--search.comparison_seeds=0",
    "--search.finalist_seeds=1",
    *ONE_EPOCH,
]
JOBS = {
    "search": TINY,
    "report": ["runs/search"],
    "theory": ["baikal"],
    "train": ONE_EPOCH,
    "compare": ["--losses", "baikal", "mse", "--compare.seeds=2", *ONE_EPOCH],
    "export": ["baikal"],
}
"""A tiny job for each verb; the report is that of the search."""

FIRST = "searching"
"""How the line begins that a search says before its first candidate."""

IMPORT = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)")


def run(verb: str, folder: str, *flags: str) -> tuple[dict[str, float], str]:
    """Run a verb, and return its seconds by name, and what it said."""
    if verb == "search":
        shutil.rmtree(Path(folder, "runs", "search"), ignore_errors=True)
    command = [sys.executable, *flags, "-m", f"glo_lightning.{verb}", *JOBS[verb]]
    begin, seconds, said = time.perf_counter(), {}, []
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if line.startswith(FIRST) and "first wall" not in seconds:
            seconds |= {"first wall": time.perf_counter() - begin, "first cpu": processor_seconds(process.pid)}
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{verb} failed:\n{''.join(said)}")
    return {**seconds, "wall": time.perf_counter() - begin, "cpu": usage.ru_utime + usage.ru_stime}, "".join(said)


def processor_seconds(pid: int) -> float:
    """Return what a running process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def heaviest_imports(said: str) -> str:
    """Return the five packages whose own files took the longest to import."""
    seconds: collections.Counter[str] = collections.Counter()
    for microseconds, module in IMPORT.findall(said):
        seconds[module.partition(".")[0]] += int(microseconds) / 1e6
    return ", ".join(f"{package} {spent:.2f}" for package, spent in seconds.most_common(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"{'verb':8} {'wall s':>7} {'cpu s':>7} {'first: wall':>12} {'cpu':>6}  heaviest imports, s")
    with tempfile.TemporaryDirectory() as folder:
        if "report" in options.verbs and "search" not in options.verbs:
            run("search", folder)
        for verb in options.verbs:
            rounds = [run(verb, folder)[0] for _ in range(options.repeats)]
            middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
            first = f"{middle['first wall']:12.2f} {middle['first cpu']:6.2f}" if verb == "search" else " " * 19
            imports = heaviest_imports(run(verb, folder, "-X", "importtime")[1])
            print(f"{verb:8} {middle['wall']:7.2f} {middle['cpu']:7.2f} {first}  {imports}", flush=True)


if __name__ == "__main__":
    main()
