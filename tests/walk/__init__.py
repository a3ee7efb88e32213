"""The walk through every route as every role: what the URLconf has, whose rows there are, what an answer gives away."""
