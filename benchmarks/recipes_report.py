"""What the runs of recipes.py have shown, as lines of Markdown."""

import statistics

from .timing import spread

TITLES = {
    "a": "(a) the labs' recipe",
    "b": "(b) the same, without the square root",
    "c": "(c) diffusers, its tutorial's recipe",
    "c2": "(c2) diffusers' network, higher rate, larger batch",
    "d": "(d) ours",
}

DIFFERENCES = (
    "(a) and (b) have the settings of the labs (64 channels, batches of 100, a rate of 0.001 that falls, no "
    "averaging, 500 steps, β to 0.02) and this course's shortcut and schedule. (c) has the rate, batch, "
    "warm-up, clipping of gradients and scheduler of diffusers' tutorial, and a network small enough for 16 "
    "pixels. (a) and (b) train in float32, take the last weights, and let the guesses of the clean image be. "
    "(c) and (c2) train in bfloat16 where the processor has it, take the last weights, and clip these "
    "guesses, as the tutorial does. (d) trains as they do, takes the averaged weights, and clips. All draw "
    "in the same precision.",
    "",
    "The floor of the digits is of fewer than 200 images, for which this distance reads high. In five "
    "minutes (c2) and (d) see each of the 1,600 digits about a hundred times: that they end below the floor "
    "may be memory.",
)


def report(records: list[dict]) -> list[str]:
    """A section for each machine, number of threads, of minutes and of samples."""
    lines = []
    for group in sorted({_group(record) for record in records}, reverse=True):
        lines += _section([record for record in records if _group(record) == group])
    return lines or ["No run is stored yet: `python -m benchmarks.recipes`."]


def report_trials(trials: list[dict], records: list[dict]) -> list[str]:
    """What was tried with other settings, each beside (d) with the same seed; nothing if nothing was."""
    if not trials:
        return []
    lines = ["Variants of (d), in the same time, each beside (d) with the same seed:", ""]
    names = "Fréchet distance", "class accuracy", "images seen"
    lines += ["| data | seed | other settings | " + " | ".join(f"{name} | of (d)" for name in names) + " |"]
    lines += ["|---" * 9 + "|"]
    for trial in trials:
        key = _group(trial), trial["data"], trial["seed"]
        same = [r for r in records if (_group(r), r["data"], r["seed"]) == key and r["recipe"] == "d"]
        if same:
            ours = same[0]
            changed = {k: v for k, v in trial["settings"].items() if ours["settings"].get(k) != v}
            words = ", ".join(f"{name} {value}" for name, value in changed.items())
            lines.append(
                f"| {trial['data']} | {trial['seed']} | {words} | {trial['frechet']:.1f} | "
                f"{ours['frechet']:.1f} | {trial['accuracy']:.1%} | {ours['accuracy']:.1%} | "
                f"{trial['images_seen']:,} | {ours['images_seen']:,} |"
            )
    return [*lines, ""]


def _group(record: dict) -> tuple:
    return record["minutes"], record["threads"], record["samples"], record["machine"]


def _section(records: list[dict]) -> list[str]:
    minutes, threads, samples, machine = _group(records[0])
    dates = sorted({record["date"] for record in records})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    threads_in_words = "1 thread" if threads == 1 else f"{threads} threads"
    lines = [
        f"{minutes:g} minutes of training each on {threads_in_words} of {machine}, {when}; then {samples:,} "
        "samples with 50 steps of DDIM. Medians over the seeds, with their range.",
        "",
        "| data | recipe | seeds | Fréchet distance | class accuracy | images seen | seconds | MFLOP |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for data in dict.fromkeys(record["data"] for record in records):
        here = [record for record in records if record["data"] == data]
        for recipe in sorted({record["recipe"] for record in here}):
            runs = [record for record in here if record["recipe"] == recipe]
            lines.append(f"| {data} | {TITLES.get(recipe, recipe)} | {len(runs)} | " + _cells(runs) + " |")
        floor, accuracy = here[0]["floor"]["frechet"], here[0]["floor"]["accuracy"]
        lines.append(f"| {data} | other real images | | {floor:.2f} | {accuracy:.1%} | | | |")
    return [*lines, "", *_ratios(records), "", *DIFFERENCES, ""]


def _cells(runs: list[dict]) -> str:
    columns = (
        ("frechet", "{:.1f}"), ("accuracy", "{:.1%}"), ("images_seen", "{:,.0f}"), ("seconds", "{:.0f}"),
        ("mflop_an_image", "{:.0f}"),
    )  # fmt: skip
    return " | ".join(_median_and_range([run[name] for run in runs], form) for name, form in columns)


def _median_and_range(values: list[float], form: str) -> str:
    median, low, high = (
        form.format(value) for value in (statistics.median(values), min(values), max(values))
    )
    return median if low == high else f"{median} ({low} to {high})"


def _ratios(records: list[dict]) -> list[str]:
    """(d) over (a), and over the better of diffusers' two, from the same seeds."""
    lines = []
    for data in dict.fromkeys(record["data"] for record in records):
        distance = {(r["recipe"], r["seed"]): r["frechet"] for r in records if r["data"] == data}
        seeds = {key: {seed for recipe, seed in distance if recipe == key} for key in TITLES}
        # The two are compared on the seeds that both have; alone, the tutorial's recipe stands for diffusers.
        both = sorted(seeds["c"] & seeds["c2"])
        medians = (
            {key: statistics.median(distance[key, s] for s in both) for key in ("c", "c2")} if both else {}
        )
        alone = "c" if seeds["c"] else "c2"
        for other in ("a", min(medians, key=medians.get) if medians else alone):
            shared = sorted(seeds["d"] & seeds[other])
            if shared:
                values = [distance["d", seed] / distance[other, seed] for seed in shared]
                each = ", ".join(f"{value:.3f}" for value in values)
                lines.append(
                    f"- {data}: distance of (d) ÷ that of ({other}): {spread(values)}; seed by seed {each}."
                )
    return lines
