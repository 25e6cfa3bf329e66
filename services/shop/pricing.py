"""Prices: pure functions of a product and a quantity. Money is whole cents until it is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the catalogue has it."""

    id: int
    name: str
    unit_price_cents: int
    breaks: tuple[tuple[int, int], ...]
    """(from this quantity on, one costs so many cents), ascending."""
    available: bool


def unit_price_cents(product: Product, quantity: int) -> int:
    """What one piece costs when `quantity` are bought."""
    price = product.unit_price_cents
    for from_quantity, break_price in product.breaks:
        if quantity >= from_quantity:
            price = break_price
    return price


def line_total_cents(product: Product, quantity: int) -> int:
    """What the line costs."""
    return quantity * unit_price_cents(product, quantity)


def amount(cents: int) -> float:
    """Cents as the decimal number that goes into JSON: the nearest double prints as exactly two digits."""
    return cents / 100
