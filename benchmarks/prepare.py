"""`litmus prepare` on dirty sources of a known truth (MB=5000 for 5 GB): what it finds, its memory, and its speed over
the same work by hand in DuckDB"""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.dirty import KINDS, RECIPE, Dirt, made_up_sentences, sentences_of
from benchmarks.memory import private

ROOT = Path(__file__).parents[1]
SIZE = float(os.environ.get("MB", 200))  # of the sources
FILE = 100.0  # MB, at most
MEMORY = "500MB"  # of the engine
COMPARED = 400.0  # MB, at most, of which the same is done by hand
HELD_OUT = 500
BY_HAND = """
SET memory_limit = '{memory}'; SET threads = 2; SET preserve_insertion_order = false; SET temp_directory = '{folder}';
CREATE TABLE raw AS
  SELECT review AS text, CASE stars WHEN '1' THEN 0 WHEN '5' THEN 1 END AS label, 0 AS held FROM read_csv('{raw}/*.csv',
    header = true, all_varchar = true, ignore_errors = true, strict_mode = false, encoding = 'utf-8')
  UNION ALL SELECT body, CASE verdict WHEN 'no' THEN 0 WHEN 'yes' THEN 1 END, 0 FROM read_json('{raw}/*.jsonl',
    format = 'newline_delimited', ignore_errors = true, columns = {{body: 'VARCHAR', verdict: 'VARCHAR'}})
  UNION ALL SELECT body, CASE verdict WHEN 'no' THEN 0 WHEN 'yes' THEN 1 END, 1 FROM read_json('{raw}/held.json',
    format = 'newline_delimited', columns = {{body: 'VARCHAR', verdict: 'VARCHAR'}});
CREATE TABLE clean AS SELECT *, md5(lower(regexp_replace(text, '\\s+', ' ', 'g'))) AS key FROM (SELECT trim(
    regexp_replace(regexp_replace(regexp_replace(nfc_normalize(text), '</?[A-Za-z][^<>]*>', '', 'g'),
    '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]', '', 'g'), '[ \\t]+', ' ', 'g')) AS text, label, held FROM raw)
  WHERE length(text) > 0 AND label IS NOT NULL;
CREATE TABLE kept AS SELECT text, label, held, CASE WHEN held = 1 THEN 'test' WHEN hash(key) % 10 = 0 THEN 'validation'
    ELSE 'train' END AS split, hash(key) AS place FROM (SELECT *, row_number() OVER (PARTITION BY key ORDER BY held
    DESC) AS turn, min(label) OVER (PARTITION BY key) AS low, max(label) OVER (PARTITION BY key) AS high FROM clean)
  WHERE held = 1 OR (turn = 1 AND low = high);
COPY (SELECT * FROM kept ORDER BY split, place) TO '{folder}/kept.parquet' (COMPRESSION zstd, ROW_GROUP_SIZE 2048);
"""


def measure(scratch: Path) -> Iterator[str]:
    raw = scratch / "dirty"
    raw.mkdir()
    start = time.perf_counter()
    truth = write(raw)
    size = sum(path.stat().st_size for path in raw.iterdir()) / 1e6
    yield f"{size:,.0f} MB made in {time.perf_counter() - start:.0f} s, {len(truth):,} records of them planted"
    some = scratch / "some"
    some.mkdir()
    for path in [raw / "held.json", *sorted(raw.glob("0*"))[: max(2, round(COMPARED / FILE))]]:
        os.link(path, some / path.name)
    part = sum(path.stat().st_size for path in some.iterdir()) / 1e6
    conf = scratch / "conf"
    conf.mkdir()
    (conf / "default.yaml").write_text((ROOT / "conf" / "prepare" / "default.yaml").read_text())
    (conf / "dirty.yaml").write_text(f"defaults: [default, _self_]\n{RECIPE}")

    seconds, cpu, peak = run(prepare_command(conf, some, scratch / "exact"))
    by_hand = BY_HAND.format(memory=MEMORY, folder=scratch, raw=some)
    hand_seconds, hand_cpu, hand_peak = run([sys.executable, "-c", f"import duckdb; duckdb.sql({by_hand!r})"])
    yield (
        f"{part:,.0f} MB without near-duplicates {part / seconds:.1f} MB/s, {cpu:.0f} CPU s, {peak:.0f} MB at "
        f"most; by hand {part / hand_seconds:.1f} MB/s, {hand_cpu:.0f} CPU s, {hand_peak:.0f} MB: "
        f"{hand_seconds / seconds:.2f} of its speed"
    )
    more = ["near_duplicates.threshold=0.7"]
    seconds, cpu, peak = run(prepare_command(conf, raw, scratch / "near", *more))
    yield f"all with near-duplicates {size / seconds:.1f} MB/s, {cpu:.0f} CPU s, {peak:.0f} MB at most"
    yield from judge(scratch / "near", truth)


