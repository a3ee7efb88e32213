"""搭配: the library and its stylists, a member's week from what he owns and what hangs in his sizes, the look in the cart."""
