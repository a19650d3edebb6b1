"""Effects of claims: relative differences, the gate of chance, printed digits."""

import numpy as np
import pytest

from nasnb.report import effects


def test_a_relative_difference_is_the_same_at_every_scale_and_changes_sign_with_its_sides():
    assert effects.relative([3.0, 30.0], [2.7, 27.0]) == pytest.approx([200 * 0.3 / 5.7] * 2)
    assert effects.relative([2.0], [3.0]) == pytest.approx(-effects.relative([3.0], [2.0]))


def test_networks_at_chance_have_not_learned():
    assert effects.learned([30, 40], [21, 21], classes=10)
    assert not effects.learned([30, 40], [19, 20], classes=10)
    assert not effects.learned([60], classes=2, times=1.5) and not effects.learned([np.nan], classes=10)


def test_a_counted_number_is_compared_at_the_digits_that_were_printed():
    v2 = ("DARTS", "Table 1", "DARTS (2nd order)", "parameters_millions")  # printed 3.3
    assert effects.as_printed(3.27, *v2) and effects.as_printed(3.39, *v2)  # rounded, cut
    assert not effects.as_printed(3.24, *v2) and not effects.as_printed(3.41, *v2)
    macs = ("DARTS", "Table 3", "DARTS (2nd order)", "multiply_adds_millions")  # printed 574
    assert effects.as_printed(573.6, *macs) and not effects.as_printed(544.6, *macs)
    with pytest.raises(ValueError, match="DARTS, Table 1 has no parameters_millions of 'DARTS V2'"):
        effects.as_printed(3.3, "DARTS", "Table 1", "DARTS V2", "parameters_millions")