def write(raw: Path) -> list[dict[str, object]]:
    """Sources in files of the same size, of real sentences where IMDB is at hand."""
    reviews = Path(os.environ.get("LITMUS_DATA", "data"), "aclImdb", "train", "unsup")
    reviews = reviews if reviews.exists() else reviews.with_name("pos")
    texts = [path.read_text() for path in sorted(reviews.glob("*.txt"))[:5000]] if reviews.exists() else []
    sentences = sentences_of(texts) if texts else made_up_sentences(50_000, 0)
    held = Dirt(sentences, [], -1)
    held_out = [held.text() for _ in range(HELD_OUT)]
    lines = (json.dumps({"body": text, "verdict": "no"}) for text in held_out)
    (raw / "held.json").write_text("\n".join(lines) + "\n")
    count = max(2, round(SIZE / FILE))
    names = [f"{index:03}.{'csv' if index % 2 else 'jsonl'}" for index in range(count)]
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(Dirt(sentences, held_out, index).write, raw / name, round(SIZE * 1e6 / count))
            for index, name in enumerate(names)
        ]
        return [row for job in jobs for row in job.result()]


def prepare_command(conf: Path, raw: Path, output: Path, *overrides: str) -> list[str]:
    values = [f"root={raw}", f"output={output}", f"memory={MEMORY}", "profile=false", "workers=2", *overrides]
    code = (
        "from pathlib import Path; from litmus.prepare.config import load; from litmus.prepare.prepare import prepare\n"
        f"if __name__ == '__main__': prepare(load('dirty', {values!r}, Path({str(conf)!r})))"
    )
    script = conf / "run.py"
    script.write_text(code)
    return [sys.executable, str(script)]


def run(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds, and MB at most, of a process and all that it starts."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak, ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.1):
            peak = max(peak, sum(map(private, family(process.pid))) / 1000)

    watcher = threading.Thread(target=watch)
    before = os.times()
    watcher.start()
    _, errors = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {errors[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu, peak


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def judge(folder: Path, truth: list[dict[str, object]]) -> Iterator[str]:
    """Precision and recall of each reason, and what became of the records that should stay."""
    import duckdb

    rows = duckdb.connect().execute(f"SELECT _file, _row, reason FROM '{folder}/rejects/*.parquet'").fetchall()
    found = {(file, row): reason for file, row, reason in rows}
    expected: dict[tuple[str, int], str] = {}
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for row in truth:
        kind = str(row["kind"])
        key = (str(row["file"]), int(str(row["line"])))
        got = found.get(key, "kept")
        by_kind[kind][got] += 1
        if KINDS[kind][1] is not None:
            expected[key] = str(KINDS[kind][1])
    for reason in sorted({*expected.values(), *found.values()}):
        right = sum(found.get(key) == reason for key, value in expected.items() if value == reason)
        planted = sum(value == reason for value in expected.values())
        rejected = sum(value == reason for value in found.values())
        precision, recall = right / max(rejected, 1), right / max(planted, 1)
        yield f"{reason}: precision {precision:.4f} of {rejected:,}, recall {recall:.4f} of {planted:,}"
    kept = [kind for kind, (_, reason) in KINDS.items() if reason is None]
    wrong = [f"{by_kind[kind].total() - by_kind[kind]['kept']} of {by_kind[kind].total():,} {kind}" for kind in kept]
    yield f"rejected of those that should stay: {', '.join(wrong)}"
    texts = {
        (file, row): text
        for file, row, text in duckdb.connect()
        .execute(
            f"SELECT _file, _row, text FROM '{folder}/train/*.parquet' UNION ALL SELECT _file, _row, text FROM "
            f"'{folder}/validation/*.parquet'"
        )
        .fetchall()
    }
    mended = [row for row in truth if row["text"] is not None]
    right = sum(texts.get((row["file"], row["line"])) == row["text"] for row in mended)
    yield f"mended texts equal to what they were: {right:,} of {len(mended):,}"
