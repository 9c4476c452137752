"""What to do about what a report warns of: one short text per topic, at the end of the page.

Commands and parameters stand between backticks; `{file}` becomes the name of the session file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """What a warning means and what helps, most likely cause first."""

    name: str
    title: str
    meaning: str
    steps: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Where links to it lead."""
        return f"help-{self.name}"

    def about(self, file_name: str) -> "Topic":
        """Return the same with the name of the session file in its commands."""
        steps = tuple(step.replace("{file}", file_name) for step in self.steps)
        return Topic(self.name, self.title, self.meaning, steps)


TOPICS = (
    Topic(
        "sync",
        "Sync",
        "Each frame should stand on its own TTL pulse, and the two clocks should drift by less "
        "than 100 ppm, evenly. Spans without pulses are interpolated and marked as of low "
        "confidence.",
        (
            "Not aligned yet: `ace-nwb sync {file}`.",
            "Few frames matched: see which TTL lines there are with `ace-nwb inspect` on the raw "
            "folders, and name the right one: `ace-nwb sync {file} --line NAME`.",
            "A drift beyond 500 ppm is no drift: pulses were counted twice or by halves. Say how "
            "the line marks a frame: `ace-nwb sync {file} --pulse-mode pulse` or `toggle`.",
            "Pulses missing in one span: a loose cable. Analyse around it, or leave it out with "
            "the confidence of every frame in `processing/sync/FrameLedger`.",
        ),
    ),
    Topic(
        "frames",
        "Frames",
        "Frames that were captured but not stored are lost for good; their places are known and "
        "kept as gaps. A few scattered ones do no harm.",
        (
            "Many lost: record to a faster disk, at a lower frame rate or a smaller field, with "
            "no other program writing.",
            "All in one span: a cable or the commutator; compare with the behaviour camera.",
            "Time stamps that do not increase: convert again with a policy for them; "
            "`ace-nwb inspect` on the raw folder names the policies that would do.",
        ),
    ),
    Topic(
        "motion",
        "Motion",
        "Shifts of a few pixels are usual. Frames at the edge of the search may have moved "
        "further than was looked for.",
        (
            "Not registered yet: `ace-nwb process motion {file}`.",
            "Frames at the edge: search further with "
            "`ace-nwb process motion {file} --max-shift-px 40`.",
            "Low quality in spans, or shifts that jump: the structures that guide the registration "
            "are of another size; try `--filter-radius-px` of half and of twice its value.",
            "Shifts that grow all along: the baseplate is loose, or the focus drifts.",
        ),
    ),
    Topic(
        "rois",
        "ROIs",
        "Neurons are sought by local correlation and peak-to-noise ratio, then judged against the "
        "movie by signal-to-noise ratio and by the footprint's correlation with it.",
        (
            "Not sought yet: `ace-nwb run {file}`.",
            "None or few: check the diameter of a cell on the images of this page and set "
            "`extract.cell_diameter_px`; then lower `extract.min_correlation` or "
            "`extract.min_peak_to_noise`.",
            "Many rejected: look at them with `ace-nwb curate {file}`; for a noisy movie lower "
            "`evaluate.min_snr`.",
            "Outlines on vessels or on the edge: raise `extract.min_peak_to_noise`, or crop with "
            "`preprocess.crop_row_start` and its fellows.",
        ),
    ),
    Topic(
        "validation",
        "Validation",
        "Errors, critical findings and violations keep a file from archives such as DANDI; hints "
        "do not.",
        (
            "See all of them: `ace-nwb validate {file}`.",
            "Missing metadata (subject, species, age): `ace-nwb describe {file}` adds them "
            "afterwards.",
            "Damage after a crash or a full disk: `ace-nwb recover {file}`.",
        ),
    ),
    Topic(
        "stale",
        "Stages out of date",
        "A stage is stale when something it was computed from has been computed again since. Its "
        "results are still those of the earlier input.",
        (
            "Bring everything up to date: `ace-nwb run {file}`.",
            "See why: `ace-nwb status {file}`.",
        ),
    ),
    Topic(
        "remarks",
        "Remarks of the stages",
        "Nothing is left out in silence: a stage says what it could not use, and with which "
        "numbers. Most remarks need no action.",
        (
            "Something left out that you need: the remark names the parameter; "
            "`ace-nwb process STAGE --help` explains it, and "
            "`ace-nwb process STAGE {file} --NAME VALUE` runs the stage again.",
            "Every run with all parameters: `ace-nwb history {file}`.",
        ),
    ),
)
