"""What is incomplete in the streams of an ONIX acquisition, each under its policy."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.number_tables import CUT_ROW_EXPECTED
from ace_nwb.interfaces.policies import Irregularity, Policies, partial_streams


@dataclass(frozen=True)
class Findings:
    """Collects what policies decide on while the streams are read."""

    policies: Policies
    found: list[Irregularity] = field(default_factory=list)

    def incomplete(self, sentence: str) -> None:
        """Note a stream of which some part is left out."""
        self.found.extend(partial_streams([sentence], policies=self.policies, device="ONIX"))

    def without_clock(self, paths: Iterable[Path], *, clock: str) -> None:
        """Note files whose samples nothing says the time of."""
        for path in paths:
            self._note(
                "missing_clocks",
                path,
                f"{path} has no {clock} file beside it, so nothing says when its values were taken",
                "The clock that Bonsai writes with it was expected; copy it from the acquisition "
                "computer.",
            )

    def cut(self, path: Path, found: str) -> None:
        """Note samples or a clock that break off long before the other."""
        self._note(
            "cut_samples",
            path,
            f"{path} is cut off: {found}",
            "Samples and clock of equal length were expected. Copy the files again from their "
            "source.",
        )

    def cut_row(self, path: Path, line: int, *, n_cells: int, of: int) -> None:
        """Note a last line that breaks off."""
        found = f"{path} line {line} breaks off ({n_cells} of {of} cells)"
        self._note("cut_row", path, found, CUT_ROW_EXPECTED)

    def _note(self, policy: str, path: Path, found: str, expected: str) -> None:
        choice = self.policies[policy]
        self.found.append(Irregularity(policy, choice, path.name, 1, found, expected, EphysError))
