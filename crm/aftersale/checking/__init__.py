"""售后质检: each week some closed tickets are drawn by a rule and scored by a checklist; who answered reads what was said of it."""
