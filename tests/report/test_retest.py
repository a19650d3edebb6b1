"""Published numbers tested again: answers known beforehand, and what may not be tested."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.published.claims import claim
from nasnb.published.numbers import published, retests
from nasnb.report import retest
from nasnb.report.retest import retested
from nasnb.report.summaries import Difference, Summary, mean_difference, welch


def answers(paper, says):
    """The findings of the lines of a paper whose sentence begins so."""
    lines = [row for row in retests(paper).itertuples() if row.says == says or row.says.startswith(f"{says} ")]
    return [retest.tested_again(row) for row in lines]


@pytest.mark.parametrize(
    "paper, says, p",  # two-sided, to the last digit given
    [
        ("sharpDARTS", "significantly better than ShakeShake64d", "0.18"),
        ("sharpDARTS", "Max-W beats the path made by hand", "0.0017"),
        ("sharpDARTS", "Max-W beats the path made by hand on new images", "0.17"),
        ("StacNAS", "groups help, two levels", "0.32"),
        ("StacNAS", "groups help, one level", "0.30"),
        ("StacNAS", "one level is better than two, baseline", "0.09"),
        ("StacNAS", "one level is better than two, grouped", "0.19"),
        ("StacNAS", "one level is better than two, grouped and matched", "0.018"),
        ("StacNAS", "a matching depth helps, one level", "0.001"),
        ("StacNAS", "a matching depth helps, two levels", "0.48"),
        ("StacNAS", "a third separable convolution makes DARTS worse", "0.94"),
        ("PC-DARTS", "the cell of PC-DARTS trains more steadily than that of DARTS-v1", "0.19"),
        ("PC-DARTS", "the cell of PC-DARTS trains more steadily than that of DARTS-v2", "0.056"),
    ],
)
def test_answers_known_beforehand(paper, says, p):
    found = answers(paper, says)[0].estimate.p
    assert f"{found:.{len(p) - 2}f}" == p


def test_one_sided_F_and_brown_forsythe_are_said_with_a_spread():
    v1, v2 = answers("PC-DARTS", "the cell of PC-DARTS trains more steadily")
    assert "F = 4.3, one-sided p = 0.09, Brown-Forsythe p = 0.21" in v1.words
    assert "F = 9.0, one-sided p = 0.03, Brown-Forsythe p = 0.19" in v2.words


def test_means_agree_with_the_test_on_the_runs_themselves():
    draw = np.random.default_rng(0)
    for n, m in ((3, 3), (5, 8), (20, 4)):
        a, b = draw.normal(1, 2, n), draw.normal(0, 0.5, m)
        found = welch(*(Summary(v.mean(), v.std(ddof=1), len(v)) for v in (a, b)))
        test = stats.ttest_ind(a, b, equal_var=False)
        found = found.estimate()
        assert found.p == pytest.approx(test.pvalue) and found.value == pytest.approx(a.mean() - b.mean())
        for limits, level in ((found.wide, 0.95), (found.narrow, 0.90)):
            assert limits == pytest.approx(tuple(test.confidence_interval(level)))


def test_without_n_or_spread_there_is_no_test_and_it_is_said():
    with pytest.raises(ValueError, match=r"3 ± 0.1 \(n = 4\) against 2: spread and n not stated, so there is nothing"):
        welch(Summary(3, 0.1, 4), Summary(2, np.nan, np.nan))
    table = retested("PC-DARTS").frame
    untested = table[table.test == "none"]
    assert len(untested) >= 4 and untested["its numbers"].str.contains("n not stated").all()
    assert (untested["which is"] == "–").all() and (untested.p == "–").all()


def test_a_quoted_number_has_the_n_of_its_source_only_if_it_is_the_same():
    (pt,) = answers("DARTS-PT", "PT extracts a better cell than alpha from the supernet of DARTS")
    assert "3 ± 0.14 (n = 10) against 2.61 ± 0.08 (n = 4)" in pt.words
    (sdarts,) = answers("DARTS-PT", "PT lowers the error of SDARTS-RS")  # no paper of this book says its n
    assert sdarts.estimate is None and "2.67 ± 0.03 against" in sdarts.words


def test_every_line_names_numbers_that_exist_and_reads_as_claimed():
    for row in retests().itertuples():
        done = retest.tested_again(row)
        e = done.estimate
        assert e is None or (np.isfinite(e.value) and e.wide[0] < e.narrow[0] < e.narrow[1] < e.wide[1])
    assert set(retests().paper) == set(published().paper)


def test_unknown_names_are_refused_by_name():
    with pytest.raises(ValueError, match="no comparison of 'StackNAS', did you mean 'StacNAS'"):
        retests("StackNAS")
    row = pd.Series({**retests("StacNAS").iloc[0], "better": "three levels"})
    with pytest.raises(ValueError, match="StacNAS, Table 5 has no error_percent of 'three levels' on CIFAR-10"):
        retest.tested_again(row)


def test_rows_of_an_ablation_are_averaged_as_independent_differences():
    same = Difference(0.2, 0.1, 10.0, 8)
    both = mean_difference([same, same])
    assert both.value == pytest.approx(0.2) and both.error == pytest.approx(0.1 / 2**0.5)
    assert both.freedom == pytest.approx(20) and both.n == 8


def test_published_findings_speak_in_the_unit_of_their_claim():
    found = retest.published_findings("StacNAS")
    finding, where = found["stacnas/depth-match-helps"]
    assert claim("stacnas/depth-match-helps").unit == "% of the error" and where == "StacNAS, Table 5, CIFAR-10"
    assert finding.estimate == pytest.approx(100 * 0.20 / 2.58) and finding.verdict == "supported"
    ratio = finding.low / finding.estimate  # the interval in the same unit
    (in_points,) = answers("StacNAS", "a matching depth helps, one level")
    assert ratio == pytest.approx(in_points.estimate.wide[0] / in_points.estimate.value)
    assert found["stacnas/groups-help"][0].verdict == "open"  # both levels together


def test_claims_without_published_spread_get_no_finding():
    assert "pc-darts/partial-lowers-error" not in retest.published_findings("PC-DARTS")
    assert retest.published_findings("MSR-DARTS") == {}
