from __future__ import annotations

from sge.cli.console import messages, results, training_bar


def test_results_go_to_stdout_and_messages_to_stderr(capsys):
    results.print("a result")
    messages.print("a message")
    out, err = capsys.readouterr()
    assert (out, err) == ("a result\n", "a message\n")


def test_a_row_in_a_file_is_not_wrapped_at_80_columns(capsys):
    results.print("x" * 110)
    assert capsys.readouterr().out == "x" * 110 + "\n"


def test_no_bar_is_drawn_where_stderr_is_no_terminal(capsys):
    with training_bar() as bar:
        task = bar.add_task("steps", total=2, rate="1 image/s")
        bar.update(task, completed=1)
    assert bar.disable
    assert capsys.readouterr() == ("", "")
