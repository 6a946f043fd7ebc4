"""Ways in which servers that speak SQL Server's protocol were seen to answer otherwise than it does.

Tests switch them on for a database; ``Oddities()`` is a sound server. A database's identities have a
switch of their own (``databases.Database.identity_view``).
"""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.model import ColumnType

_NAME = ColumnType("nvarchar", length=128)  # sysname
_NAME_IN_CODE_PAGE = ColumnType("varchar", length=128)


@dataclass
class Oddities:
    """``names_in_code_page``: names come as varchar, so that letters which its code page lacks are lost.

    ``denies_every_right``: HAS_PERMS_BY_NAME is 0 for every object, though SELECT works.
    ``rowversion_bytes``: what DATALENGTH says of a rowversion.
    """

    names_in_code_page: bool = False
    denies_every_right: bool = False
    rowversion_bytes: int = 8

    def view_type(self, column_type: ColumnType) -> ColumnType:
        """Return the type in which a catalog view shows a column of ``column_type``."""
        is_name = column_type == _NAME
        return _NAME_IN_CODE_PAGE if is_name and self.names_in_code_page else column_type
