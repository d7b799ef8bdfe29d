"""The smallest useful app: it conforms, tells once, and reads its cases."""

from pathlib import Path

from baotu.apps.manufacturing import overheat
from baotu.apps.manufacturing.overheat import Overheat
from baotu.sdk import Priority, Quality
from baotu.sdk.testing import check_app, feed, samples
from baotu.sdk.testing.appcases import run_app_cases
from baotu.sdk.view import in_language


def test_overheat_is_a_conforming_app():
    check_app(Overheat)


def test_its_cases_hold(baotu_bench):
    assert run_app_cases(Path(overheat.__file__).parent / "cases", Overheat, baotu_bench)


def test_it_tells_once_and_ends_below_the_margin():
    app = Overheat(limit=80.0)
    facts = [
        f for part in ([70.0, 85.0], [90.0], [76.0], [74.0]) for f in feed(app, samples(7, part))
    ]

    assert [(f.tag, f.active, f.priority) for f in facts] == [
        (7, True, Priority.HIGH),
        (7, False, Priority.HIGH),
    ]


def test_bad_and_uncertain_values_are_no_evidence():
    app = Overheat(limit=80.0)

    assert feed(app, samples(7, [200.0], quality=Quality.BAD_SENSOR_FAILURE)) == []
    assert feed(app, samples(7, [200.0], quality=Quality.UNCERTAIN)) == []


def test_every_motor_has_its_own_state():
    app = Overheat(limit=80.0)
    facts = [
        *feed(app, samples(1, [85.0])),
        *feed(app, samples(2, [85.0])),
        *feed(app, samples(1, [86.0])),
    ]

    assert [f.tag for f in facts] == [1, 2]


def test_the_message_says_it_in_both_languages():
    [alarm] = feed(Overheat(limit=80.0), samples(7, [85.0]))

    assert in_language(alarm.message, "zh") == "电机温度 85.0 °C，上限 80.0 °C"
    assert in_language(alarm.message, "en") == "Motor at 85.0 °C, limit 80.0 °C"
