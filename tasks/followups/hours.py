"""Business hours of a store, as this room knows them; announcements of the house keep the same ones."""

from guides.org.hours import WAVE_MINUTES, closing, is_open, next_opening, next_push, opening

__all__ = ["WAVE_MINUTES", "closing", "is_open", "next_opening", "next_push", "opening"]
