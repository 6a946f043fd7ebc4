"""NOT in sqlglot's trees, in one form. Reads and writes no SQL.

The parser returns some negations as a node (``NOT IN``) and some as a flag of the node that is negated
(``NOT LIKE``; in PostgreSQL's dialect ``IS NOT NULL``). Who reads a tree by its types must not miss the flag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp


def spell_out_negations(tree: exp.Expr) -> exp.Expr:
    """Return the tree, changed in place, with a ``Not`` around each node that was flagged as negated."""
    from sqlglot import exp

    for node in list(tree.walk()):
        if not node.args.get("negate"):
            continue
        node.set("negate", None)
        negated = node.parent if isinstance(node.parent, exp.Escape) else node
        negation = exp.Not()
        if negated is tree:
            tree = negation
        else:
            negated.replace(negation)
        negation.set("this", negated)
    return tree
