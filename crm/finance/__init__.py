"""Finance: the day's proof, the provider's bills against our books, what does not fit and who answers for it."""
