"""The kernel's count of waiting processes as a share of the time between two looks."""

from pathlib import Path

from statefall.load.pressure import PRESSURE, ProcessorPressure


def told(file: Path, total_us: int) -> None:
    file.write_text(
        f"some avg10=1.00 avg60=2.00 avg300=3.00 total={total_us}\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    )


def test_the_share_is_that_of_the_time_since_the_last_look(tmp_path: Path) -> None:
    file, moments = tmp_path / "cpu", iter([10.0, 12.0, 13.0, 14.0])
    told(file, 1_000_000)
    pressure = ProcessorPressure(file, lambda: next(moments))
    told(file, 1_500_000)
    assert pressure.share() == 0.25
    told(file, 2_500_000)
    assert pressure.share() == 1.0
    assert pressure.share() == 0.0


def test_a_machine_that_does_not_tell_has_none(tmp_path: Path) -> None:
    moments = iter([10.0, 12.0, 14.0])
    pressure = ProcessorPressure(tmp_path / "cpu", lambda: next(moments))
    assert pressure.share() is None
    (tmp_path / "cpu").write_text("nonsense\n")
    assert pressure.share() is None


def test_this_machine_tells_where_its_kernel_does() -> None:
    share = ProcessorPressure().share()
    assert (share is None) == (not PRESSURE.is_file()) or 0.0 <= (share or 0.0) <= 1.0
