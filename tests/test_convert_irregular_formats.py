"""The other formats: what was injected, what `inspect` says, what the file holds or why not."""

import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from ace_nwb.conversion import convert
from ace_nwb.errors import InputError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.policies import parse_policies
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.fake_isx import write_isxd
from tests.fixtures.irregularities import CASES as OF_DAQ
from tests.fixtures.neuralynx_files import draw_samples, ttl, write_ncs, write_nev
from tests.fixtures.recordings import METADATA, cut_file, draw_frames, write_mapped_recording
from tests.simulators import (
    intan,
    miniscope_v3,
    onix,
    open_ephys,
    open_ephys_binary,
    spikeglx,
)

pytestmark = pytest.mark.usefixtures("fake_isx")
STATED = METADATA | {
    "NWBFile": {"session_description": "x", "session_start_time": "2025-06-12T15:26:31-04:00"}
}


def write_neuralynx(folder: Path) -> Path:
    folder.mkdir()
    write_ncs(folder / "CSC1.ncs", draw_samples(5120))
    write_nev(folder / "Events.nev", [ttl(3_000_100_000 + 50_000 * i, i % 2) for i in range(1, 9)])
    return folder


def write_stack(path: Path, frames: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    pages = [Image.fromarray(frame) for frame in frames]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    (path.parent / "ace-nwb.yaml").write_text(
        "movies: 'stack*.tif'\nframe_rate_hz: 20\nstart_time: 2025-06-12T15:26:31.176-04:00\n"
    )
    return path


def write_drifting_neuralynx(folder: Path) -> None:
    """Two segments with a gap; the board samples 80 ppm faster than its nominal rate."""
    starts = 3_000_000_000 + np.round(np.arange(20) * 512 / 2000.16 * 1e6).astype(np.int64)
    starts[12:] += 730_000
    samples = draw_samples(20 * 512)
    write_ncs(folder / "CSC1.ncs", samples, starts_us=starts, lengths=np.full(20, 512))


def write_stamped(folder: Path, name: str = "CSC1", *, late_us: np.ndarray | int) -> None:
    """Twenty records with stamps that are late by so much."""
    starts = 3_000_000_000 + 256_000 * np.arange(20) + late_us
    samples = draw_samples(20 * 512)
    write_ncs(folder / f"{name}.ncs", samples, starts_us=starts, lengths=np.full(20, 512))


def repeat_record(number: int) -> Callable[[Path], int]:
    def damage(folder: Path) -> int:
        path = folder / "CSC1.ncs"
        content, stop = path.read_bytes(), 16384 + 1044 * (number + 1)
        return path.write_bytes(content[:stop] + content[stop - 1044 : stop] + content[stop:])

    return damage


def overwrite(name: str, at: int, content: bytes) -> Callable[[Path], int]:
    def damage(folder: Path) -> int:
        path = folder / name
        whole = path.read_bytes()
        return path.write_bytes(whole[:at] + content + whole[at + len(content) :])

    return damage


def coded_message(words: str) -> Callable[[Path], int]:
    """A message as a Windows computer of Western Europe writes it."""

    def damage(folder: Path) -> int:
        write_nev(folder / "Events.nev", [(3_000_100_000, 0, words)])
        path = folder / "Events.nev"
        utf8 = words.encode()
        coded = words.encode("cp1252").ljust(len(utf8), b"\0")
        return path.write_bytes(path.read_bytes().replace(utf8, coded))

    return damage


WRITERS: dict[str, Callable[[Path], Path]] = {
    "v3": lambda folder: miniscope_v3.write_recording(folder).folder,
    "gui": lambda folder: open_ephys.write_recording(folder, lost=(9, 20)).folder,
    "onix": lambda folder: onix.write_acquisition(folder).folder,
    "onix numbered": lambda f: onix.write_acquisition(f, suffix="7", n_channels=16).folder,
    "neuralynx": write_neuralynx,
    "oeb": lambda folder: open_ephys_binary.write_recording(folder, n_samples=3000).folder,
    "intan": lambda folder: intan.write_recording(folder).folder,
    "spikeglx": lambda folder: spikeglx.write_recording(folder, duration_s=0.3).folder,
    "inscopix": lambda folder: write_isxd(folder / "m.isxd", draw_frames(9)).parent,
    "mapped": lambda folder: (folder.mkdir(), write_mapped_recording(folder))[1],
    "onix per frame": lambda folder: onix.write_acquisition(folder, values_per_frame=1).folder,
    "bonsai": lambda folder: open_ephys.write_recording(folder, is_gui=False).folder,
    "tiff": lambda folder: write_stack(folder / "stack.tif", draw_frames(9)).parent,
}


@dataclass(frozen=True)
class Case:
    """`says` is what `inspect` says; `holds` are data sets of the file and their lengths."""

    writer: str
    damage: Callable[[Path], object]
    says: str = ""
    policies: tuple[str, ...] = ()
    holds: tuple[tuple[str, int], ...] = ()


MOVIE = "acquisition/OnePhotonSeries/data"
LEDGER = "processing/sync/FrameLedger/id"


def only(folder: Path, pattern: str) -> Path:
    (path,) = sorted(folder.rglob(pattern))[:1]
    return path


def cut(pattern: str, share: float) -> Callable[[Path], None]:
    return lambda folder: cut_file(only(folder, pattern), share)


def text(pattern: str, old: str, new: str) -> Callable[[Path], int]:
    def damage(folder: Path) -> int:
        path = only(folder, pattern)
        content = path.read_text()
        assert re.search(old, content)
        return path.write_text(re.sub(old, new, content, count=1))

    return damage


def nothing(folder: Path) -> None:
    assert folder.is_dir()


def empty(pattern: str) -> Callable[[Path], int]:
    return lambda folder: only(folder, pattern).write_bytes(b"")


def remove(pattern: str) -> Callable[[Path], None]:
    return lambda folder: only(folder, pattern).unlink()


def chop(pattern: str, n_bytes: int) -> Callable[[Path], int]:
    def damage(folder: Path) -> int:
        path = only(folder, pattern)
        return path.write_bytes(path.read_bytes()[:-n_bytes])

    return damage


def step(pattern: str, at: int, change: Callable[[np.ndarray], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = only(folder, pattern)
        values = np.fromfile(path, np.uint64)
        change(values[at:])
        values.tofile(path)

    return damage


def add(amount: int) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values += np.uint64(amount)

    return change


def reverse_rows(pattern: str) -> Callable[[Path], int]:
    def damage(folder: Path) -> int:
        path = only(folder, pattern)
        header, *rows = path.read_text().splitlines()
        return path.write_text("\n".join([header, *rows[::-1]]) + "\n")

    return damage


def drop_lines(pattern: str, start: str) -> Callable[[Path], int]:
    def damage(folder: Path) -> int:
        path = only(folder, pattern)
        lines = path.read_text().splitlines()
        return path.write_text("\n".join(x for x in lines if not x.startswith(start)) + "\n")

    return damage


def rename(pattern: str, old: str, new: str) -> Callable[[Path], Path]:
    def damage(folder: Path) -> Path:
        path = only(folder, pattern)
        assert old in path.name
        return path.rename(path.with_name(path.name.replace(old, new)))

    return damage


def digital_table(row: str, end: str = "") -> Callable[[Path], int]:
    """Twenty rows of clock, inputs and buttons in place of the raw files."""

    def damage(folder: Path) -> int:
        for path in folder.glob("digital-*"):
            path.unlink()
        rows = "".join(row.format(1_000_000 + 9000 * n, n % 2) for n in range(20))
        return (folder / "digital-input_0.csv").write_text(rows + end)

    return damage


CUT = ("cut_samples=salvage",)
AC, DC = (f"acquisition/ElectricalSeriesRHS2116{kind}/data" for kind in ("AC", "DC"))
SALVAGE = ("cut_movies=salvage",)
CASES = {
    "V3: a movie cut": Case("v3", cut("msCam2.avi", 0.5), r"msCam2\.avi is cut off"),
    "V3: a movie cut, salvaged": Case(
        "v3", cut("msCam2.avi", 0.5), "cut_movies=salvage", SALVAGE, ((LEDGER, 57),)
    ),
    "V3: a movie missing": Case("v3", remove("msCam2.avi"), "was expected once"),
    "V3: no table": Case("v3", remove("timestamp.dat"), r"timestamp\.dat does not exist"),
    "V3: a word in the table": Case("v3", text("timestamp.dat", r"\n1\t", "\nx\t"), "holds 'x"),
    "V3: no settings": Case("v3", remove("settings_and_notes.dat"), holds=((MOVIE, 57),)),
    "GUI: lost frames counted by the recorder": Case(
        "gui", lambda folder: None, holds=((MOVIE, 38), (LEDGER, 40))
    ),
    "GUI: a number that is none": Case("gui", text("*.csv", r"\n5,", "\nfive,"), "holds 'five'"),
    "GUI: rows in another order": Case(
        "gui",
        reverse_rows("*.csv"),
        r"holds frame \d+, behind frame \d+.*\(unsorted_rows=sort\)",
        holds=((MOVIE, 38), (LEDGER, 40)),
    ),
    "mapped: rows in another order, without numbers": Case(
        "mapped", reverse_rows("t.csv"), "500 ms follows 550 ms"
    ),
    "mapped: rows in another order": Case(
        "mapped",
        lambda folder: [
            reverse_rows("t.csv")(folder),
            text("ace-nwb.yaml", "time_column", "frame_column: n\ntime_column")(folder),
        ],
        r"\(unsorted_rows=sort\)",
        holds=((MOVIE, 12),),
    ),
    "Bonsai: rows in another order": Case(
        "bonsai", reverse_rows("*quat*"), r"\(unsorted_rows=sort\)", holds=((MOVIE, 40),)
    ),
    "V3: rows in another order": Case(
        "v3", reverse_rows("timestamp.dat"), r"\(unsorted_rows=sort\)", holds=((MOVIE, 57),)
    ),
    "V3: rows missing in the middle": Case(
        "v3", drop_lines("timestamp.dat", "1\t20\t"), "56 rows, fewer.*; their numbers say which"
    ),
    "V3: rows missing in the middle, interpolated": Case(
        "v3",
        drop_lines("timestamp.dat", "1\t20\t"),
        r"their numbers say which.*\(missing_rows=extrapolate\)",
        ("missing_rows=extrapolate",),
        ((MOVIE, 57), (LEDGER, 57)),
    ),
    "GUI: no ISO time": Case("gui", text("*.csv", r"2026-03-01T", "yesterday "), "no ISO time"),
    "GUI: the movie cut": Case("gui", cut("*.avi", 0.7), "is cut off"),
    "GUI: the movie cut, salvaged": Case(
        "gui", cut("*.avi", 0.7), "cut_movies=salvage", SALVAGE, ((LEDGER, 40),)
    ),
    "GUI: rows missing": Case(
        "gui", chop("*.csv", 900), "fewer than the 38 frames|has . of 9 cells"
    ),
    "ONIX: a clock of another movie": Case("onix", chop("*v4-clock*", 8 * 700), "18240"),
    "ONIX: samples cut": Case(
        "onix",
        chop("rhs2116pair-ac*", 70),
        "the 5998 whole ones are read",
        holds=(("acquisition/ElectricalSeriesRHS2116AC/data", 5998), (MOVIE, 30)),
    ),
    "ONIX: a pause": Case(
        "onix",
        step("rhs2116pair-clock*", 2500, add(10**8)),
        holds=(("acquisition/ElectricalSeriesRHS2116AC0/data", 2500), (MOVIE, 30)),
    ),
    "ONIX: one clock value a frame": Case("onix per frame", nothing, holds=((MOVIE, 30),)),
    "ONIX: the movie cut": Case("onix", cut("*.avi", 0.7), r"\.avi is cut off: 19 of 30"),
    "ONIX: the movie cut, salvaged": Case(
        "onix",
        cut("*.avi", 0.7),
        "cut_movies=salvage",
        SALVAGE,
        ((MOVIE, 19), (LEDGER, 30)),
    ),
    "ONIX: half a row of the BNO055": Case("onix", chop("bno055*", 9), "line 50 has 1. of 15"),
    "ONIX: half a row of the BNO055, left out": Case(
        "onix",
        chop("bno055*", 9),
        "cut_row=leave_out",
        ("cut_row=leave_out",),
        (("processing/behavior/HeadOrientation/data", 49), (MOVIE, 30)),
    ),
    "ONIX: a word in the BNO055": Case("onix", text("bno055*", r"\n\d+,", "\nx,"), "holds 'x'"),
    "ONIX: an empty BNO055": Case("onix", empty("bno055*"), "has 1 columns"),
    "ONIX: no BNO055": Case("onix", remove("bno055*"), holds=((MOVIE, 30),)),
    "ONIX: port status of something else": Case(
        "onix",
        lambda folder: only(folder, "port-status*").write_text("a,b\nc\n"),
        r"1 row\(s\) that are no message",
        holds=((MOVIE, 30),),
    ),
    "ONIX: port status whose first line breaks off": Case(
        "onix",
        lambda folder: only(folder, "port-status*").write_text("2024-03-01T,15\nT,2500000,4\n"),
        r"1 row\(s\) that are no message",
        holds=(("events/PortStatus/code", 1),),
    ),
    "ONIX: analog samples cut": Case(
        "onix",
        chop("analog-data*", 100),
        "397 are read",
        holds=(("acquisition/AnalogInput/data", 397), ("acquisition/AnalogCO2/data", 400)),
    ),
    "ONIX: no analog clock": Case("onix", remove("analog-clock*"), "has no analog-clock file"),
    "ONIX: no analog clock, left out": Case(
        "onix",
        remove("analog-clock*"),
        "has no analog-clock file.*missing_clocks=leave_out",
        ("missing_clocks=leave_out",),
        ((MOVIE, 30), (AC, 6000)),
    ),
    "ONIX: no amplifier clock": Case(
        "onix", remove("rhs2116pair-clock*"), r"pair-ac\S+ has no rhs2116pair-clock file"
    ),
    "ONIX: no amplifier clock, left out": Case(
        "onix",
        remove("rhs2116pair-clock*"),
        r"pair-dc\S+ has no rhs2116pair-clock file",
        ("missing_clocks=leave_out",),
        ((MOVIE, 30), ("acquisition/AnalogInput/data", 400)),
    ),
    "ONIX: no clock of any stream": Case(
        "onix",
        lambda folder: [
            path.unlink() for path in folder.glob("*-clock_*") if "v4" not in path.name
        ],
        r"pair-ac\S+ has no rhs2116pair-clock",
    ),
    "ONIX: no clock of any stream, left out": Case(
        "onix",
        lambda folder: [
            path.unlink() for path in folder.glob("*-clock_*") if "v4" not in path.name
        ],
        r"pair-ac\S+ has no rhs2116pair-clock.*analog-data\S+ has no analog.*pins\S+ has no dig",
        ("missing_clocks=leave_out",),
        ((MOVIE, 30),),
    ),
    "ONIX: no digital clock": Case(
        "onix", remove("digital-clock*"), r"digital-\w+_\S+ has no digital-clock file"
    ),
    "ONIX: no digital clock, left out": Case(
        "onix",
        remove("digital-clock*"),
        "has no digital-clock file",
        ("missing_clocks=leave_out",),
        ((MOVIE, 30), (AC, 6000)),
    ),
    "ONIX: no frame clock": Case(
        "onix", remove("ucla-miniscope-v4-clock*"), "lacks the movie or the frame clock"
    ),
    "ONIX: no movie": Case("onix", remove("*.avi"), "lacks the movie or the frame clock"),
    "ONIX: AC of another start": Case(
        "onix", rename("rhs2116pair-ac*", "12_34_56", "14_00_00"), "are of two starts"
    ),
    "ONIX: the movie of another start": Case(
        "onix", rename("*.avi", "12_34_56", "12_36_00"), "are of two starts"
    ),
    "ONIX: writers that began seconds apart": Case(
        "onix", rename("rhs2116pair-ac*", "12_34_56", "12_34_59"), holds=((AC, 6000),)
    ),
    "ONIX: numbered files of two starts": Case(
        "onix numbered", rename("analog-data*", "_7", "_8"), "are of two starts"
    ),
    "ONIX: AC cut in the middle": Case(
        "onix", cut("rhs2116pair-ac*", 0.7), r"is cut off: it holds 4200\S+ samples of 32 channels"
    ),
    "ONIX: AC cut in the middle, salvaged": Case(
        "onix", cut("rhs2116pair-ac*", 0.7), "cut_samples", CUT, ((AC, 4200), (DC, 6000))
    ),
    "ONIX: AC cut to half": Case(
        "onix", cut("rhs2116pair-ac*", 0.5), "holds 3000.00 samples of 32 channels, its clock 6000"
    ),
    "ONIX: AC cut to half, salvaged": Case(
        "onix", cut("rhs2116pair-ac*", 0.5), "cut_samples", CUT, ((AC, 3000), (DC, 6000))
    ),
    "ONIX: the amplifier clock cut": Case(
        "onix", cut("rhs2116pair-clock*", 0.5), "6000.00 samples of 32 channels, its clock 3000"
    ),
    "ONIX: the amplifier clock cut, salvaged": Case(
        "onix", cut("rhs2116pair-clock*", 0.5), "cut_samples", CUT, ((AC, 3000), (DC, 3000))
    ),
    "ONIX: AC of 16 channels cut to half": Case(
        "onix numbered", cut("rhs2116-ac*", 0.5), "holds 3000.00 samples of 16 channels"
    ),
    "ONIX: AC alone": Case("onix", remove("rhs2116pair-dc*"), holds=((AC, 6000), (MOVIE, 30))),
    "ONIX: DC alone": Case("onix", remove("rhs2116pair-ac*"), holds=((DC, 6000), (MOVIE, 30))),
    "ONIX: digital inputs in a table": Case(
        "onix", digital_table("{0},{1},0\n"), holds=(("events/DigitalInput0/level", 19),)
    ),
    "ONIX: half a line of digital inputs": Case(
        "onix", digital_table("{0},{1},0\n", "1000000"), r"line 21 breaks off \(1 of 3 cells\)"
    ),
    "ONIX: half a line of digital inputs, left out": Case(
        "onix",
        digital_table("{0},{1},0\n", "1000000"),
        "line 21 breaks off",
        ("cut_row=leave_out",),
        (("events/DigitalInput0/level", 19),),
    ),
    "ONIX: a word among digital inputs": Case(
        "onix", digital_table("{0},{1},0\n", "x,0,0\n9,0,0\n"), "line 21 holds 'x,0,0'"
    ),
    "ONIX: a single analog stream cut": Case(
        "onix",
        chop("CO2*", 3),
        "holds 399 values, the analog clock 400",
        holds=(("acquisition/AnalogInput/data", 400),),
    ),
    "ONIX: digital words cut": Case("onix", chop("digital-pins*", 1), "holds 20 bytes for 21"),
    "ONIX: an empty digital clock": Case(
        "onix", empty("digital-clock*"), r"digital-clock\S+ is empty"
    ),
    "ONIX: DC samples cut": Case(
        "onix",
        chop("rhs2116pair-dc*", 64),
        "the 5999 whole ones are read",
        holds=(("acquisition/ElectricalSeriesRHS2116DC/data", 5999),),
    ),
    "ONIX: no recovery words": Case(
        "onix",
        remove("rhs2116pair-recovery*"),
        holds=(("acquisition/ElectricalSeriesRHS2116AC/data", 6000),),
    ),
    "Bonsai: whole": Case(
        "bonsai", nothing, holds=((MOVIE, 40), ("processing/behavior/HeadOrientation/data", 40))
    ),
    "Bonsai: half a row of quaternions": Case(
        "bonsai", chop("*quat*", 15), "39 rows, fewer than the 40|has . of . cells"
    ),
    "TIFF: whole": Case("tiff", nothing, holds=((MOVIE, 9),)),
    "TIFF: a stack cut": Case("tiff", cut("*.tif", 0.6), r"stack\.tif is cut off or damaged"),
    "TIFF: a stack of another size": Case(
        "tiff", lambda folder: write_stack(folder / "stack2.tif", draw_frames(2, 9, 9)), "be alike"
    ),
    "ONIX: a clock that goes back": Case(
        "onix", step("rhs2116pair-clock*", 2500, lambda v: v.__setitem__(0, 1)), "runs forwards"
    ),
    "ONIX: no start time in its file": Case(
        "onix", lambda folder: only(folder, "start-time*").write_text("?\n"), "holds no time stamp"
    ),
    "Neuralynx: the last record cut": Case(
        "neuralynx",
        chop("*.ncs", 300),
        "cut off after 744 bytes",
        holds=(("acquisition/ElectricalSeries/data", 4608),),
    ),
    "Neuralynx: the last record cut, refused": Case(
        "neuralynx", chop("*.ncs", 300), "cut off after 744 bytes", ("partial_streams=refuse",)
    ),
    "ONIX: samples cut, refused": Case(
        "onix", chop("rhs2116pair-ac*", 70), "the 5998 whole ones", ("partial_streams=refuse",)
    ),
    "Open Ephys: samples cut, all refused": Case(
        "oeb", chop("continuous.dat", 20), "2997 samples are read", ("all=refuse",)
    ),
    "Neuralynx: an event cut": Case(
        "neuralynx",
        chop("*.nev", 100),
        r"events end in a record cut off.*\(partial_streams=keep\)",
        holds=(("events/TTLBoard0Port0Bit0/timestamp", 7),),
    ),
    "Neuralynx: every eighth record late": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, late_us=38 * (np.arange(20) % 8 == 3)),
        holds=(("acquisition/ElectricalSeries/data", 20 * 512),),
    ),
    "Neuralynx: one sample lost": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, late_us=500 * (np.arange(20) >= 10)),
        holds=(
            ("acquisition/ElectricalSeries0/data", 5120),
            ("acquisition/ElectricalSeries1/data", 5120),
        ),
    ),
    "Neuralynx: a record twice": Case(
        "neuralynx",
        repeat_record(4),
        r"holds 1 record\(s\) twice; each is read once",
        holds=(("acquisition/ElectricalSeries/data", 5120),),
    ),
    "Neuralynx: a second start": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, "CSC1_0001", late_us=9_000_000),
        holds=(
            ("acquisition/ElectricalSeries0/data", 5120),
            ("acquisition/ElectricalSeries1/data", 20 * 512),
        ),
    ),
    "Neuralynx: a second start on a new clock": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, "CSC1_0001", late_us=-2_000_000),
        "the clock of the system began anew. There are 2 starts of 2.6, 5.1 s",
    ),
    "Neuralynx: a second start on a new clock, the last read": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, "CSC1_0001", late_us=-2_000_000),
        r"began anew.*\(clock_restarts=last\)",
        ("clock_restarts=last",),
        (("acquisition/ElectricalSeries/data", 20 * 512),),
    ),
    "Neuralynx: a clock that begins anew in the file": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, late_us=-5_000_000 * (np.arange(20) >= 8)),
        "within the file, after samples until",
    ),
    "Neuralynx: a clock that begins anew in the file, the longest read": Case(
        "neuralynx",
        lambda folder: write_stamped(folder, late_us=-5_000_000 * (np.arange(20) >= 8)),
        r"\(clock_restarts=longest\)",
        ("clock_restarts=longest",),
        (("acquisition/ElectricalSeries/data", 12 * 512),),
    ),
    "Neuralynx: 1e300 Hz": Case(
        "neuralynx",
        lambda folder: write_ncs(
            folder / "CSC1.ncs", draw_samples(5120), SamplingFrequency="1e300"
        ),
        r"-SamplingFrequency 1e\+300",
    ),
    "Neuralynx: more samples than a record holds": Case(
        "neuralynx", overwrite("CSC1.ncs", 16384 + 16, b"\xff\xff\0\0"), "holds 65535 samples"
    ),
    "Neuralynx: a message in a code page": Case(
        "neuralynx",
        lambda folder: write_nev(folder / "Events.nev", [(3_000_100_000, 0, "Gr\xf6\xdfe")]),
        holds=(("events/NeuralynxMessages/text", 1),),
    ),
    "Neuralynx: a message in a code page, not UTF-8": Case(
        "neuralynx", coded_message("Gr\xf6\xdfe 5 \xb5l"), r"event 0 is not UTF-8.*cp1252: 'Gr\xf6"
    ),
    "Neuralynx: a message in a code page, stated": Case(
        "neuralynx",
        coded_message("Gr\xf6\xdfe 5 \xb5l"),
        policies=("text_encoding=cp1252",),
        holds=(("events/NeuralynxMessages/text", 1),),
    ),
    "Open Ephys: 1e300 Hz": Case(
        "oeb",
        text("*.oebin", r'"sample_rate": [0-9.]+', '"sample_rate": 1e300'),
        "1e\\+300 samples",
    ),
    "Neuralynx: a gap and a drifting board": Case(
        "neuralynx",
        write_drifting_neuralynx,
        holds=(
            ("acquisition/ElectricalSeries0/data", 12 * 512),
            ("acquisition/ElectricalSeries1/data", 8 * 512),
        ),
    ),
    "Neuralynx: events alone": Case(
        "neuralynx", remove("*.ncs"), holds=(("events/TTLBoard0Port0Bit0/timestamp", 8),)
    ),
    "Neuralynx: an empty event file alone": Case(
        "neuralynx",
        lambda folder: [(folder / "CSC1.ncs").unlink(), write_nev(folder / "Events.nev", [])],
        "no samples in them, nor events alone",
    ),
    "Neuralynx: no events": Case(
        "neuralynx", remove("*.nev"), holds=(("acquisition/ElectricalSeries/data", 5120),)
    ),
    "Neuralynx: a header alone": Case(
        "neuralynx",
        lambda folder: (folder / "CSC2.ncs").write_bytes(
            (folder / "CSC1.ncs").read_bytes()[:16384]
        ),
        "holds a header and no samples",
        holds=(("acquisition/ElectricalSeries/data", 5120),),
    ),
    "Open Ephys: samples cut": Case(
        "oeb",
        chop("continuous.dat", 20),
        "2997 samples are read",
        holds=(("acquisition/ElectricalSeries/data", 2997),),
    ),
    "Open Ephys: no sample numbers": Case(
        "oeb", lambda folder: [p.unlink() for p in folder.rglob("continuous/*/*.npy")], "none of"
    ),
    "Open Ephys: a structure that is none": Case(
        "oeb", lambda folder: only(folder, "*.oebin").write_text("[]"), "A JSON object was expected"
    ),
    "Intan: a block cut": Case("intan", chop("*.rhd", 500), r"\.rhd is cut off: \d+ bytes follow"),
    "Intan: a block cut, salvaged": Case(
        "intan",
        chop("*.rhd", 500),
        "cut_samples=salvage",
        ("cut_samples=salvage",),
        (("acquisition/ElectricalSeries/data", 12_800 - 128),),
    ),
    "Intan: two files": Case(
        "intan",
        lambda folder: (folder / "b.rhd").write_bytes(only(folder, "*.rhd").read_bytes()),
        "One file with all channels",
    ),
    "SpikeGLX: the NI-DAQ alone": Case(
        "spikeglx",
        lambda folder: shutil.rmtree(only(folder, "run_g0_imec0")),
        holds=(("acquisition/Nidq/data", 7500), ("events/NidqLine0/level", 6)),
    ),
    "SpikeGLX: the probe alone": Case(
        "spikeglx",
        lambda folder: [path.unlink() for path in folder.glob("**/*nidq*")],
        holds=(("acquisition/ElectricalSeriesImec0Ap/data", 9000),),
    ),
    "SpikeGLX: an entry missing": Case(
        "spikeglx", text("*nidq.meta", "niSampRate", "rate"), "run_g0 cannot be read"
    ),
    "SpikeGLX: half a sample at the end": Case(
        "spikeglx", chop("*.ap.bin", 3), r"ap\.bin is cut off: 89997 of 90000 bytes|is cut off"
    ),
    "SpikeGLX: half a sample at the end, salvaged": Case(
        "spikeglx",
        chop("*.ap.bin", 3),
        "cut_samples=salvage",
        ("cut_samples=salvage",),
        (("acquisition/ElectricalSeriesImec0Ap/data", 8999), ("acquisition/Nidq/data", 7500)),
    ),
    "SpikeGLX: whole samples lost at the end": Case(
        "spikeglx", chop("*nidq.bin", 4000), r"nidq\.bin is cut off"
    ),
    "Inscopix: the movie cut": Case(
        "inscopix", cut("*.isxd", 0.5), "cannot be read as an Inscopix"
    ),
    "mapped: a movie cut, salvaged": Case(
        "mapped", cut("part10.mkv", 0.9), "cut_movies=salvage", SALVAGE, ((LEDGER, 12),)
    ),
    "mapped: a word in the times": Case("mapped", text("t.csv", r"\n150000,", "\nlost,"), "'lost'"),
    "mapped: a word in the times, interpolated": Case(
        "mapped",
        text("t.csv", r"\n150000,", "\nlost,"),
        r"'lost'.*\(unreadable_stamps=interpolate\)",
        ("unreadable_stamps=interpolate",),
        ((MOVIE, 12), (LEDGER, 12)),
    ),
    "mapped: half a row at the end": Case(
        "mapped", text("t.csv", r"\n$", "\n6000"), "has 1 of 2 cells"
    ),
    "GUI: half a row at the end": Case("gui", text("*.csv", r"\n$", "\n41,99"), "has 2 of 9 cells"),
    "mapped: no such column": Case("mapped", text("t.csv", "usec", "time"), "usec"),
}


