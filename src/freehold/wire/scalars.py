"""Moved: use freehold.scalars."""

from freehold.scalars import Hashed, Int64, Sealed, dec_hook, enc_hook

__all__ = ["Hashed", "Int64", "Sealed", "dec_hook", "enc_hook"]
