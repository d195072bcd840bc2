"""Which nodes of an expression carry a coefficient of their own."""

from glo_lightning.losses.expression.nodes import PREDICTION, Node, Path


def coefficient_paths(tree: Node) -> list[Path]:
    r"""Return the nodes whose scale no other coefficient and no constant of the loss can absorb.

    The GLO paper multiplies every node by a coefficient and drops those that others absorb. Absorbed are

    - the factors of a product, the parts of a quotient and the argument of a root or square: the result's own
      coefficient scales them (a negative one aside, which a root could not take);
    - the scale of a sum: its terms carry it. Where the scale of the sum is absorbed too, its first term keeps 1;
    - the scale c in ``log(c x)``, which is ``log x + log c``, and any term without h, where a constant added to
      that node only adds a constant to the loss, as in ``log(h) - y / h`` and ``y * log(h)``.

    Args:
        tree: the expression.

    Returns:
        Their paths, a node before its children, left before right.

    Example:
        >>> from glo_lightning.losses.expression.parser import parse
        >>> tree = parse("log(h) - y / h")
        >>> [str(tree.at(path)) for path in coefficient_paths(tree)]
        ['log(h)', 'y / h']

    Source: GLO (arXiv:1905.11528), the coefficient stage.
    """
    return _place(tree, (), own_scale=True, shift_visible=False)


def _place(node: Node, path: Path, own_scale: bool, shift_visible: bool) -> list[Path]:
    """Place coefficients below and at a node.

    ``own_scale``: nothing above can absorb the node's scale. ``shift_visible``: a constant added to the node changes
    what training does.
    """
    if PREDICTION not in node and not shift_visible:
        return []
    below = [(*path, place) for place in range(len(node.children))]
    if node.symbol in ("+", "-"):
        left, right = node.children
        visible_left = PREDICTION in left or shift_visible
        return [
            *_place(left, below[0], own_scale, shift_visible),
            *_place(right, below[1], own_scale or visible_left, shift_visible),
        ]
    placed = [path] if own_scale else []
    if node.symbol == "log":
        return placed + _place(node.children[0], below[0], shift_visible, True)
    for child, child_path in zip(node.children, below, strict=True):
        placed += _place(child, child_path, False, _shift_shows(node, child_path[-1], shift_visible))
    return placed


def _shift_shows(node: Node, place: int, shift_visible: bool) -> bool:
    """Tell whether a constant added to a factor shows, when one added to the product does or does not."""
    if node.symbol == "*" or (node.symbol == "/" and place == 0):
        return shift_visible or PREDICTION in node.children[1 - place]
    return True
