"""Tables of many runs are folded under what they sum up to; short ones stand open with their caption."""

import pandas as pd

from nasnb.report import Table


def test_a_long_table_with_a_caption_is_folded_and_a_short_one_is_not():
    rows = pd.DataFrame({"run": range(Table.LONG + 1)})
    long, short = Table(rows, caption="13 runs")._repr_html_(), Table(rows[:2], caption="2 runs")._repr_html_()
    assert long.startswith("<details><summary>13 runs</summary>") and long.count("<tr>") == Table.LONG + 2
    assert "<details>" not in short and ">2 runs</caption>" in short
    assert "<details>" not in Table(rows)._repr_html_(), "nothing to fold it under"
