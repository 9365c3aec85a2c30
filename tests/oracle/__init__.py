"""An independent model of the billing rules: a customer's life goes in, what must have become of it comes out.

It knows the written rules only and imports nothing of the portal, so that both can be held against each other.
`play(vendor, events)` is the whole of it; each rule is named where it is followed, by its number in the rules of money
("rule 4") or by its decision id (D31).
"""

from tests.oracle.life import play

__all__ = ["play"]
