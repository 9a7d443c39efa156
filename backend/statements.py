"""Hand-written SQL for the road that a click and an edit take.

The ORM builds the text of a query anew at each call, which costs about a millisecond of a slow core;
a click needs some twenty of them (docs/decisions/0011). Everything that nobody waits for with a
finger on the mouse stays with the ORM. These calls use Django's connection, so that transactions,
errors and the pool are the same, but a cursor of psycopg's own: the server binds the parameters, and
plans a text that comes again only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import (
    BooleanField,
    DateTimeField,
    Field,
    FloatField,
    ForeignKey,
    IntegerField,
    Model,
    UUIDField,
)

Row = TypeVar("Row", bound=Model)
Parameters = Sequence[Any] | Mapping[str, Any]
# Among what a statement gives back: its transaction's commit need not wait for the disk. For rows of
# work only: should the machine lose power in the next moment, a click has to be made again. Labels
# always wait. As part of the statement it costs no round trip.
NOT_DURABLE = "set_config('synchronous_commit', 'off', true)"


def rows(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """What a statement gives."""
    return _run(sql, parameters).fetchall()


def row(sql: str, parameters: Parameters) -> tuple[Any, ...] | None:
    """The first row that a statement gives, if any."""
    found = rows(sql, parameters)
    return found[0] if found else None


def change(sql: str, parameters: Parameters) -> None:
    """Run a statement that gives nothing."""
    _run(sql, parameters)


def select(
    model: type[Row], condition: str, parameters: Parameters, *, only: tuple[str, ...] = ()
) -> list[Row]:
    """The rows of a model's table for which `condition` (SQL) holds; `only` as in `columns`."""
    table = model._meta.db_table
    sql = f"SELECT {columns(model, table, only=only)} FROM {table} WHERE {condition}"
    return [instance(model, values, only=only) for values in rows(sql, parameters)]


@cache
def columns(model: type[Model], table: str, *, only: tuple[str, ...] = ()) -> str:
    """A model's columns for the text of a statement, of the table or its alias there.

    only: the fields to read (attribute names, the key among them); the others come when used.
    """
    return ", ".join(f'{table}."{field.column}"' for field in _fields(model, only))


def width(model: type[Model], *, only: tuple[str, ...] = ()) -> int:
    """How many `columns` there are."""
    return len(_fields(model, only))


def instance(model: type[Row], values: Sequence[Any], *, only: tuple[str, ...] = ()) -> Row:
    """A model's object from the values of its `columns`."""
    names, converters = _reading(model, only)
    converted = [
        value if convert is None else convert(value, None, connection)
        for convert, value in zip(converters, values, strict=True)
    ]
    return model.from_db(connection.alias, names, converted)


def insert(instances: Sequence[Row], *, keys: bool = True, durable: bool = True) -> None:
    """Store new rows of one model in one statement, and give them their keys if wanted."""
    if not instances:
        return
    sql, fields = _insertion(type(instances[0]), len(instances), keys, durable)
    values = [
        value if prepare is None else prepare(value, connection)
        for each in instances
        for field, prepare in fields
        for value in [field.pre_save(each, add=True)]
    ]
    if not keys:
        change(sql, values)
        return
    for each, (key, *_) in zip(instances, rows(sql, values), strict=True):
        each.pk = key
        each._state.adding, each._state.db = False, connection.alias


@cache
def _insertion(
    model: type[Model], count: int, keys: bool, durable: bool
) -> tuple[str, list[tuple[Field[Any, Any], Any]]]:
    """The text, and how each field's value goes to the database."""
    meta = model._meta
    fields = [field for field in _fields(model, ()) if field is not meta.auto_field]
    names = ", ".join(f'"{field.column}"' for field in fields)
    one = f"({', '.join(['%s'] * len(fields))})"
    wanted = [str(meta.pk.column)] * keys + [NOT_DURABLE] * (not durable)
    returning = f" RETURNING {', '.join(wanted)}" if wanted else ""
    sql = f"INSERT INTO {meta.db_table} ({names}) VALUES {', '.join([one] * count)}{returning}"
    return sql, [(field, _preparation(field)) for field in fields]


def _preparation(field: Field[Any, Any]) -> Any:
    """What makes a database's value of an attribute's; most kinds psycopg takes as they are."""
    as_they_are = (IntegerField, FloatField, BooleanField, DateTimeField, UUIDField, ForeignKey)
    return None if isinstance(field, as_they_are) else field.get_db_prep_save


def _run(sql: str, parameters: Parameters) -> psycopg.Cursor[tuple[Any, ...]]:
    database = connections[DEFAULT_DB_ALIAS]  # not `connection`, which looks it up at every word
    database.ensure_connection()
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        return psycopg.Cursor(database.connection).execute(sql, parameters)


@cache
def _fields(model: type[Model], only: tuple[str, ...]) -> tuple[Field[Any, Any], ...]:
    every = model._meta.concrete_fields
    return tuple(field for field in every if not only or field.attname in only)


@cache
def _reading(model: type[Model], only: tuple[str, ...]) -> tuple[list[str], list[Any]]:
    """Names of the attributes, and what makes a Python value of a column's."""
    fields = _fields(model, only)
    return (
        [field.attname for field in fields],
        [getattr(field, "from_db_value", None) for field in fields],
    )