def test_with_those_of_miniscope_daq_there_are_a_hundred_cases():
    assert len(CASES) + len(OF_DAQ) >= 100


@pytest.mark.parametrize("name", CASES)
def test_irregularity(tmp_path, name):
    case = CASES[name]
    folder = WRITERS[case.writer](tmp_path / "raw")
    case.damage(folder)
    options = SourceOptions(policies=parse_policies(case.policies), timezone="-04:00")
    said = "\n".join(inspect_folder(folder, metadata=STATED, options=options).problems)
    assert re.search(case.says, said, re.DOTALL) if case.says else not said, said
    out = tmp_path / "out" / "session.nwb"
    out.parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not case.holds:
            with pytest.raises(InputError) as caught:
                convert(folder, out, metadata=STATED, options=options)
            assert re.search(case.says, str(caught.value), re.DOTALL)
            assert list(out.parent.iterdir()) == []
            return
        convert(folder, out, metadata=STATED, options=options)
    with h5py.File(out) as h5:
        for path, length in case.holds:
            assert len(h5[path]) == length, path
        if "partial_streams=keep" in said:
            assert h5["processing/misc/stage_runs/warnings"].asstr()[0]
        if MOVIE in h5:
            series = h5["acquisition/OnePhotonSeries"]
            assert len(series["data"]) == (h5[LEDGER.replace("id", "movie_frame")][:] >= 0).sum()


def test_segments_of_a_drifting_board_stand_at_their_true_times(tmp_path):
    folder = write_neuralynx(tmp_path / "raw")
    write_drifting_neuralynx(folder)
    out = convert(folder, tmp_path / "out.nwb", metadata=STATED)
    with h5py.File(out) as h5:
        first, second = (h5[f"acquisition/ElectricalSeries{n}/starting_time"] for n in range(2))
        assert first[()] == 0
        assert second[()] == pytest.approx(12 * 512 / 2000.16 + 0.73, abs=2e-6)
        for start in (first, second):
            assert start.attrs["rate"] == pytest.approx(2000.16, rel=5e-6)
