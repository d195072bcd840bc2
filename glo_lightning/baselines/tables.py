"""A leaderboard as a table."""

from rich import box
from rich.markup import escape
from rich.table import Table

from glo_lightning.baselines.advice import Advice
from glo_lightning.baselines.leaderboard import Leaderboard, Row
from glo_lightning.words import number


def leaderboard_table(board: Leaderboard, epochs: int, own: str | None) -> Table:
    """Return a row per loss, the best first, in at most 80 columns.

    Args:
        board: what was trained.
        epochs: of a partial training, after which losses are shown, too.
        own: name of the loss that is the model's own; None if that is not known.
    """
    seeds = len(board.rows[0].metrics)
    title = f"{board.monitor.name} after {board.epochs} epochs, {seeds} seeds each"
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("loss", overflow="fold")
    stages = [each for each in dict.fromkeys((1, epochs)) if each < board.epochs]
    columns = ("rate ×", "mean ± std", *(f"epoch {each}" for each in stages))
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in board.rows:
        is_own = row.name == own and row.member.side == "untouched"
        reached = [row.after(each / board.epochs) for each in stages]
        table.add_row(
            escape(row.name + " (yours)" * is_own),
            f"{row.rate:.3g}",
            _result(row),
            *("" if each is None else number(each) for each in reached),
        )
    return table


def headroom_lines(advice: Advice) -> list[str]:
    """Return a line for each number that the answer rests on: its name, the number and its meaning."""
    chosen = "each chosen on other seeds"
    lines = [("noise floor", number(advice.noise), "standard deviation over seeds")]
    if advice.headroom is not None:
        lines.append(("headroom", str(advice.headroom), f"of the best known over the best tuned, {chosen}"))
    if advice.reach is not None and advice.reach != advice.headroom:
        family = advice.settings["family"]
        lines.append(("in reach", str(advice.reach), f"of the best known {family} loss over the best tuned"))
    lines.append(("least shown", number(advice.worthwhile), "difference that the verdict of a search would show"))
    width = max(len(value) for _, value, _ in lines)
    return [f"{name:<12} {value:<{width}}  {meaning}" for name, value, meaning in lines]


def _result(row: Row) -> str:
    if not row.is_measured:
        return "diverged"
    return f"{number(row.mean)} ± {number(row.std)}" + " †" * any(row.divergences)
